"""What the kernel knows about other processes: CPU time, memory, sessions."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

CPUCLOCK_SCHED = 2


def session(leader: int) -> list[int]:
    """Return the processes in the session that `leader` started.

    Servers are started as session leaders, and every console server puts each console's
    child into a session of its own. So this is the server with its helpers and without
    the children: what "server CPU" and "server memory" are summed over.
    """
    return [pid for pid, sid in _sessions() if sid == leader]


def _sessions() -> Iterable[tuple[int, int]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            if fields[0] != "Z":
                yield int(entry.name), int(fields[3])


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return user + system time of whole processes.

    The same sum as utime + stime in /proc/PID/stat, read from the process CPU clock because
    that one counts nanoseconds; ticks of 10 ms are a tenth of what some runs take.
    """
    return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in pids)


def memory(pids: Iterable[int]) -> tuple[float, float]:
    """Return (resident, proportional) megabytes; shared rings count in both."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif line.startswith("Pss:"):
                pss += int(line.split()[1])
    return rss * 1024 / 1e6, pss * 1024 / 1e6


def written(pid: int) -> int:
    """Return how many bytes a process has written so far, ttys included."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0


def descendants(ancestor: int, word: str) -> list[int]:
    """Return the processes below `ancestor` that have `word` in their command line."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            parent = int(stat[stat.rindex(")") + 2 :].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    open_ = [ancestor]
    while open_:
        for pid in children.get(open_.pop(), ()):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in words:
                found.append(pid)
                open_.append(pid)
    return found
