"""StandIn: reads a child's terminal while no worker lives, so that the child need not wait.

Owned by a ward. What the last worker has read and not committed is recovered first. Unlogged
output may make the child wait for the next worker, once, for the log's patience; then the
oldest is overwritten, and the log marks the gap by itself, for its checkpoint stays behind.

Never true: a stand-in that reads while a worker does.
"""

import errno
import os
from collections.abc import Callable
from typing import Any, Protocol

from consoled.keeper.spool import READ_SIZE, Spool

_BUDGET = 256 * 1024
_HUNG_UP_RECHECK = 1.0


class Watcher(Protocol):
    """What a stand-in needs of an event loop."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None: ...

    def remove_reader(self, fd: int) -> Any: ...

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any: ...


class StandIn:
    """Reader of one console; ``unlogged`` is the offset below which the log has everything."""

    def __init__(self, watcher: Watcher, spool: Spool) -> None:
        self._watcher = watcher
        self._spool = spool
        self._master = -1
        self._reading = False
        self._timer: Any = None
        self._logged = 0
        self._patience = 0.0
        self.hung_up = False

    def begin(self, logged: int | None, patience: float) -> int:
        """No worker any more; returns the bytes that only the landing zone knew.

        ``logged`` None: no log waits for anything, the child never has to.
        """
        found = self._spool.recover()
        self._logged = self._spool.head if logged is None else logged
        self._patience = 0.0 if logged is None else patience
        return found

    def read(self, master: int) -> None:
        """Read this terminal from now on."""
        self._master = master
        self.hung_up = False
        self._watch()

    def end(self) -> None:
        """A worker reads again; the mapping is given up."""
        self._cancel()
        if self._reading:
            self._unwatch()
        self._master = -1
        self._spool.close()

    def _watch(self) -> None:
        self._timer = None
        if not self._reading and self._master >= 0:
            self._reading = True
            self._watcher.add_reader(self._master, self._on_readable)

    def _unwatch(self) -> None:
        self._reading = False
        self._watcher.remove_reader(self._master)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pause(self, seconds: float) -> None:
        self._unwatch()
        self._timer = self._watcher.call_later(seconds, self._watch)

    def _on_readable(self) -> None:
        spool = self._spool
        limit = spool.head + _BUDGET
        try:
            while spool.head < limit:
                if self._patience and self._is_full():
                    self._pause(self._patience)
                    self._patience = 0.0
                    return
                spool.commit(os.readv(self._master, [spool.window()]))
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.hung_up = True
            self._pause(_HUNG_UP_RECHECK)

    def _is_full(self) -> bool:
        """Whether the next read may overwrite what no log has."""
        spool = self._spool
        return spool.head + 2 * READ_SIZE - spool.size > self._logged
