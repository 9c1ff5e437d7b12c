"""Board: a page shared by the keeper and its workers: the worker's beat, peers' positions.

One word each, stored in one instruction, so that what a killed worker has written last is
there. The words of peers are given out by the worker.

Never true: a word that two peers use.
"""

import mmap
import os

_BEAT = 0
_FIRST = 8
SLOTS = 8192
"""How many words there are for peers; a peer without one does not outlive a kill."""


class Board:
    """The shared words; with ``fd`` those of the keeper, whose descriptor becomes ours."""

    def __init__(self, fd: int | None = None) -> None:
        size = (_FIRST + SLOTS) * 8
        if fd is None:
            fd = os.memfd_create("board", os.MFD_CLOEXEC)
            os.ftruncate(fd, size)
        self.fd = fd
        self.words = memoryview(mmap.mmap(fd, size)).cast("Q")

    @property
    def beat(self) -> int:
        """How often the worker has beaten."""
        return self.words[_BEAT]

    def tap(self) -> None:
        """The worker's loop turns."""
        self.words[_BEAT] += 1

    def word(self, slot: int) -> memoryview:
        """The one word of a peer."""
        return self.words[_FIRST + slot : _FIRST + slot + 1]
