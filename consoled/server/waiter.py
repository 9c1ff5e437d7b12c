"""Waiter: waits for a worker's end, passes signals on, and replaces a keeper that has died.

Owned by the starter.

Never true: a worker's end that is missed; a keeper started while there is one.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

from consoled.keeper import kin

LEFT, DETACHED, REFUSED, NO_KEEPER, BAD_CONFIG = 0, 10, 69, 75, 78
"""Exit codes of a worker: nobody needs us; told to go, another may come; the keeper does not
want us; there is no keeper; there is no configuration."""

FOR_GOOD = (LEFT, REFUSED, BAD_CONFIG)

PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT)
AWAITED = {*PASSED_ON, *ENDING, signal.SIGCHLD}

LOOK = 0.25
"""Seconds between two looks for a keeper that is no more, where we have to start a new one."""

_LOOKS = 2
_LINGER = 1.0
SHORT_LIFE = 1.0


class Waiter:
    """``keeper`` is the one that is ours to replace, should it die; 0 if none is.

    ``ending`` tells that we were told to end.
    """

    def __init__(self, keeper: int, run_dir: str) -> None:
        self.keeper = keeper
        self._run_dir = run_dir
        self._missed = 0
        self._dead_since = 0.0
        self.ending = False
        self.reload = False
        """Whether somebody wanted a reload of a worker that had ended."""

    def until_end(self, worker: int) -> int:
        """How the worker has ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
        while True:
            code = _reap(worker)
            if code is not None:
                return code
            if self._is_stuck(worker):
                return -signal.SIGKILL
            self._wait(worker)
            self.look_for_keeper()

    def _wait(self, worker: int) -> None:
        """Until a signal, which is passed on, or a child's end."""
        if self.keeper or self._dead_since:
            received = signal.sigtimedwait(AWAITED, LOOK)
        else:
            received = signal.sigwaitinfo(AWAITED)
        number = None if received is None else received.si_signo
        if number in ENDING:
            self.ending = True
            os.kill(worker, signal.SIGTERM)
        elif number in PASSED_ON:
            os.kill(worker, number)
            self.reload |= number == signal.SIGHUP and kin.is_over(worker)

    def _is_stuck(self, worker: int) -> bool:
        """It has ended but for a thread that hangs in a disk: it does no more, and cannot be
        collected yet. The keeper wakes us by a SIGCHLD when it has given it up."""
        if not kin.is_over(worker):
            self._dead_since = 0.0
            return False
        self._dead_since = self._dead_since or time.monotonic()
        return time.monotonic() - self._dead_since > _LINGER

    def look_for_keeper(self) -> None:
        """Nobody else starts a new keeper when ours has died, so we do.

        At the second look: at the end of all, the worker ends a moment after the keeper.
        """
        if not self.keeper or self.ending:
            return
        self._missed = self._missed + 1 if kin.is_over(self.keeper) else 0
        if self._missed < _LOOKS:
            return
        self._missed = 0
        module = ("-P", "-m", "consoled.keeper.process")
        argv = (sys.executable, *module, "--run-dir", self._run_dir)
        self.keeper = os.posix_spawn(argv[0], argv, os.environ, setsid=True, setsigmask=())


def _reap(worker: int) -> int | None:
    """How the worker has ended, if it has; others that we inherited are collected too."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)


def with_keeper(starter: Sequence[str], pid: int) -> list[str]:
    """A starter's command line with the keeper that is there now."""
    words = list(starter)
    if "--with-keeper" in words:
        words[words.index("--with-keeper") + 1] = str(pid)
    return words
