"""Logfile: a console's output and notices, written to a file by the disk's thread.

Owned by one Console. The loop's thread only wakes it; opening, looking, writing and closing
happen in the thread of its Disk, which reads the spool by offset. What it copies out of the
ring is safe; what was overwritten before it came is counted and marked in the file.

Threads: ``cursor`` belongs to the loop, everything with a leading underscore below ``_work``
to the disk's thread; ``taken`` is written by the thread and read by the loop.

Never true: a write on the loop's thread; a gap in the file without a mark (unless the server
ends before the file can be written again).
"""

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from consoled.console.cursor import Cursor
from consoled.disk import Disk
from consoled.keeper.spool import Spool
from consoled.protocol import notices
from consoled.protocol.stamp import Arrivals, LineStamper

_CHUNK = 512 * 1024
_BATCH = 320 * 1024
_BATCH_SECONDS = 0.005
"""Waking a thread costs more than writing a line: it is done for much, or after a while."""

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_PATIENCE = 1.0
_FLAGS = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | os.O_CLOEXEC
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_NOCTTY
)
MODE = 0o640


def open_log(path: str) -> int:
    """Open a log for appending; refuses what is no plain file (/dev/null may be one).

    Raises OSError with a reason a person can act on. Never follows a link in the last part
    of the path, never waits for a FIFO's reader.
    """
    try:
        fd = os.open(path, _FLAGS, MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:  # the kernel's text speaks of levels of links
            raise OSError(error.errno, "Is a symbolic link, which is not followed", path) from None
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "Is a FIFO or device, not a plain file", path) from None
        raise
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or path == os.devnull):
        os.close(fd)
        raise OSError(errno.ENXIO, "Is a FIFO or device, not a plain file", path)
    return fd


@dataclass(frozen=True, slots=True)
class Report:
    """What a round of writing came to: the failure, or the bytes lost before it went well."""

    failure: Exception | None = None
    lost: int = 0


class Logfile:
    """Appends a console's spool to a file, or to an open descriptor (``-L -``).

    ``on_trouble(text)`` is called on the loop with a notice when writing starts to fail and
    when it works again, ``on_progress()`` when it has taken something that the child waited
    for.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        disk: Disk,
        spool: Spool,
        path: str,
        *,
        fd: int = -1,
        named: bool = True,
        stamper: LineStamper | None = None,
        arrivals: Arrivals | None = None,
        on_trouble: Callable[[bytes], None],
        on_progress: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._disk = disk
        self._spool = spool
        self._path = path
        self._named = named
        self._stamper = stamper
        self._arrivals = arrivals
        self._on_trouble = on_trouble
        self._on_progress = on_progress
        self._waited_for = False
        self.cursor = Cursor(spool.head, loop.time(), _PATIENCE, idle=_PATIENCE)
        self._busy = False
        self._soon: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._failing = False
        self._reopen_wanted = False
        self._fd = fd
        self.taken = spool.head
        self._rest = b""
        self._lost_while_failing = 0
        self._looked = 0.0

    # -- on the loop ----------------------------------------------------------------------

    def wake(self) -> None:
        """There is something to write: soon, or now if it is much."""
        if self._busy or self._retry is not None:
            return
        if self._spool.head - self.taken >= _BATCH:
            self._start()
        elif self._soon is None:
            self._soon = self._loop.call_later(_BATCH_SECONDS, self._start)

    def _start(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._busy:
            self._busy = True
            self._disk.submit(self._work, self._worked)

    def reopen(self) -> None:
        """Write what there is to the old file, then open the path anew."""
        self._reopen_wanted = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._start()

    def held(self, head: int, allowance: int, now: float) -> bool:
        """Whether the child has to wait for the disk."""
        self.cursor.advance(self.taken, now)
        self._waited_for = not self._failing and self.cursor.holds(head, allowance, now)
        return self._waited_for

    @property
    def idle(self) -> bool:
        """Whether everything is written that can be."""
        return not self._busy and (self.taken >= self._spool.head or self._failing)

    def _worked(self, result: Report | Exception) -> None:
        self._busy = False
        report = Report(result) if isinstance(result, Exception) else result
        if report.failure is not None:
            self._retry = self._loop.call_later(_RETRY_SECONDS, self._on_retry)
            if not self._failing:
                self._failing = True
                reason = getattr(report.failure, "strerror", None) or repr(report.failure)
                self._on_trouble(notices.log_failed(self._path, reason))
            return
        if self._failing:
            self._failing = False
            self._on_trouble(notices.log_resumed(self._path, report.lost))
        if self._reopen_wanted:
            self._start()
        elif self.taken < self._spool.head:
            self.wake()

    def _on_retry(self) -> None:
        self._retry = None
        self._start()

    # -- in the disk's thread -------------------------------------------------------------

    def _work(self) -> Report:
        """Write until the spool's head is reached or something fails."""
        try:
            self._reopen_if_wanted()
            self._look()
            while self._rest or self.taken < self._spool.head:
                self._write_some()
        except OSError as error:
            return Report(error)
        lost, self._lost_while_failing = self._lost_while_failing, 0
        return Report(lost=lost)

    def _reopen_if_wanted(self) -> None:
        if not (self._reopen_wanted and self._named):
            self._reopen_wanted = False
            return
        stop = self._spool.head
        try:
            while self._fd >= 0 and (self._rest or self.taken < stop):
                self._write_some()
        except OSError:  # a full disk: what is not written goes to the new file
            pass
        self._reopen_wanted = False
        self._close()

    def _look(self) -> None:
        """Open the file if it is not open, or no longer what the path names."""
        now = time.monotonic()
        if not self._named or (self._fd >= 0 and now - self._looked < _LOOK_SECONDS):
            return
        self._looked = now
        if self._fd >= 0 and not self._is_current():
            self._close()
        if self._fd < 0:
            self._fd = open_log(self._path)

    def _is_current(self) -> bool:
        try:
            named = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_some(self) -> None:
        if not self._rest:
            self._rest = self._take()
        while self._rest:
            count = os.write(self._fd, self._rest)
            self._rest = self._rest[count:]

    def _take(self) -> bytes:
        """Copy the next piece out of the ring, with a mark for what is gone."""
        spool = self._spool
        while True:
            start = max(self.taken, spool.floor)
            stop = min(spool.head, start + _CHUNK)
            data = spool.read(start, stop)
            if spool.floor <= start:
                break
        gap = start - self.taken
        self.taken = stop
        if self._waited_for:
            self._waited_for = False
            self._loop.call_soon_threadsafe(self._on_progress)
        if gap:
            self._lost_while_failing += gap
        stamped = self._stamped(data, start, stop)
        return self._mark(gap, start) + stamped if gap else stamped

    def _mark(self, gap: int, offset: int) -> bytes:
        return self._stamped(notices.log_gap(gap), offset, offset + 1)

    def _stamped(self, data: bytes, start: int, stop: int) -> bytes:
        if self._stamper is None or self._arrivals is None:
            return data
        return render_stamped(self._stamper, self._arrivals, data, start, stop)


def render_stamped(
    stamper: LineStamper, arrivals: Arrivals, data: bytes, start: int, stop: int
) -> bytes:
    """``data``, the bytes from ``start`` to ``stop``, stamped by when they arrived."""
    runs = list(arrivals.runs(start, stop))
    if len(runs) == 1:
        return stamper.feed(data, runs[0][2])
    return b"".join(stamper.feed(data[a - start : b - start], second) for a, b, second in runs)
