"""Output: the hot path from a child's terminal into the spool and on to its readers.

Owned by one Console. Reads straight into the spool; what was read is handed on (*flushed*) in
batches of BATCH bytes or BATCH_SECONDS, but at once when the terminal is drained and little
came, for that is the echo of somebody's key. While anybody types, all consoles of the server
read in small bites, so that a flood on one does not delay a key on another.

Never true: more unread room in the spool taken than one batch and one read beyond the
slowest reader that may hold the child.
"""

import asyncio
import errno
import os
from collections.abc import Callable

from consoled.keeper.spool import Spool

BATCH = 64 * 1024
BATCH_SECONDS = 0.002
_BUDGET = 64 * 1024
_KEYS_BUDGET = 4 * 1024
_KEYS_BATCH = 16 * 1024
_KEYS_SECONDS = 0.1
_SMALL = 4000
_SMALL_TOKENS = 8
_HELD_RECHECK = 0.005
_HUNG_UP_RECHECK = 1.0


class Typing:
    """When somebody has last typed, on any console of a server: all read in small bites then."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = float("-inf")


class Output:
    """Reader of one child's terminal after another, into one spool.

    ``flush(start, head)`` hands the bytes between two offsets to the readers; ``held()``
    tells whether one of them makes the child wait; ``ended()`` is called once a terminal
    has given its last byte.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        flush: Callable[[int, int], None],
        held: Callable[[], bool],
        ended: Callable[[], None],
        typing: Typing,
    ) -> None:
        self._loop = loop
        self._spool = spool
        self._flush = flush
        self._held = held
        self._ended = ended
        self._master = -1
        self._reading = False
        self._flushed = spool.head
        self._timer: asyncio.TimerHandle | None = None
        self._recheck: asyncio.TimerHandle | None = None
        self._tokens = _SMALL_TOKENS
        self._tokens_at = 0.0
        self.hung_up = False
        """Whether nobody holds the terminal open: its last byte has been read."""
        self._keyed = False
        self._typing = typing

    def open(self, master: int) -> None:
        """Read from this terminal from now on; the descriptor stays the caller's."""
        self._master = master
        self.hung_up = False
        self._watch()

    def note_key(self) -> None:
        """Somebody types: what comes next is an echo and must not wait for more."""
        self._keyed = True
        self._typing.at = self._loop.time()

    def append(self, text: bytes) -> None:
        """Put a notice into the stream, after all that came before it."""
        self._spool.append(text)
        self.flush()

    def finish(self) -> None:
        """Take all that is left in the terminal, whoever is slow, and let go of it.

        At most a spool of it: a process that the child has left behind may print for ever.
        """
        limit = self._spool.head + self._spool.size
        while self._master >= 0 and self._spool.head < limit and self._read_once() > 0:
            pass
        self._close()
        self.flush()

    def detach(self) -> None:
        """Hand on what was read, and read no more: somebody else is about to."""
        self._close()
        self.flush()

    def flush(self) -> None:
        """Hand on everything read so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        start, self._flushed = self._flushed, self._spool.head
        if start != self._flushed:
            self._flush(start, self._flushed)

    def resume(self) -> None:
        """A slow reader has moved: read on if nobody holds the child any more."""
        if self._recheck is not None and not self._held():
            self._watch()

    def _watch(self) -> None:
        if self._recheck is not None:
            self._recheck.cancel()
            self._recheck = None
        if self._master >= 0 and not self._reading:
            self._reading = True
            self._loop.add_reader(self._master, self._on_readable)

    def _unwatch(self, recheck: float) -> None:
        self._loop.remove_reader(self._master)
        self._reading = False
        self._recheck = self._loop.call_later(recheck, self._on_recheck)

    def _on_recheck(self) -> None:
        self._recheck = None
        self._watch()

    def _close(self) -> None:
        if self._recheck is not None:
            self._recheck.cancel()
            self._recheck = None
        if self._reading:
            self._loop.remove_reader(self._master)
            self._reading = False
        self._master = -1

    def _read_once(self) -> int:
        """Bytes read; 0 when drained, -1 when the terminal is hung up."""
        try:
            count = os.readv(self._master, [self._spool.window()])
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:
                return -1
            raise
        self._spool.commit(count)
        return count

    def _on_readable(self) -> None:
        if self._held():
            self.flush()
            self._unwatch(_HELD_RECHECK)
            return
        now = self._loop.time()
        if self._keyed:
            self._keyed = False
            self._tokens = _SMALL_TOKENS
        keys = now - self._typing.at < _KEYS_SECONDS
        budget = _KEYS_BUDGET if keys else _BUDGET
        self.hung_up = False
        master, spool, readv = self._master, self._spool, os.readv
        start = spool.head
        drained = False
        try:
            while not drained and spool.head - start < budget:
                count = readv(master, [spool.window()])
                spool.commit(count)
                # So little is the echo of a key; in a flood the next read has more.
                drained = keys and count < _SMALL
        except BlockingIOError:
            drained = True
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._hung_up()
            return
        self._schedule(now, spool.head - start, drained, _KEYS_BATCH if keys else BATCH)

    def _schedule(self, now: float, got: int, drained: bool, batch: int) -> None:
        """Flush now if it is a key's echo or a full batch, else within BATCH_SECONDS."""
        if self._spool.head - self._flushed >= batch or (
            drained and got < _SMALL and self._may_flush_small(now)
        ):
            self.flush()
        elif self._timer is None and self._spool.head != self._flushed:
            self._timer = self._loop.call_later(BATCH_SECONDS, self._on_batch_time)

    def _may_flush_small(self, now: float) -> bool:
        if now - self._tokens_at > BATCH_SECONDS:
            self._tokens_at, self._tokens = now, _SMALL_TOKENS
        self._tokens -= 1
        return self._tokens >= 0

    def _on_batch_time(self) -> None:
        self._timer = None
        self.flush()

    def _hung_up(self) -> None:
        """Nobody holds the tty open; a living child may open it again, so look now and then."""
        self.flush()
        self._unwatch(_HUNG_UP_RECHECK)
        self.hung_up = True
        self._ended()
