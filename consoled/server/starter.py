"""The starter: forks worker after worker, each of them warm.

    python -m consoled.server.starter --run-dir DIR [--config FILE] [--fresh] [--replace]
        [--with-keeper PID]

It has imported all that a worker needs and runs nothing of it, so that a worker that was
killed is back in the time of a fork; and it keeps the code it was started with, so that an
upgrade that fails can go back to it. TERM ends it and its worker, children run on.

Never true: two workers of one starter; a thread in the starter.
"""

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from consoled.keeper import kin
from consoled.server import worker
from consoled.server.activation import inherited_sockets
from consoled.server.worker import Options, Worker

_PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGINT)
_AWAITED = {*_PASSED_ON, *_ENDING, signal.SIGCHLD}

_LOOK = 0.25
"""Seconds between two looks for a keeper that is no more, where we have to start a new one."""

_LOOKS = 2
_SHORT_LIFE = 1.0
_PATIENCE = 3
"""Workers that die young are forked again at once so many times; then once a second."""


def parse(words: Sequence[str]) -> tuple[Options, int]:
    """The worker's options, and the keeper that is ours to replace, should it die; or 0."""
    rest = list(words)
    values = {"--run-dir": "", "--config": "", "--with-keeper": "0"}
    flags = set()
    while rest:
        word = rest.pop(0)
        if word in values:
            values[word] = rest.pop(0)
        else:
            flags.add(word)
    lasting = [word for word in words if word not in ("--fresh", "--replace")]
    options = Options(
        run_dir=values["--run-dir"],
        config=values["--config"] or None,
        fresh="--fresh" in flags,
        replace="--replace" in flags,
        starter=(sys.executable, "-P", "-m", "consoled.server.starter", *lasting),
    )
    return options, int(values["--with-keeper"])


class Starter:
    """One starter; ``run`` returns its exit code."""

    def __init__(self, options: Options, keeper: int, activated: Sequence[socket.socket]) -> None:
        self._options = options
        self._activated = activated
        self._keeper = keeper
        self._worker = 0
        self._born = 0.0
        self._short_lives = 0
        self._ending = False
        self._missed = 0

    def run(self) -> int:
        """Fork workers until there is to be none any more."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
        gc.collect()
        gc.freeze()
        self._fork(self._options)
        while True:
            self._wait()
            code = self._reap()
            if code is None:
                self._look_for_keeper()
                continue
            end = self._after(code)
            if end is not None:
                return end

    def _fork(self, options: Options) -> None:
        self._born = time.monotonic()
        self._worker = os.fork()
        if self._worker == 0:
            self._become_worker(options)

    def _become_worker(self, options: Options) -> None:
        code = 70
        try:
            for number in _AWAITED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
            code = Worker(options, self._activated).run()
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _wait(self) -> None:
        """Until a signal, which is passed on, or a child's end."""
        if self._keeper:
            received = signal.sigtimedwait(_AWAITED, _LOOK)
        else:
            received = signal.sigwaitinfo(_AWAITED)
        number = None if received is None else received.si_signo
        if number in _ENDING:
            self._ending = True
            os.kill(self._worker, signal.SIGTERM)
        elif number in _PASSED_ON:
            os.kill(self._worker, number)

    def _reap(self) -> int | None:
        """How the worker has ended, if it has; others that we inherited are collected too."""
        code = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == 0:
                return code
            if pid == self._worker:
                code = os.waitstatus_to_exitcode(status)

    def _after(self, code: int) -> int | None:
        """Go on, or end with this exit code."""
        if code in (worker.LEFT, worker.REFUSED, worker.BAD_CONFIG) or self._ending:
            return worker.LEFT if self._ending else code
        if code == worker.NO_KEEPER:
            if not self._keeper:
                return worker.REFUSED
            time.sleep(_LOOK)  # it may be on its way
            self._look_for_keeper()
            self._fork_again()
            return None
        if code == worker.DETACHED:  # told to go: whoever comes shall be the newest version
            argv = worker.with_keeper(self._options.starter, self._keeper)
            os.execv(sys.executable, [*argv, "--fresh"])
        self._short_lives = self._short_lives + 1 if self._is_young() else 0
        if self._short_lives > _PATIENCE:
            print("consoled: workers end as soon as they begin", file=sys.stderr, flush=True)
            time.sleep(_SHORT_LIFE)
        self._fork_again()
        return None

    def _fork_again(self) -> None:
        self._fork(replace(self._options, fresh=False, replace=False))

    def _is_young(self) -> bool:
        return time.monotonic() - self._born < _SHORT_LIFE

    def _look_for_keeper(self) -> None:
        """Nobody else starts a new keeper when ours has died, so we do.

        At the second look: at the end of all, the worker ends a moment after the keeper.
        """
        if not self._keeper or self._ending:
            return
        keeper = kin.look(self._keeper)
        self._missed = 0 if keeper is not None and not keeper.ended else self._missed + 1
        if self._missed < _LOOKS:
            return
        self._missed = 0
        module = ("-P", "-m", "consoled.keeper.process")
        argv = (sys.executable, *module, "--run-dir", self._options.run_dir)
        self._keeper = os.posix_spawn(argv[0], argv, os.environ, setsid=True, setsigmask=())


def main(words: Sequence[str] | None = None) -> int:
    """Run a starter; returns the exit code of the process."""
    options, keeper = parse(sys.argv[1:] if words is None else words)
    return Starter(options, keeper, inherited_sockets()).run()


if __name__ == "__main__":
    sys.exit(main())
