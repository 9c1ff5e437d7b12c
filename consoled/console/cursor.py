"""Cursor: a reader's position on a spool, and how long it may make the child wait.

A reader that makes progress may hold the child while it is more than half a ring behind, for
at most ``patience`` seconds per stall; one that makes none for ``idle`` seconds never holds.
After a stall that used up its patience, a reader may not hold again until it has caught up
and REST seconds have passed: a slow reader must not turn the child into its slave.
"""

REST = 10.0
"""Seconds without a hold after a reader has used up its patience."""


IDLE = 0.1
"""Seconds without progress after which a reader is taken for stuck. Half of it was too short:
on a busy machine a healthy reader is now and then not run for 80 ms."""


class Cursor:
    """Position of one reader, in bytes since the console was made."""

    __slots__ = ("_barred_until", "_held_since", "idle", "patience", "position", "progress")

    def __init__(self, position: int, now: float, patience: float = 1.0, idle: float = IDLE):
        self.position = position
        self.progress = now
        self.patience = patience
        self.idle = idle
        self._held_since: float | None = None
        self._barred_until = 0.0

    def advance(self, position: int, now: float) -> None:
        """The reader has taken everything below ``position``."""
        if position != self.position:
            self.position = position
            self.progress = now

    def holds(self, head: int, allowance: int, now: float) -> bool:
        """Whether the child has to wait for this reader, ``allowance`` bytes being free."""
        if head - self.position <= allowance:
            self._held_since = None
            return False
        if now < self._barred_until or now - self.progress > self.idle:
            return False
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since < self.patience:
            return True
        self._barred_until = now + REST
        self._held_since = None
        return False

    def skip_to(self, position: int, now: float) -> int:
        """Jump ahead of what has been overwritten; returns the number of bytes missed."""
        missed = position - self.position
        self.position = position
        self.progress = now
        self._held_since = None
        self._barred_until = now + REST
        return missed
