"""Proxy: stands between a client and a server and writes down what each says.

Urgent data is read in line and passed on as ordinary bytes: a recording holds what a peer
meant, and the kernel's way of losing the urgent byte has a test of its own.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from pathlib import Path

from .recording import Recording, Side

_PATIENCE = 10.0


class Proxy:
    """One listening endpoint, TCP or UNIX, for one client; `done` after both have left."""

    def __init__(self, upstream: socket.socket, path: Path | None = None) -> None:
        self.recording = Recording()
        self._upstream = upstream
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._listening = socket.socket(family, socket.SOCK_STREAM)
        self._listening.bind(("127.0.0.1", 0) if path is None else str(path))
        self._listening.listen(1)
        self.address = self._listening.getsockname()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listening.accept()
        if client.family == socket.AF_INET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        other = {client: self._upstream, self._upstream: client}
        side: dict[socket.socket, Side] = {client: "C", self._upstream: "S"}
        while other:
            for source in select.select(list(other), [], [])[0]:
                try:
                    data = source.recv(65536)
                except ConnectionResetError:
                    data = b""
                if data:
                    with self._changed:
                        self.recording.add(side[source], data)
                        self._changed.notify_all()
                self._pass_on(data, other[source])
                if not data:
                    del other[source]
        for sock in (client, self._upstream, self._listening):
            sock.close()

    @staticmethod
    def _pass_on(data: bytes, target: socket.socket) -> None:
        try:
            if data:
                target.sendall(data)
            else:
                target.shutdown(socket.SHUT_WR)
        except OSError:  # it left first, which its own side of the loop sees
            pass

    def expect(self, pattern: bytes, side: Side = "C") -> None:
        """Wait until one side has said this."""
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while not re.search(pattern, self.recording.said(side), re.DOTALL):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {pattern!r} in {self.recording.said(side)!r}")

    def done(self) -> Recording:
        """The finished recording, once both sides have left."""
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the dialogue has not ended"
        return self.recording
