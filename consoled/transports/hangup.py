"""HangupWatch: tells when a peer that had closed its sending side has gone altogether.

An event loop cannot wait for that alone: a half-closed connection is readable for ever. An
epoll of our own, edge-triggered and asked for nothing, reports only errors and hang-ups; the
loop watches the epoll. One watch serves a server.
"""

import asyncio
import select
import socket
from collections.abc import Callable

_IDLE, _INTERVAL, _COUNT = 5, 5, 3


class HangupWatch:
    """Calls back, once, when a watched connection hangs up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._on_event)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """``callback`` may come at once, from the loop, if the peer has gone already."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, select.EPOLLET)

    def forget(self, fd: int) -> None:
        """To be called before the descriptor is closed; an unwatched one is no error."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def _on_event(self) -> None:
        for fd, _ in self._epoll.poll(0):
            callback = self._callbacks.get(fd)
            self.forget(fd)
            if callback is not None:
                callback()


def probe_soon(peer: socket.socket) -> None:
    """Let the kernel find out in seconds whether a TCP peer still lives."""
    if peer.family == socket.AF_UNIX:
        return
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _COUNT)
