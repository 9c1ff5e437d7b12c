"""consoled runs interactive programs on ptys and shares their consoles."""

__version__ = "0.1.0.dev0"
