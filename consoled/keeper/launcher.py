"""Launcher: starts the starter of the worker where nobody else does, and again if it dies.

Owned by the keeper process. The starter gets a session of its own, so that ^C on the terminal
reaches the keeper alone.

Never true: a starter started while one runs; a start in the same second as the last.
"""

import os
import signal
import time
from collections.abc import Callable

from consoled.keeper.loop import Loop

_HOLDOFF = 1.0
FOR_GOOD = (0, 69, 78)
"""Exit codes of a starter that shall not be started again: told to end, refused, bad config."""


class Launcher:
    """One starter after another; ``gone(code)`` is called when there will be no more."""

    def __init__(
        self,
        loop: Loop,
        command: tuple[str, ...],
        gone: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._command = command
        self._gone = gone
        self._say = say
        self._pidfd = -1
        self.pid: int | None = None

    @property
    def pids(self) -> set[int]:
        """The starter, if there is one."""
        return set() if self.pid is None else {self.pid}

    def adopt(self, pid: int | None) -> None:
        """The starter from before an exec."""
        if pid is not None:
            self._watch(pid)

    def start(self) -> None:
        """Start it, if there is one to be started and none is running."""
        if not self._command or self.pid is not None:
            return
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        pid = os.posix_spawn(
            self._command[0],
            self._command,
            os.environ,
            file_actions=[null],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE,),
        )
        self._watch(pid)

    def _watch(self, pid: int) -> None:
        self.pid, self._pidfd = pid, os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._on_exit)

    def _on_exit(self) -> None:
        assert self.pid is not None
        _, status = os.waitpid(self.pid, 0)
        self._forget()
        code = os.waitstatus_to_exitcode(status)
        if code in FOR_GOOD:
            self._gone(code)
        else:
            self._say(f"the worker's starter ended with {code}; starting it again")
            self._loop.call_later(_HOLDOFF, self.start)

    def _forget(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.pid, self._pidfd = None, -1

    def signal(self, number: int) -> None:
        """Pass a signal on; without a starter nothing happens."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 5.0) -> None:
        """Let it end in time, at the end of the keeper."""
        deadline = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                self._forget()
            else:
                time.sleep(0.01)
        self.signal(signal.SIGKILL)
