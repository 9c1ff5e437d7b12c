"""Checkpoint: how far a console's log is written, kept in the spool's header.

Written by the log alone: an *intent* before each write to the file, *done* after it. Whoever
opens the log after a kill compares the file's size with it and knows what of the intended
bytes arrived. The keeper reads one thing of it: below which offset everything is logged.

Offsets stand with one bit below them, whether a line is open there: both change in one store.

Never true: an intent without the state before it still readable.
"""

from dataclasses import dataclass

from consoled.keeper.spool import CHECKPOINT, CHECKPOINT_WORDS, Spool

_PATIENCE, _TAKEN, _SIZE, _NEXT, _LENGTH, _INODE, _DEVICE, _ = range(CHECKPOINT_WORDS)


@dataclass(frozen=True, slots=True)
class Progress:
    """``taken``: offset up to which the log is written when its file had ``size`` bytes.

    Under way: the bytes up to ``next_taken``, which are ``length`` bytes in the file.
    ``line_open``: the log ends inside a line, before and after those bytes.
    """

    taken: int
    size: int
    next_taken: int
    length: int
    identity: tuple[int, int]
    line_open: bool
    next_line_open: bool


class Checkpoint:
    """The log's words in one spool."""

    def __init__(self, spool: Spool) -> None:
        self._words = spool.words[CHECKPOINT : CHECKPOINT + CHECKPOINT_WORDS]

    def close(self) -> None:
        """Let go of the spool, so that it can be unmapped."""
        self._words.release()

    def declare(self, patience: float) -> None:
        """There is a log, for which the child waits this many seconds."""
        self._words[_PATIENCE] = 1 + int(patience * 1000)

    def withdraw(self) -> None:
        """There is no log any more."""
        self._words[_PATIENCE] = 0

    @property
    def patience(self) -> float | None:
        """Seconds that the child waits for the log; None without a log."""
        word = self._words[_PATIENCE]
        return None if word == 0 else (word - 1) / 1000

    @property
    def taken(self) -> int:
        """Offset below which the log has everything."""
        return self._words[_TAKEN] >> 1

    def read(self) -> Progress:
        """What is known of the log."""
        words = self._words
        return Progress(
            words[_TAKEN] >> 1,
            words[_SIZE],
            words[_NEXT] >> 1,
            words[_LENGTH],
            (words[_DEVICE], words[_INODE]),
            bool(words[_TAKEN] & 1),
            bool(words[_NEXT] & 1),
        )

    def opened(self, device: int, inode: int, size: int) -> None:
        """The log goes on in this file, which has ``size`` bytes."""
        self._words[_LENGTH] = 0
        self._words[_DEVICE], self._words[_INODE] = device, inode
        self._words[_SIZE] = size

    def intend(self, next_taken: int, length: int, line_open: bool) -> None:
        """The next write brings the log up to ``next_taken`` and adds ``length`` bytes."""
        self._words[_LENGTH] = 0
        self._words[_NEXT] = next_taken << 1 | line_open
        self._words[_LENGTH] = length

    def done(self, size: int) -> None:
        """The intended write is in the file, which now has ``size`` bytes."""
        self._words[_TAKEN] = self._words[_NEXT]
        self._words[_SIZE] = size
        self._words[_LENGTH] = 0

    def skip_to(self, offset: int, line_open: bool = False) -> None:
        """Everything below ``offset`` is logged, or never will be."""
        self._words[_LENGTH] = 0
        self._words[_TAKEN] = offset << 1 | line_open
