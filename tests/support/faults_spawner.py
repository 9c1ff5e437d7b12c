"""A program: COUNT spawns of /bin/true beside a log writer that never rests.

    faults_spawner.py COUNT LOG

What is to be shown: the child's side of a fork, made while another thread is in the middle of
anything, takes no lock that this thread held. One that did would hang for ever; here it is
found after five seconds, named and counted. The writer is the real one, with stamps, for
those call strftime(3), whose locks are the C library's.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from consoled.config.model import SpawnSpec
from consoled.console.logfile import Logfile
from consoled.disk import Disk
from consoled.keeper.child import spawn
from consoled.keeper.spool import Spool
from consoled.protocol.stamp import Arrivals, LineStamper

SPEC = SpawnSpec(argv=(b"true",), files=(b"/bin/true",), environment={})
AT_ONCE = 4
"""Children under way at the same time; more would only wait for the processors."""
HANG = 5.0
KEPT = 50_000_000
"""Bytes after which the log is emptied: a machine's disk is not what is tested."""
TEXT = b"the quick brown fox jumps over the lazy dog again and again\r\n" * 100


def stamp(second: int) -> bytes:
    """What stands before each line."""
    return time.strftime("%c ", time.localtime(second)).encode()


class Run:
    """The spawns of one run and what became of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: str) -> None:
        self._loop = loop
        self._spool = Spool()
        self._arrivals = Arrivals()
        self._log = Logfile(
            loop,
            Disk("log", loop),
            self._spool,
            log,
            stamper=LineStamper(
                lambda second: time.strftime("%c ", time.localtime(second)).encode()
            ),
            arrivals=self._arrivals,
            on_trouble=lambda text: print("log:", text),
            on_progress=lambda: None,
        )
        self._file = log
        self.hung = self.failed = 0

    @property
    def logged(self) -> int:
        """Bytes that went through the log."""
        return self._spool.head

    async def feed(self) -> None:
        """Keep the log's thread busy at every fork, and its file small."""
        emptied = 0
        while True:
            if self._spool.head - emptied > KEPT:
                emptied = self._spool.head
                os.truncate(self._file, 0)
            self._arrivals.note(self._spool.head, time.time())
            self._spool.append(TEXT)
            self._log.wake()
            await asyncio.sleep(0)

    async def spawn_many(self, count: int) -> None:
        """One after another, each until its end."""
        for _ in range(count):
            child = spawn(SPEC)
            ended = asyncio.Event()
            self._loop.add_reader(child.pidfd, ended.set)
            try:
                await asyncio.wait_for(ended.wait(), HANG)
            except TimeoutError:
                self.hung += 1
                where = Path(f"/proc/{child.pid}/wchan").read_text()
                print(f"child {child.pid} hangs in {where}", flush=True)
                child.signal(signal.SIGKILL)
            finally:
                self._loop.remove_reader(child.pidfd)
            status = child.reap()
            self.failed += status != 0
            child.close()


async def main(count: int, log: str) -> int:
    """Spawn *count* children; 0 when none hung and none failed."""
    run = Run(asyncio.get_running_loop(), log)
    feeder = asyncio.ensure_future(run.feed())
    await asyncio.gather(*(run.spawn_many(count // AT_ONCE) for _ in range(AT_ONCE)))
    feeder.cancel()
    print(f"hung {run.hung} failed {run.failed} logged {run.logged}")
    return int(run.hung + run.failed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), sys.argv[2])))
