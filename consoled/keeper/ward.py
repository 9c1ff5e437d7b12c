"""Ward: one console in the keeper process, whoever is at work.

Owner of a child towards the Keeper. While a worker lives, what happens is passed on to it;
what happens while none lives is kept and told to the next one. ``note`` is the worker's own
state of the console, which the keeper never looks into.

Never true: a fact that neither a worker has been told nor the next one will be.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from consoled.errors import SpawnError
from consoled.keeper.channel import Frame
from consoled.keeper.checkpoint import Checkpoint
from consoled.keeper.child import Child
from consoled.keeper.keeper import Keeper
from consoled.keeper.spool import Spool
from consoled.keeper.standin import StandIn, Watcher

Tell = Callable[[Frame, Sequence[int]], None]


class Family(Protocol):
    """Who looks after what a child starts and leaves behind."""

    def born(self, console: str, pid: int) -> None: ...

    def ended(self, console: str) -> None: ...


class Ward:
    """A console between a keeper's child and whoever works for it."""

    def __init__(
        self, name: str, spool: Spool, watcher: Watcher, keeper: Keeper, tell: Tell, kin: Family
    ) -> None:
        self.name = name
        self.spool = spool
        self.note: Any = None
        self._keeper = keeper
        self._tell = tell
        self._kin = kin
        self._standin = StandIn(watcher, spool)
        self.status: int | None = None
        self.failure: tuple[str, int] | None = None
        keeper.open(name, spool, self)

    # -- what the keeper says -------------------------------------------------------------

    def spawned(self, pid: int, master: int) -> None:
        """A child exists."""
        child = self._keeper.child(self.name)
        assert child is not None
        self.status = self.failure = None
        self._kin.born(self.name, pid)
        frame = {"do": "spawned", "console": self.name, "pid": pid}
        self._tell(frame, (master, child.pidfd))
        os.close(master)

    def failed(self, error: SpawnError) -> None:
        """No child, or one that could not become its program."""
        self.failure = (error.step, error.errno)
        self._tell(
            {"do": "failed", "console": self.name, "step": error.step, "errno": error.errno}, ()
        )

    def exited(self, status: int) -> None:
        """The child has ended; its terminal stays open until somebody has read it."""
        self.status = status
        self._kin.ended(self.name)
        self._tell({"do": "exited", "console": self.name, "status": status}, ())

    # -- workers come and go --------------------------------------------------------------

    def lose_worker(self) -> int:
        """Nobody reads: stand in. Returns the bytes that had not been committed."""
        checkpoint = Checkpoint(self.spool)
        patience = checkpoint.patience
        logged = None if patience is None else checkpoint.taken
        found = self._standin.begin(logged, patience or 0.0)
        child = self._keeper.child(self.name)
        if child is not None:
            self._standin.read(child.master)
        return found

    def inventory(self) -> tuple[Frame, list[int]]:
        """What a new worker has to know, with spool, terminal and pidfd; nobody reads now."""
        self._standin.end()
        frame: Frame = {"do": "console", "console": self.name, "note": self.note, "child": None}
        fds = [self.spool.fd]
        child = self._keeper.child(self.name)
        if child is not None:
            running = self._keeper.is_running(self.name)
            frame["child"] = {
                "pid": child.pid,
                "status": None if running else self.status,
                "failure": self.failure,
                "running": running,
            }
            fds += [child.master, *([child.pidfd] if running else [])]
        return frame, fds

    def thaw(self, child: Child, status: int | None, failure: tuple[str, int] | None) -> None:
        """The child that this console had before the exec."""
        self.failure = failure
        if status is None:
            self.adopt(child)
        else:
            self.status = status
            self._keeper.keep_ended(self.name, child)

    def adopt(self, child: Child) -> None:
        """A child that exists already is this console's."""
        self._kin.born(self.name, child.pid)
        self._keeper.adopt(self.name, child)

    def close(self) -> None:
        """The console is gone from the configuration."""
        self._standin.end()
        self._keeper.close(self.name)
        self.spool.close()
