"""Listener: accepts connections on a bound socket, and survives having no room for them.

Owned by the composition root. A connection that cannot be served is told so and closed; the
server keeps descriptors back for its children, so clients can never starve a restart.
"""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable

from consoled.protocol import notices

BACKLOG = 1024
_PER_WAKE = 64
_KEPT_BACK = 12
"""Descriptors never given to clients: a new child needs six, a log or socket made anew three."""

_KEEPALIVE = (60, 15, 4)


class Room:
    """How many connections a process can take, and a way to refuse when it can take none.

    To be made when everything else that a server holds is open already, or will be held back.
    """

    def __init__(self, kept_back: int = _KEPT_BACK) -> None:
        self.taken = 0
        self._spare = -1
        self._take_spare()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limit = max(1, soft - len(os.listdir("/proc/self/fd")) - kept_back)

    @property
    def full(self) -> bool:
        """Whether the next connection has to be refused."""
        return self.taken >= self.limit

    def refuse_one(self, listening: socket.socket) -> None:
        """Accept with the spare descriptor, say why, close: else the peer waits for ever."""
        self._drop_spare()
        try:
            peer, _ = listening.accept()
            turn_away(peer, self.limit)
        except OSError:
            pass
        self._take_spare()

    def _drop_spare(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _take_spare(self) -> None:
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # somebody was faster; the next refusal tries again
            pass


def turn_away(peer: socket.socket, limit: int) -> None:
    """Tell a peer that there is no room, without waiting for it."""
    peer.setblocking(False)
    try:
        peer.send(notices.refused(f"all {limit} connections of this server are taken"))
    except OSError:
        pass
    peer.close()


class Listener:
    """One listening socket; ``on_connection`` gets each accepted, non-blocking peer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        room: Room,
        on_connection: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._socket = listening
        self._room = room
        self._on_connection = on_connection
        loop.add_reader(listening.fileno(), self._on_ready)

    def pause(self) -> None:
        """Accept no more; whoever connects waits for another listener."""
        self._loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """Accept no more, and refuse whoever connects."""
        self.pause()
        self._socket.close()

    def _on_ready(self) -> None:
        for _ in range(_PER_WAKE):
            try:
                peer, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._room.refuse_one(self._socket)
                return
            self._take(peer)

    def _take(self, peer: socket.socket) -> None:
        if self._room.full:
            turn_away(peer, self._room.limit)
            return
        peer.setblocking(False)
        if peer.family != socket.AF_UNIX:
            _tune(peer)
        self._room.taken += 1
        self._on_connection(peer)


def _tune(peer: socket.socket) -> None:
    """Keys must not wait for company, and a peer whose machine died must be found."""
    idle, interval, count = _KEEPALIVE
    try:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Telnet sends its Data Mark urgent; out of line the kernel would take it away.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
    except OSError:  # already gone: the first read will tell
        pass


def raise_descriptor_limit() -> tuple[int, int]:
    """Allow this process all the descriptors it may have; returns what was set before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard
