"""Is the log complete? Checked after the clock has stopped."""

from pathlib import Path

from ..children.stream import START
from ..limits import happens

SETTLE = 5.0
"""Seconds that a server may lag behind with its log."""


def size(log: Path) -> int:
    """Return the size of a log that may not exist yet."""
    return log.stat().st_size if log.exists() else 0


def await_size(log: Path, wanted: int) -> None:
    """Wait a little for the log to grow to this size; `check` tells why if it does not."""
    happens(lambda: size(log) >= wanted, SETTLE)


def check(log: Path, expected: bytes) -> str:
    """Return what is wrong with the log, or nothing."""
    try:
        text = log.read_bytes()
    except OSError as error:
        return f"log unreadable: {error.strerror}"
    begin = text.find(START)
    if begin < 0:
        return f"log without the stream ({len(text)} bytes)"
    if text.startswith(expected, begin):
        return ""
    right = next(
        (
            at
            for at in range(0, len(expected), 4096)
            if not text.startswith(expected[at : at + 4096], begin + at)
        ),
        len(expected),
    )
    return f"log wrong or short after byte {right} of {len(expected)}"
