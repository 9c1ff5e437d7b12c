"""The bytes that children write and clients expect: unmistakable at every offset.

Imported by the harness and, as a plain file beside it, by ``program.py``: standard library only.
There is no 0xFF in any stream, so telnet leaves it alone and one comparison serves all peers.
"""

import functools
import hashlib
from collections.abc import Iterator

START = b"\r\n<<bench 5c1e START>>\r\n"
END = b"\r\n<<bench 5c1e END>>\r\n"

BLOCK = 65536
LINE = 80
_NO_IAC = bytes([*range(255), 0x7F])
_NOISE = hashlib.shake_128(b"consoled bench").digest(BLOCK - 16).translate(_NO_IAC)
_FILLER = b"the quick brown fox jumps over the lazy dog and then writes one more ..\r\n"


def blocks(size: int) -> Iterator[bytes]:
    """Yield `size` bytes (0: without end) of noise in which every block bears its number."""
    number = 0
    while not size or number * BLOCK < size:
        yield b"%016x" % number + _NOISE
        number += 1


def lines(size: int) -> Iterator[bytes]:
    """Yield about `size` bytes of numbered lines, `LINE` bytes each, many at a time."""
    for first in range(0, size // LINE, 512):
        yield b"".join(line(number) for number in range(first, min(first + 512, size // LINE)))


def line(number: int) -> bytes:
    """Return one numbered line with its end."""
    return b"%06d " % number + _FILLER


def megabytes(count: int) -> int:
    """Return the whole number of blocks that comes nearest below `count` MB, in bytes."""
    return count * 1_000_000 // BLOCK * BLOCK


KINDS = {"blocks": blocks, "lines": lines}


@functools.lru_cache(maxsize=1)
def whole(kind: str, size: int) -> bytes:
    """Return all that a child of this kind writes, markers included; kept for the next run."""
    return b"".join((START, *KINDS[kind](size), END))
