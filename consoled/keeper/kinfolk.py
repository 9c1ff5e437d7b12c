"""Kinfolk: signals for all that a child has started, and the end of what it leaves behind.

Owned by the keeper process. Before a signal goes out the whole family is looked up, by one
scan for all consoles that are signalled in the same moment: once the child has ended nobody
can tell any more whose some of them were. A
child that ended after a signal takes the rest with it: what is left is killed, looked for
again, and named if even that does not end it. A child that ended by itself takes only its
group, as with procServ.

Never true: a scan per console; a process signalled that belongs to another console's child.
"""

import os
import signal
from collections.abc import Callable, Iterable

from consoled.keeper import kin
from consoled.keeper.cgroup import Cgroups
from consoled.keeper.kin import Identity, Process
from consoled.keeper.loop import Loop
from consoled.keeper.runfiles import RunFiles

_LOOK_AGAIN = (0.05, 0.2, 0.75, 1.0)
"""Seconds until what was killed is looked at again; after the last it is named."""


class Kinfolk:
    """The families of all children; ``others`` tells the keeper's children that are none."""

    def __init__(
        self,
        loop: Loop,
        others: Callable[[], Iterable[int]],
        files: RunFiles,
        cgroups: Cgroups | None = None,
    ) -> None:
        self._loop = loop
        self._others = others
        self._files = files
        self._cgroups = cgroups
        self._leaders: dict[str, Identity] = {}
        self._signalled: dict[str, int] = {}
        self._doomed: dict[str, Identity] = {}
        self._bereaved: dict[str, Identity] = {}
        self._sweeping = False
        self._ending = 0
        self._known: dict[str, list[Process]] = {}
        self.signal_group: Callable[[str, int], None] = lambda _console, _number: None
        """Signals the group of a console's child."""
        self.on_survivors: Callable[[str, list[str]], None] = lambda _console, _names: None

    @property
    def busy(self) -> bool:
        """Whether a family is being ended this moment."""
        return bool(self._sweeping or self._bereaved or self._ending)

    def note(self, console: str, pid: int) -> None:
        """A console has a child: know its leader, and let the next keeper know it."""
        try:
            process = kin.look(pid)
        except OSError:
            process = None
        self._leaders[console] = Identity(pid, 0) if process is None else process.identity
        self._doomed.pop(console, None)
        cgroup = None if self._cgroups is None else self._cgroups.path(console)
        self._files.note_process(console, pid, process, cgroup)

    def drop(self, console: str) -> None:
        """The child has been collected."""
        self._files.drop(console)

    def signal(self, console: str, number: int) -> None:
        """Signal the child's group and all others of its family, in a moment."""
        leader = self._leaders.get(console)
        if leader is not None:
            self._signalled[console] = number
            self._doomed[console] = leader
            self._sweep_soon()

    def ended(self, console: str) -> None:
        """The child has ended: if somebody wanted that, its family goes with it."""
        leader = self._leaders.get(console)
        if self._cgroups is not None and console not in self._doomed:
            self._cgroups.remove(console)
        if leader is not None and self._doomed.pop(console, None) is not None:
            self._bereaved[console] = leader
            self._sweep_soon()
        else:
            self._leaders.pop(console, None)
            self._known.pop(console, None)

    def _sweep_soon(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(0.0, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        signalled, self._signalled = self._signalled, {}
        try:
            families = self._find(self._leaders | self._bereaved)
        except OSError:  # no descriptor to look with: nobody must count as gone for that
            families = {}
            self._sweeping = True
            self._loop.call_later(_LOOK_AGAIN[0], self._sweep)
        for console, number in signalled.items():
            self._signal_family(console, families.get(console, []), number)
        if self._sweeping:
            return
        bereaved, self._bereaved = self._bereaved, {}
        for console, leader in bereaved.items():
            if self._leaders.get(console) == leader:
                del self._leaders[console]
            family = {p.identity: p for p in self._known.pop(console, ())}
            family |= {p.identity: p for p in families.get(console, ())}
            alive = [p for p in map(_now, family.values()) if p is not None]
            self._end(console, leader, alive, 0)

    def _signal_family(self, console: str, family: list[Process], number: int) -> None:
        leader = self._leaders.get(console)
        others = [p for p in family if not _in_group(p, leader)]
        self._known[console] = others
        self.signal_group(console, number)
        kin.signal_all(others, number)

    def _find(self, leaders: dict[str, Identity]) -> dict[str, list[Process]]:
        processes, keeper, others = kin.scan(), os.getpid(), set(self._others())
        # A new child of the same console is nobody's heir.
        others |= {one.pid for name, one in self._leaders.items() if leaders.get(name) != one}
        marks = kin.read_marks(processes, leaders, keeper, others)
        return kin.kin_by_console(processes, leaders, keeper, marks, others)

    def _end(self, console: str, leader: Identity, family: list[Process], round_: int) -> None:
        """Kill what is left of a family; come back to see whether that has ended it."""
        if self._cgroups is not None and console not in self._leaders:
            self._cgroups.kill(console)
        kin.signal_all(family, signal.SIGKILL)
        if family and round_ < len(_LOOK_AGAIN):
            again = (console, leader, family, round_ + 1)
            self._ending += 1
            self._loop.call_later(_LOOK_AGAIN[round_], self._look_again, *again)
        elif family:
            self.on_survivors(console, [f"{p.name} (pid {p.pid})" for p in family])
        elif self._cgroups is not None and console not in self._leaders:
            self._cgroups.remove(console)

    def _look_again(
        self, console: str, leader: Identity, family: list[Process], round_: int
    ) -> None:
        """Only those known before, lest a new child's family is taken for the old one's."""
        self._ending -= 1
        try:
            if console in self._leaders:
                family = [p for p in map(_now, family) if p is not None]
            else:
                family = self._find({console: leader})[console]
        except OSError:  # no descriptor to look with: ask again
            pass
        self._end(console, leader, family, round_)


def _in_group(process: Process, leader: Identity | None) -> bool:
    try:
        return leader is not None and os.getpgid(process.pid) == leader.pid
    except ProcessLookupError:
        return True


def _now(process: Process) -> Process | None:
    """The same process as it is now; None when it has ended."""
    current = kin.look(process.pid)
    if current is None or current.identity != process.identity or current.ended:
        return None
    return current
