"""Keeper: forks children, holds their ptys and spools, reaps them.

One keeper holds every console of a server. It lives in the server's own process here; its
methods and the calls on its ``Owner`` are the border behind which it can be a process of its
own. The keeper never reads or writes a pty itself: the owner does, on a duplicate of the
master that it must close.

Never true: two living children of one console; a child that nobody will reap.
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from consoled.config.model import SpawnSpec
from consoled.errors import SpawnError
from consoled.keeper.child import Child, spawn
from consoled.keeper.spool import Spool

_TRACED_RETRY = 0.05
"""Seconds until a dead child that a debugger still holds is asked for again."""


class Watcher(Protocol):
    """What the keeper needs of an event loop."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None: ...

    def remove_reader(self, fd: int) -> Any: ...

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any: ...


class Owner(Protocol):
    """Who is told what becomes of a console's child."""

    def spawned(self, pid: int, master: int) -> None:
        """A child exists; ``master`` is a descriptor of the owner's own."""

    def failed(self, error: SpawnError) -> None:
        """No child came to be, it gave up (``chdir``, ``exec`` ...), or resists a ``signal``."""

    def exited(self, status: int) -> None:
        """The child has ended with this wait status; output may still be in the pty."""


class _Held:
    """What is kept of one console."""

    def __init__(self, spool: Spool, owner: Owner) -> None:
        self.spool = spool
        self.owner = owner
        self.child: Child | None = None
        self.running = False


class Keeper:
    """The table of consoles with their children and spools."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._held: dict[str, _Held] = {}

    def open(self, console: str, spool: Spool, owner: Owner) -> None:
        """Take a console into the table; its spool is the keeper's from now on."""
        self._held[console] = _Held(spool, owner)

    def spawn(self, console: str, spec: SpawnSpec) -> None:
        """Start a child; the owner hears ``spawned`` or ``failed`` before this returns."""
        held = self._held[console]
        self._release(held)
        try:
            child = spawn(spec)
            master = child.lend()
        except SpawnError as error:
            held.owner.failed(error)
            return
        held.child, held.running = child, True
        self._watcher.add_reader(child.report, self._on_report, held, child)
        self._watcher.add_reader(child.pidfd, self._on_exit, held, child)
        held.owner.spawned(child.pid, master)

    def signal(self, console: str, number: int) -> None:
        """Signal the child's process group; without a child nothing happens."""
        held = self._held[console]
        if held.child is not None and held.running:
            try:
                held.child.signal(number)
            except PermissionError as error:
                reason = os.strerror(error.errno or 0)
                held.owner.failed(SpawnError("signal", error.errno or 0, reason))

    def resize(self, console: str, rows: int, columns: int) -> None:
        """Set the window size of the child's terminal."""
        held = self._held[console]
        if held.child is not None:
            held.child.resize(rows, columns)

    def release(self, console: str) -> None:
        """The owner has read all it wants of an ended child: close its terminal."""
        self._release(self._held[console])

    def _release(self, held: _Held) -> None:
        if held.child is not None and not held.running:
            held.child.close()
            held.child = None

    def _on_report(self, held: _Held, child: Child) -> None:
        self._watcher.remove_reader(child.report)
        failure = child.failure()
        if failure is not None:
            step, number = failure
            held.owner.failed(SpawnError(step, number, os.strerror(number)))

    def _on_exit(self, held: _Held, child: Child) -> None:
        # The report of a child that ended at once may be waiting behind this event.
        if child.report >= 0:
            self._on_report(held, child)
        self._watcher.remove_reader(child.pidfd)
        status = child.reap()
        if status is None:
            self._watcher.call_later(_TRACED_RETRY, self._on_exit, held, child)
            return
        held.running = False
        held.owner.exited(status)
