"""Where children report: a FIFO beside the server, so that "the child is up" is an event."""

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .limits import STEP, Stuck

PATIENCE = 1.0
"""Seconds between two looks at whether the servers are still alive."""


@dataclass(frozen=True)
class Report:
    """One line of a child: "ready NAME PID" or "done NAME BYTES", and when it came."""

    word: str
    name: str
    value: int
    at: float


class Muster:
    """The harness's end of the FIFO; it also knows every child ever started, to end them.

    A pidfd is taken with the child's report: a pid may belong to someone else by the time
    we clean up, a pidfd never does.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.pids: dict[str, int] = {}
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._reports: list[Report] = []
        self._partial = b""
        self._pidfds: list[int] = []

    def take(
        self, word: str, count: int, check: Callable[[], None], limit: float = STEP
    ) -> list[Report]:
        """Wait for `count` reports of one kind; `check` raises when waiting is in vain."""
        deadline = time.monotonic() + limit
        while True:
            self._read()
            found = [report for report in self._reports if report.word == word][:count]
            if len(found) == count:
                self._reports = [report for report in self._reports if report not in found]
                return found
            check()
            if time.monotonic() > deadline:
                raise Stuck(f"{len(found)} of {count} children {word} within {limit:g} s")
            select.select([self._fd], [], [], PATIENCE)

    def arrived(self, word: str) -> list[Report]:
        """Return the reports of one kind that nobody has taken yet."""
        self._read()
        return [report for report in self._reports if report.word == word]

    def kill_all(self) -> None:
        """Kill every child that ever reported and still lives."""
        self._read()
        for pidfd in self._pidfds:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(pidfd)
        self._pidfds.clear()

    def close(self) -> None:
        """End all children and forget the FIFO."""
        self.kill_all()
        os.close(self._fd)

    def _read(self) -> None:
        try:
            data = self._partial + os.read(self._fd, 65536)
        except BlockingIOError:
            return
        *lines, self._partial = data.split(b"\n")
        now = time.perf_counter()
        for line in lines:
            word, name, value = line.decode().split()
            self._reports.append(Report(word, name, int(value), now))
            if word == "ready":
                self._enlist(name, int(value))

    def _enlist(self, name: str, pid: int) -> None:
        self.pids[name] = pid
        try:
            self._pidfds.append(os.pidfd_open(pid))
        except ProcessLookupError:
            pass
