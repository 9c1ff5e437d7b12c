"""Kin: every process that belongs to a console's child, wherever it has gone.

A group signal misses background jobs, ``nohup`` and ``setsid``. One scan of /proc finds them
for all consoles at once: by line of parents up to a console's leader, by the leader's session,
and, when the parent has died, by the mark in the environment, for the keeper is a subreaper
and inherits all orphans. Assigning is pure; a scan is a value and nobody's state.

A scan is a picture in motion: who forks meanwhile is missed, so whoever wants nobody left
scans again until nobody is. An environment is read for candidates only: a process is free to
hold the lock that the kernel takes for it.

Never true: a process is kin of two consoles; kin is the keeper, pid 1, one of the keeper's
other children or what descends from those; a number that another process has taken over is
signalled, or makes its new session a console's.
"""

import errno
import os
import signal
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

MARK = b"CONSOLED_CONSOLE"
"""Environment variable of every child: the name of its console."""

_INIT = 1
_STAT_SIZE = 4096
_PF_EXITING = 0x4
_OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors that say nothing about a process; taken for its absence they would spare everybody."""

_PR_SET_CHILD_SUBREAPER = 36


class Identity(NamedTuple):
    """What no other process of this boot has: the pid and when it began."""

    pid: int
    started: int


class Process(NamedTuple):
    """A line of /proc/PID/stat; ``started`` is its field 22, in clock ticks since the boot."""

    pid: int
    ppid: int
    session: int
    started: int
    state: str
    threads: int
    comm: bytes

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)

    @property
    def ended(self) -> bool:
        """A zombie; but a first thread that has ended while others run is none."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def name(self) -> str:
        """``comm`` as it may be printed: a process writes into it what it likes."""
        text = self.comm.decode("utf-8", "replace")
        return "".join(char if char.isprintable() else "?" for char in text)


def parse_stat(line: bytes) -> Process:
    """Read /proc/PID/stat; raises ValueError or IndexError when it is not one.

    ``comm`` may hold any byte, so it ends at the *last* bracket: only numbers follow.
    """
    opening, closing = line.index(b"("), line.rindex(b")")
    rest = line[closing + 2 :].split(None, 20)
    return Process(
        pid=int(line[:opening]),
        ppid=int(rest[1]),
        session=int(rest[3]),
        started=int(rest[19]),
        state=rest[0].decode(),
        threads=int(rest[17]),
        comm=line[opening + 1 : closing],
    )


def look(pid: int | str) -> Process | None:
    """The process with this pid; None when there is none or it hides.

    Raises OSError, as all here that look, when we are out of descriptors or memory.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _OUT_OF:
            raise
        return None
    try:
        return parse_stat(os.read(fd, _STAT_SIZE))
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(fd)


def is_over(pid: int) -> bool:
    """Whether a process has ended or is ending, which a thread that hangs in a disk may delay."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return bool(int(file.read(_STAT_SIZE).rpartition(b")")[2].split()[6]) & _PF_EXITING)
    except OSError:
        return True


def scan() -> list[Process]:
    """All processes there are, zombies included."""
    found = [look(name) for name in os.listdir("/proc") if name.isdigit()]
    return [process for process in found if process is not None]


def read_marks(
    processes: Iterable[Process],
    leaders: Mapping[str, Identity],
    keeper: int,
    others: Collection[int] = (),
) -> dict[int, str]:
    """The consoles that orphans say they are of, by pid.

    Asked are the keeper's children that it did not fork, and members of a session whose
    leader is gone, for only those depend on it.
    """
    processes = list(processes)
    known = {*leaders.values()}
    gone = {leader.pid for leader in known} - {process.pid for process in processes}
    marks: dict[int, str] = {}
    for process in processes:
        if process.ppid != keeper and process.session not in gone:
            continue
        if process.identity in known or process.pid in others or process.ended:
            continue
        mark = _mark(process.pid)
        if mark is not None:
            marks[process.pid] = mark
    return marks


def _mark(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            environment = b"\0" + (file.read() or b"")
    except OSError as error:
        if error.errno in _OUT_OF:
            raise
        return None
    _, found, rest = environment.partition(b"\0" + MARK + b"=")
    return rest.partition(b"\0")[0].decode("utf-8", "replace") if found else None


def kin_by_console(
    processes: Iterable[Process],
    leaders: Mapping[str, Identity],
    keeper: int,
    marks: Mapping[int, str],
    others: Collection[int] = (),
) -> dict[str, list[Process]]:
    """Whom each console's child has left running, itself included; ended ones are left out.

    ``leaders`` are the consoles' children, also those already reaped; ``others`` the pids of
    children of the keeper that are none, which nobody's kin descends from.
    """
    table = {process.pid: process for process in processes}
    descent = _Descent(table, leaders, keeper, marks, others)
    kin: dict[str, list[Process]] = {console: [] for console in leaders}
    for process in table.values():
        console = descent.console_of(process)
        if console is not None and not process.ended:
            kin[console].append(process)
    return kin


def strays(
    processes: Iterable[Process],
    kin: Mapping[str, Iterable[Process]],
    keeper: int,
    others: Collection[int] = (),
) -> list[Process]:
    """Orphans that came to the keeper and are nobody's: the mark was wiped out or is hidden."""
    placed = {process.pid for family in kin.values() for process in family}
    return [
        process
        for process in processes
        if process.ppid == keeper and not process.ended and process.pid not in {*others, *placed}
    ]


class _Descent:
    """One assignment of processes to consoles; each line of parents is walked once."""

    def __init__(
        self,
        table: Mapping[int, Process],
        leaders: Mapping[str, Identity],
        keeper: int,
        marks: Mapping[int, str],
        others: Collection[int],
    ) -> None:
        self._table, self._leaders = table, leaders
        self._keeper, self._marks = keeper, marks
        self._sessions: dict[int, str] = {}
        # Of two that had the same number and are both gone, the later one had it last.
        for console, leader in sorted(leaders.items(), key=lambda item: item[1].started):
            holder = table.get(leader.pid)
            if holder is None or holder.identity == leader:
                self._sessions[leader.pid] = console
        self._known: dict[int, str | None] = {
            pid: console for pid, console in self._sessions.items() if pid in table
        }
        self._known.update(dict.fromkeys((_INIT, keeper, *others)))

    def console_of(self, process: Process) -> str | None:
        """Whose kin a process is: its parent's console, or else by its own merit."""
        line: list[Process] = []
        at: Process | None = process
        while at is not None and at.pid not in self._known:
            line.append(at)
            self._known[at.pid] = None  # a torn picture may show a ring of parents
            at = self._table.get(at.ppid)
        console = None if at is None else self._known[at.pid]
        for link in reversed(line):
            console = console or self._claim(link)
            self._known[link.pid] = console
        return console

    def _claim(self, process: Process) -> str | None:
        """By mark or session. A session whose leader is gone needs a second witness: its
        number may be somebody else's by now. Only the keeper's own heirs need none."""
        mark = self._marks.get(process.pid)
        console = self._sessions.get(process.session)
        if process.ppid == self._keeper:
            return mark if mark in self._leaders else console
        if process.session in self._table or mark == console:
            return console
        return None


def signal_all(processes: Iterable[Process], number: int) -> list[tuple[int, int]]:
    """Signal each process if it is still the same one; returns (pid, errno) of those refused.

    The pidfd is opened before the start time is compared, so what is signalled is what was
    compared. Who has ended meanwhile is no refusal.
    """
    refused = []
    for process in processes:
        try:
            _signal(process, number)
        except ProcessLookupError:
            continue
        except OSError as error:
            refused.append((process.pid, error.errno or errno.EPERM))
    return refused


def _signal(process: Process, number: int) -> None:
    if process.pid in (_INIT, os.getpid()):
        return
    pidfd = os.pidfd_open(process.pid)
    try:
        now = look(process.pid)
        if now is not None and now.identity == process.identity:
            signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def become_subreaper() -> None:
    """Be the parent of every orphan among the descendants of this process, to its end."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
