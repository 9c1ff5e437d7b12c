"""The starter: forks worker after worker, each of them warm.

    python -m consoled.server.starter --run-dir DIR [--config FILE] [--fresh] [--replace]
        [--with-keeper PID]

It has imported all that a worker needs and runs nothing of it, so that a worker that was
killed is back in the time of a fork; and it keeps the code it was started with, so that an
upgrade that fails can go back to it. TERM ends it and its worker, children run on.

Never true: two workers of one starter; a thread in the starter.
"""

import gc
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from consoled.server import waiter
from consoled.server.activation import inherited_sockets
from consoled.server.waiter import Waiter
from consoled.server.worker import Options, Worker

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
        self._waiter = Waiter(keeper, options.run_dir)
        self._worker = 0
        self._born = 0.0
        self._short_lives = 0
        self._served = mmap.mmap(-1, 1)
        """A byte shared with the workers: not zero once one of them has served."""

    def run(self) -> int:
        """Fork workers until there is to be none any more."""
        signal.pthread_sigmask(signal.SIG_BLOCK, waiter.AWAITED)
        gc.collect()
        gc.freeze()
        options = self._options
        while True:
            self._fork(options)
            code = self._waiter.until_end(self._worker)
            if code == waiter.NO_KEEPER and not self._waiter.keeper:
                return waiter.REFUSED
            if code in waiter.FOR_GOOD or self._waiter.ending or self._is_useless():
                return waiter.LEFT if self._waiter.ending else code
            self._before_next(code)
            fresh, self._waiter.reload = self._waiter.reload, False
            options = replace(self._options, fresh=fresh, replace=False)

    def _is_useless(self) -> bool:
        """Started to replace somebody, and not able to: they go on without us."""
        return self._options.replace and not self._served[0]

    def _fork(self, options: Options) -> None:
        self._born = time.monotonic()
        self._worker = os.fork()
        if self._worker == 0:
            self._become_worker(options)

    def _become_worker(self, options: Options) -> NoReturn:
        code = 70
        try:
            for number in waiter.AWAITED:
                signal.signal(number, signal.SIG_DFL)
            # What may be passed on waits until the worker can take it.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, waiter.AWAITED - {*waiter.PASSED_ON})
            code = work(options, self._activated, self._served)
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _before_next(self, code: int) -> None:
        if code == waiter.DETACHED:  # told to go: whoever comes shall be the newest version
            self._begin_anew()
        if code == waiter.NO_KEEPER:
            time.sleep(waiter.LOOK)  # it may be on its way
            self._waiter.look_for_keeper()
            return
        young = time.monotonic() - self._born < waiter.SHORT_LIFE
        self._short_lives = self._short_lives + 1 if young else 0
        if self._short_lives > _PATIENCE:
            print("consoled: workers end as soon as they begin", file=sys.stderr, flush=True)
            time.sleep(waiter.SHORT_LIFE)
            if not self._served[0]:  # by now there may be a version that works
                self._begin_anew()

    def _begin_anew(self) -> NoReturn:
        argv = waiter.with_keeper(self._options.starter, self._waiter.keeper)
        os.execv(sys.executable, [*argv, "--fresh"])


def work(options: Options, activated: Sequence[socket.socket], served: mmap.mmap) -> int:
    """Be the worker, again if whoever was to replace us has failed; returns its exit code."""
    again: Options | None = options
    while again is not None:
        worker = Worker(again, activated)
        worker.on_serving = lambda: served.__setitem__(0, 1)
        code = worker.run()
        again = replace(options, fresh=False, replace=False) if worker.resumed else None
    return code


def main(words: Sequence[str] | None = None) -> int:
    """Run a starter; returns the exit code of the process."""
    options, keeper = parse(sys.argv[1:] if words is None else words)
    return Starter(options, keeper, inherited_sockets()).run()


if __name__ == "__main__":
    sys.exit(main())
