"""Loop: the keeper's own event loop, small enough to trust for years.

One thread, epoll, timers on the monotonic clock. Offers the few methods of an asyncio loop
that the keeper's parts use, so they run in either. Signals arrive as callbacks through a
socket, never as work in a signal handler.

Never true: a callback that runs inside another one; an error in one callback that ends the loop.
"""

import heapq
import itertools
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_LONGEST_WAIT = 3600.0

Callback = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(order=True, slots=True)
class Timer:
    """One callback at one time; ``cancel`` makes it none."""

    due: float
    number: int
    callback: Callback | None = field(compare=False)

    def cancel(self) -> None:
        """Forget it; safe at any time."""
        self.callback = None


class Loop:
    """Readers, writers, timers, signals."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._timers: list[Timer] = []
        self._numbers = itertools.count()
        self._running = False
        self.handled: Callable[[], None] | None = None
        """Called after each round of callbacks."""

    def time(self) -> float:
        """Seconds of the clock that timers run by."""
        return time.monotonic()

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call when ``fd`` is readable, hung up or in error."""
        self._set(self._readers, fd, (callback, args))

    def remove_reader(self, fd: int) -> None:
        """Forget a reader; none is no error."""
        self._unset(self._readers, fd)

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call when ``fd`` takes more, hung up or in error."""
        self._set(self._writers, fd, (callback, args))

    def remove_writer(self, fd: int) -> None:
        """Forget a writer; none is no error."""
        self._unset(self._writers, fd)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call in ``delay`` seconds."""
        timer = Timer(self.time() + delay, next(self._numbers), (callback, args))
        heapq.heappush(self._timers, timer)
        return timer

    def add_signal_handler(self, number: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call when this process gets a signal."""
        if not hasattr(self, "_signals"):
            self._signals: dict[int, Callback] = {}
            reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
            self.add_reader(reading, self._on_signals, reading)
        self._signals[number] = (callback, args)
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)

    def run(self) -> None:
        """Serve until ``stop``."""
        self._running = True
        while self._running:
            self._turn()

    def stop(self) -> None:
        """Return from ``run`` after this round."""
        self._running = False

    def _turn(self) -> None:
        for fd, events in self._epoll.poll(self._wait()):
            if events & ~select.EPOLLOUT and fd in self._readers:
                self._call(self._readers[fd])
            if events & ~select.EPOLLIN and fd in self._writers:
                self._call(self._writers[fd])
        now = self.time()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._call(timer.callback)
        if self.handled is not None:
            self._call((self.handled, ()))

    def _wait(self) -> float:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return _LONGEST_WAIT
        return max(0.0, min(self._timers[0].due - self.time(), _LONGEST_WAIT))

    def _call(self, callback: Callback) -> None:
        try:
            callback[0](*callback[1])
        except Exception:  # the children of all other consoles depend on this process
            traceback.print_exc(file=sys.stderr)

    def _on_signals(self, reading: int) -> None:
        for number in os.read(reading, 64):
            if number in self._signals:
                self._call(self._signals[number])

    def _set(self, table: dict[int, Callback], fd: int, callback: Callback) -> None:
        known = fd in self._readers or fd in self._writers
        table[fd] = callback
        change = self._epoll.modify if known else self._epoll.register
        change(fd, self._events(fd))

    def _unset(self, table: dict[int, Callback], fd: int) -> None:
        if table.pop(fd, None) is None:
            return
        events = self._events(fd)
        if events:
            self._epoll.modify(fd, events)
        else:
            self._epoll.unregister(fd)

    def _events(self, fd: int) -> int:
        reading = select.EPOLLIN if fd in self._readers else 0
        return reading | (select.EPOLLOUT if fd in self._writers else 0)
