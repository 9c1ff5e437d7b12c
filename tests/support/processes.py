"""Looking at and ending processes through /proc.

Every process of a test carries a mark in its environment. Daemons leave their parent, children
call setsid: the mark is the one thing they all keep, so cleaning up by mark misses nobody and
touches nobody else's processes on a shared machine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "CONSOLED_TEST_MARK"
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Adopt orphans, so that a daemon's exit status can be waited for and no zombie stays."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def marked(mark: str) -> Iterator[int]:
    """Pids of the processes that carry *mark*, this one never among them."""
    entry = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        if entry in environ.split(b"\0"):
            yield int(folder.name)


def end_all(mark: str) -> None:
    """Kill every process that carries *mark* until none is left, then collect the orphans."""
    deadline = time.monotonic() + 20  # a busy machine may not let them run to their end
    while pids := list(marked(mark)):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap_orphans()
        if time.monotonic() > deadline:
            raise AssertionError(f"they survive SIGKILL: {', '.join(map(_standing, pids))}")
        time.sleep(0.002)
    reap_orphans()


def _standing(pid: int) -> str:
    """What a process is, and where in the kernel it waits."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:100]
        where = Path(f"/proc/{pid}/wchan").read_text()
        return f"{pid} {status(pid, 'State')} in {where}: {words.decode(errors='replace')}"
    except OSError:
        return f"{pid} just gone"


def reap_orphans() -> None:
    """Collect adopted children that have ended; Popen copes with a status that is gone."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def wait_for(condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:
    """Poll for something that has no descriptor to wait on: a file, a process, a mode."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.003)


def alive(pid: int) -> bool:
    """Whether *pid* runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_gone(pid: int, timeout: float = 10.0) -> None:
    """Wait until *pid* has ended."""
    wait_for(lambda: not alive(pid), f"end of process {pid}", timeout)


def children(pid: int) -> list[int]:
    """Direct children of *pid*, zombies left out."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return [child for child in found if alive(child)]


def status(pid: int, field: str) -> str:
    """One field of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    raise AssertionError(f"no {field} in the status of {pid}")


def signal_set(pid: int, field: str) -> set[signal.Signals]:
    """A signal mask of /proc/PID/status (SigBlk, SigIgn, SigCgt) as names."""
    bits = int(status(pid, field), 16)
    return {sig for sig in signal.Signals if bits >> (sig - 1) & 1}


def open_files(pid: int) -> dict[int, str]:
    """Descriptors of *pid* and what they are."""
    found: dict[int, str] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except OSError:
            continue
    return found


def started_at(pid: int) -> float:
    """When *pid* was forked, on the clock of file times; good to a hundredth of a second."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / os.sysconf("SC_CLK_TCK")
