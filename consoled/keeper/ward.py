"""Ward: one console in the keeper process, whoever is at work.

Owner of a child towards the Keeper. While a worker lives, what happens is passed on to it;
what happens while none lives is kept and told to the next one. ``note`` is the worker's own
state of the console, which the keeper never looks into.

Never true: a fact that neither a worker has been told nor the next one will be.
"""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from consoled.errors import SpawnError
from consoled.keeper.channel import Frame
from consoled.keeper.checkpoint import Checkpoint
from consoled.keeper.child import Child
from consoled.keeper.keeper import Keeper
from consoled.keeper.spool import Spool
from consoled.keeper.standin import StandIn, Watcher

Tell = Callable[[Frame, Sequence[int]], None]


class Family(Protocol):
    """Who looks after what a child leaves behind."""

    def ended(self, console: str) -> None: ...


class Ward:
    """A console between a keeper's child and whoever works for it."""

    __slots__ = (
        *("_keeper", "_kin", "_standin", "_tell", "_watcher"),
        *("failure", "name", "note", "spool", "status"),
    )

    def __init__(
        self, name: str, spool: int, watcher: Watcher, keeper: Keeper, tell: Tell, kin: Family
    ) -> None:
        self.name = name
        self.spool = spool
        self.note: str | None = None
        self._keeper = keeper
        self._tell = tell
        self._kin = kin
        self._watcher = watcher
        self._standin: StandIn | None = None
        self.status: int | None = None
        self.failure: tuple[str, int] | None = None
        keeper.adopt_owner(name, self)

    # -- what the keeper says -------------------------------------------------------------

    def spawned(self, pid: int, master: int) -> None:
        """A child exists."""
        child = self._keeper.child(self.name)
        assert child is not None
        self.status = self.failure = None
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
        spool = Spool(fd=os.dup(self.spool))
        checkpoint = Checkpoint(spool)
        patience = checkpoint.patience
        logged = None if patience is None else checkpoint.taken
        checkpoint.close()
        standin = self._standin = StandIn(self._watcher, spool)
        found = standin.begin(logged, patience or 0.0)
        child = self._keeper.child(self.name)
        if child is not None:
            standin.read(child.master)
        return found

    def _sit_down(self) -> None:
        """A worker reads again."""
        if self._standin is not None:
            self._standin.end()
            self._standin = None

    def inventory(self) -> tuple[Frame, list[int]]:
        """What a new worker has to know, with spool, terminal and pidfd; nobody reads now."""
        self._sit_down()
        frame: Frame = {"do": "console", "console": self.name, "note": self.note, "child": None}
        fds = [self.spool]
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
        self._keeper.adopt(self.name, child)

    def close(self) -> None:
        """The console is gone from the configuration."""
        self._sit_down()
        self._keeper.close(self.name)
        os.close(self.spool)
