"""The users: many cheap ones that check every byte, and one that drains and says nothing."""

from pathlib import Path

DRAIN = Path(__file__).with_name("drain.py")
