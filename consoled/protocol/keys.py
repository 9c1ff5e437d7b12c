"""Keys of a console: how they are written, and what they do to typed input.

A *command key* acts on the console, an *ignored key* vanishes. Both are single bytes.
Notation: ``^X`` for a control character (either case), ``^^`` for the caret itself,
``^?`` for DEL, anything else stands for itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from consoled.errors import ConfigError

RESTART_KEY: Final = 0x12  # ^R
QUIT_KEY: Final = 0x11  # ^Q
CARET: Final = ord("^")
DELETE: Final = 0x7F

_KEY: Final = re.compile(r"\^[@-_a-z?]|.", re.DOTALL)


def parse_key(text: str) -> int | None:
    """Read one key; an empty text disables it. As in procServ the rest is not looked at."""
    key = _KEY.match(text)
    return _code(key[0]) if key else None


def parse_keys(text: str) -> bytes:
    """Read a row of keys, such as the one of ``--ignore``."""
    return bytes(_code(key) for key in _KEY.findall(text))


def _code(key: str) -> int:
    if len(key) == 1:
        return _byte(key)
    if key in ("^^", "^?"):
        return CARET if key == "^^" else DELETE
    return ord(key[1]) & 0x1F


def _byte(character: str) -> int:
    """Latin-1, or a byte of the command line that was no UTF-8 (PEP 383)."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return code & 0xFF
    if code > 0xFF:
        raise ConfigError(f"key {character!a} is not one byte: use ^A to ^Z or a plain character")
    return code


def show_key(key: int) -> str:
    """Write a key as the banner does."""
    if key == DELETE:
        return "^?"
    return f"^{chr(key + 64)}" if key < 32 else chr(key)


class KeyCommand(Enum):
    """What a command key asks for."""

    KILL = auto()
    TOGGLE = auto()
    LOGOUT = auto()
    RESTART = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class KeyMap:
    """The keys of one console; None disables a command."""

    kill: int | None = 0x18  # ^X
    toggle: int | None = 0x14  # ^T
    logout: int | None = None
    ignored: bytes = b""


def _any_of(keys: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[" + re.escape(keys) + b"]")


class KeyFilter:
    """Splits typed input into commands and what the child may see; built once per console.

    Where keys collide the later line of ``_commands`` wins: a key that the user chose
    beats the fixed ^R and ^Q, and logging out, which harms nobody, beats all.
    """

    def __init__(self, keys: KeyMap) -> None:
        self._commands = {RESTART_KEY: KeyCommand.RESTART, QUIT_KEY: KeyCommand.QUIT}
        chosen = (
            (keys.toggle, KeyCommand.TOGGLE),
            (keys.kill, KeyCommand.KILL),
            (keys.logout, KeyCommand.LOGOUT),
        )
        self._commands |= {key: command for key, command in chosen if key is not None}
        self._pattern = _any_of(bytes(self._commands))
        # Not ^R and ^Q: they are the running child's own, readline uses both.
        self._hidden = keys.ignored + bytes(key for key, _ in chosen if key is not None)
        self._special = _any_of(bytes(self._commands) + self._hidden)

    def is_plain(self, data: bytes) -> bool:
        """Whether ``data`` is for the child as it is, which nearly all is."""
        return self._special.search(data) is None

    def commands(self, data: bytes) -> Iterator[KeyCommand]:
        """The commands in ``data`` in order.

        RESTART and QUIT count only while the child is down, which an earlier command
        may have changed: the caller looks at the child before each.
        """
        for key in self._pattern.findall(data):
            yield self._commands[key[0]]

    def strip(self, data: bytes) -> bytes:
        """What is left for the child (the same object if nothing was removed)."""
        return data.translate(None, self._hidden)
