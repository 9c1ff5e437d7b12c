"""Keyboard: the way from users' keys to the child's terminal.

Owned by one Console. Everything typed goes through one bounded queue and is written when the
terminal takes it, so a child that does not read can neither block the server nor lose a byte:
a full queue stops the reading from those who type, not from anybody else.

Never true: a blocking write; a byte dropped without its writer being told.
"""

import asyncio
import os
import termios
from collections import deque
from collections.abc import Callable

from consoled.console.linelimit import LineLimit

CAPACITY = 64 * 1024
"""Bytes of input that wait for a child before its writers are paused."""

_STALL_SECONDS = 1.0
"""A full queue is normal while a paste runs; one that does not move for so long is news."""

_FIRST_RETRY, _LAST_RETRY = 0.01, 1.0


class Keyboard:
    """Input queue of one child's terminal; without a child, input is dropped.

    ``on_room`` is called when a full queue is no longer full, ``on_stall`` once when it stays
    full because the child does not read at all.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_room: Callable[[], None],
        on_stall: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_room = on_room
        self._on_stall = on_stall
        self._progress = 0.0
        self.stalled = False
        """Whether the queue is full because the child does not read at all."""
        self._master = -1
        self._queue: deque[memoryview] | tuple[()] = ()  # until somebody types too fast
        self._retry = _FIRST_RETRY
        self._timer: asyncio.TimerHandle | None = None
        self._lines = LineLimit()
        self.waiting = 0

    @property
    def full(self) -> bool:
        """Whether writers have to wait."""
        return self.waiting >= CAPACITY

    @property
    def discarded(self) -> int:
        """Bytes of the line being typed that the terminal would not have taken."""
        return self._lines.discarded

    @property
    def cut_lines(self) -> int:
        """How many lines have been cut so far."""
        return self._lines.cut_lines

    def open(self, master: int) -> None:
        """Write to this terminal from now on."""
        self._master = master
        self._lines = LineLimit()

    def untyped(self) -> bytes:
        """What the terminal has not taken yet."""
        return b"".join(self._queue)

    def close(self) -> None:
        """The child is gone, and with it whatever it has not read."""
        self._disarm()
        self._master = -1
        self._empty()

    def type(self, data: bytes) -> bool:
        """Write ``data`` for the child, or queue what it does not take now.

        False when there is something to look after: a queue, or a line that was cut.
        """
        if self._master < 0:
            return True
        kept = self._lines.feed(data, self._line_mode)
        if not self._queue:
            count = self._try(kept)
            if count == len(data):
                return True
            kept = kept[count:]
            self._progress = self._loop.time()
        if kept:
            if isinstance(self._queue, tuple):
                self._queue = deque()
            self._queue.append(memoryview(kept))
            self.waiting += len(kept)
            if self._timer is None:
                self._write()
        return False

    def _try(self, data: bytes | memoryview) -> int:
        """Bytes that the terminal took: all, if it is hung up, which the keeper will tell."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _line_mode(self) -> bool:
        try:
            return bool(termios.tcgetattr(self._master)[3] & termios.ICANON)
        except termios.error:
            return False

    def _write(self) -> None:
        while self._queue:
            chunk = self._queue[0]
            count = self._try(chunk)
            if count == 0:
                self._arm()
                self._look_for_stall()
                return
            self._progress, self.stalled = self._loop.time(), False
            self._retry = _FIRST_RETRY
            if count < len(chunk):
                self._queue[0] = chunk[count:]
            else:
                self._queue.popleft()
            self._took(count)
        self._disarm()

    def _took(self, count: int) -> None:
        was_full = self.full
        self.waiting -= count
        if was_full and not self.full:
            self._on_room()

    def _empty(self) -> None:
        self._queue = ()
        self.stalled = False
        self._took(self.waiting)

    def _arm(self) -> None:
        """Try again when the terminal takes more, or a little later.

        A pty does not always report its room: what sits in the kernel's flip buffer moves
        on without waking anybody up.
        """
        self._disarm()
        self._loop.add_writer(self._master, self._write)
        self._timer = self._loop.call_later(self._retry, self._write)
        self._retry = min(2 * self._retry, _LAST_RETRY)

    def _look_for_stall(self) -> None:
        overdue = self._loop.time() - self._progress >= _STALL_SECONDS
        if overdue and self.full and not self.stalled:
            self.stalled = True
            self._on_stall()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._loop.remove_writer(self._master)
