"""Keeper: forks children, holds their ptys and spools, reaps them.

One keeper holds every console of a server. In the drop-in it lives in the server's own
process; in ``consoled`` its owners are wards of the keeper process, and the server calls the
same methods through a link. The keeper never reads or writes a pty itself: the owner does, on
a duplicate of the master that it must close.

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


class Record(Protocol):
    """Who notes down which children exist, for a keeper that comes after an unclean end."""

    def note(self, console: str, pid: int) -> Any: ...

    def drop(self, console: str) -> Any: ...


class _Held:
    """What is kept of one console."""

    __slots__ = ("child", "console", "owner", "running")

    def __init__(self, console: str, owner: Owner) -> None:
        self.console = console
        self.owner = owner
        self.child: Child | None = None
        self.running = False


class Keeper:
    """The table of consoles with their children and spools."""

    def __init__(
        self,
        watcher: Watcher,
        record: Record | None = None,
        cgroup_of: Callable[[str], int | None] | None = None,
    ) -> None:
        self._watcher = watcher
        self._record = record
        self._cgroup_of = cgroup_of
        self._held: dict[str, _Held] = {}

    def open(self, console: str, spool: Spool, owner: Owner) -> None:
        """Take a console into the table; its spool is the owner's."""
        self._held[console] = _Held(console, owner)

    def adopt_owner(self, console: str, owner: Owner) -> None:
        """The same for an owner that looks after its spool alone."""
        self._held[console] = _Held(console, owner)

    def spawn(self, console: str, spec: SpawnSpec) -> None:
        """Start a child; the owner hears ``spawned`` or ``failed`` before this returns."""
        held = self._held[console]
        self._release(held)
        cgroup = None if self._cgroup_of is None else self._cgroup_of(console)
        try:
            child = spawn(spec, cgroup)
            master = child.lend()
        except SpawnError as error:
            held.owner.failed(error)
            return
        finally:
            if cgroup is not None:
                os.close(cgroup)
        if self._record is not None:
            self._record.note(console, child.pid)
        self._watch(held, child)
        held.owner.spawned(child.pid, master)

    def adopt(self, console: str, child: Child) -> None:
        """Look after a child that exists already, ended or not."""
        if self._record is not None:
            self._record.note(console, child.pid)
        self._watch(self._held[console], child)

    def keep_ended(self, console: str, child: Child) -> None:
        """Hold the terminal of a child that has ended and was not released yet."""
        self._held[console].child = child

    def _watch(self, held: _Held, child: Child) -> None:
        held.child, held.running = child, True
        if child.report >= 0:
            self._watcher.add_reader(child.report, self._on_report, held, child)
        self._watcher.add_reader(child.pidfd, self._on_exit, held, child)

    def child(self, console: str) -> Child | None:
        """The child of a console, which may have ended, until it is released."""
        return self._held[console].child

    def pids(self) -> set[int]:
        """All children that have not been collected."""
        return {h.child.pid for h in self._held.values() if h.child is not None and h.running}

    def is_running(self, console: str) -> bool:
        """Whether the child of a console has not ended."""
        return self._held[console].running

    def close(self, console: str) -> None:
        """Forget a console that has no running child."""
        held = self._held.pop(console)
        self._release(held)

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

    def note(self, console: str, note: Any) -> None:
        """What a successor of the owner would have to know: there is none, it ends with us."""

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
        if self._record is not None:
            self._record.drop(held.console)
        held.owner.exited(status)
