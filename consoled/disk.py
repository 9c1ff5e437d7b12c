"""Disk: a thread that does what may hang, so that the event loop never does.

Jobs run in order in one daemon thread; their results come back on the loop. One disk stands
for one file system: whatever hangs there holds back only the jobs queued behind it. Jobs must
not take locks of the loop's thread (no logging, no imports), for the loop's thread forks.

Never true: the loop waits for a job.
"""

import errno
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Loop(Protocol):
    """The one thing a disk needs of an event loop."""

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> Any: ...


Job = Callable[[], Any]
Done = Callable[[Any], None]


class Disk:
    """One thread and its queue of jobs."""

    def __init__(self, name: str, loop: Loop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Job, Done | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, done: Done | None = None) -> None:
        """Run ``job`` in the thread, then ``done`` with its result on the loop.

        A job that fails hands the exception it raised to ``done``: the thread lives on.
        """
        self._jobs.put((job, done))

    def _work(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                result = job()
            except Exception as error:
                result = error
            if done is not None:
                try:
                    self._loop.call_soon_threadsafe(done, result)
                except RuntimeError:  # the loop is closed: the server is ending
                    return


def attempt(job: Callable[[], T], seconds: float) -> T:
    """The result of ``job``; its error, or TimeoutError, is raised.

    For use before the loop runs: a job that hangs stays behind in a daemon thread.
    """
    results: SimpleQueue[T | Exception] = SimpleQueue()

    def work() -> None:
        try:
            results.put(job())
        except Exception as error:
            results.put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if results.empty():
        raise TimeoutError(errno.ETIMEDOUT, "does not answer")
    result = results.get()
    if isinstance(result, Exception):
        raise result
    return result
