"""Logfile: a console's output and notices, written to a file by the disk's thread.

Owned by one Console. The loop's thread only wakes it; opening, looking, writing and closing
happen in the thread of its Disk, which reads the spool by offset. What it copies out of the
ring is safe; what was overwritten before it came is counted and marked in the file.

With a checkpoint the log says in the spool's header what it is about to write and what it
has written, so that whoever comes after a kill goes on at the exact byte.

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
from consoled.keeper.checkpoint import Checkpoint, Progress
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
        checkpoint: Checkpoint | None = None,
        patience: float = _PATIENCE,
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
        self._checkpoint = checkpoint
        start = spool.head if checkpoint is None else checkpoint.taken
        self.cursor = Cursor(start, loop.time(), patience, idle=_PATIENCE)
        self._busy = False
        self._soon: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._failing = False
        self._reopen_wanted = False
        self._fd = fd
        self.taken = start
        self._rest = b""
        self._lost_while_failing = 0
        self._looked = 0.0
        self._resumed = checkpoint is None
        self._leaving = False
        self._behind_since: float | None = None
        self.trouble: str | None = None
        """Why it cannot be written now."""
        self.lost = 0
        """Bytes that are missing in the file, each gap marked in it."""
        if checkpoint is not None:
            checkpoint.declare(patience)
            if start < spool.head:
                self.wake()

    # -- on the loop ----------------------------------------------------------------------

    def wake(self) -> None:
        """There is something to write: soon, or now if it is much."""
        if self._behind_since is None:
            self._behind_since = self._loop.time()
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
        if not self._busy and not self._leaving:
            self._busy = True
            self._disk.submit(self._work, self._worked)

    def reopen(self) -> None:
        """Write what there is to the old file, then open the path anew."""
        self._reopen_wanted = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._start()

    def leave(self) -> None:
        """Begin no further write: somebody else is about to take over, or there is no log."""
        self._leaving = True
        for timer in (self._soon, self._retry):
            if timer is not None:
                timer.cancel()

    @property
    def lag(self) -> float:
        """Seconds for which there has been something to write and nothing was."""
        return 0.0 if self._behind_since is None else self._loop.time() - self._behind_since

    @property
    def busy(self) -> bool:
        """Whether the disk's thread is in the middle of it."""
        return self._busy

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
        if self._leaving:
            return
        report = Report(result) if isinstance(result, Exception) else result
        self.lost += report.lost
        if report.failure is None:
            behind = self.taken < self._spool.head
            self._behind_since = self._loop.time() if behind else None
        if report.failure is not None:
            self._retry = self._loop.call_later(_RETRY_SECONDS, self._on_retry)
            if not self._failing:
                self._failing = True
                reason = getattr(report.failure, "strerror", None) or repr(report.failure)
                self.trouble = reason
                self._on_trouble(notices.log_failed(self._path, reason))
            return
        if self._failing:
            self._failing = False
            self.trouble = None
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
            while (self._rest or self.taken < self._spool.head) and not self._leaving:
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
            self._opened()

    def _opened(self) -> None:
        """Tell the checkpoint which file it is about, after reading what it knew before."""
        checkpoint = self._checkpoint
        if checkpoint is None:
            return
        status = os.fstat(self._fd)
        if not self._resumed:
            self._resumed = True
            self._resume(checkpoint.read(), status)
        checkpoint.opened(status.st_dev, status.st_ino, status.st_size)
        if self._rest:
            checkpoint.intend(self.taken, len(self._rest), self._line_open)

    def _resume(self, before: Progress, status: os.stat_result) -> None:
        """Find out what of the last intended write is in the file; take up the rest.

        A file that was changed meanwhile says nothing: better twice than never.
        """
        known = before.identity == (status.st_dev, status.st_ino)
        written = status.st_size - before.size if known else 0
        self._set_line_open(before.line_open)
        if before.length and written == before.length:
            self.taken = before.next_taken
            self._set_line_open(before.next_line_open)
        elif 0 < written < before.length:
            self._resume_inside(before, before.length - written)
        if self._checkpoint is not None and not self._rest:
            self._checkpoint.skip_to(self.taken, self._line_open)

    def _resume_inside(self, before: Progress, missing: int) -> None:
        """The last ``missing`` bytes of a write are not in the file: make them anew."""
        start, stop = before.taken, before.next_taken
        if self._stamper is None and before.length == stop - start:
            self.taken = stop - missing
        elif before.length != stop - start and self._is_mark(before):
            self._rest = self._mark(stop - start, stop)[-missing:]
            self.taken = stop
        elif self._spool.floor <= start:
            self._rest = self._stamped(self._spool.read(start, stop), start, stop)[-missing:]
            self.taken = stop

    def _is_mark(self, before: Progress) -> bool:
        """Whether an intended write was the mark of a gap, which is a write of its own."""
        gap = before.next_taken - before.taken
        return before.length < gap and before.next_taken <= self._spool.head

    @property
    def _line_open(self) -> bool:
        return self._stamper is not None and self._stamper.line_open

    def _set_line_open(self, line_open: bool) -> None:
        if self._stamper is not None:
            self._stamper.line_open = line_open

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
        checkpoint = self._checkpoint
        if not self._rest:
            self._rest = self._take()
            if checkpoint is not None:
                checkpoint.intend(self.taken, len(self._rest), self._line_open)
        while self._rest:
            count = os.write(self._fd, self._rest)
            self._rest = self._rest[count:]
        if checkpoint is not None:
            # After an appending write the position is the end of what was written.
            checkpoint.done(os.lseek(self._fd, 0, os.SEEK_CUR))

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
        if gap:  # told in a write of its own, before what follows
            self._lost_while_failing += gap
            self.taken = start
            return self._mark(gap, start)
        self.taken = stop
        if self._waited_for:
            self._waited_for = False
            self._loop.call_soon_threadsafe(self._on_progress)
        return self._stamped(data, start, stop)

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
