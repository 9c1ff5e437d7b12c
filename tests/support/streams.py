"""Byte streams that tests talk through: sockets and terminals.

A test never sleeps: it names the text it waits for, and everything that came before that text
is handed back, so that "nothing else arrived" is an assertion on bytes and not on time.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import socket
import struct
import termios
import time
from pathlib import Path
from types import TracebackType

PATIENCE = 10.0
"""How long a test waits for text that must come; two busy cores make this generous."""


class StreamTimeoutError(AssertionError):
    """The awaited text did not come; an assertion, because that is what the test claimed."""


class Reader:
    """Reads one file descriptor into a buffer and hands it out up to awaited texts."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""
        self.eof = False

    def fill(self, deadline: float) -> bool:
        """Read once before *deadline*; false when time is up or the stream has ended."""
        if self.eof:
            return False
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except ConnectionResetError:
            data = b""
        except OSError as error:  # EIO: the other side of a pty is gone
            if error.errno != 5:
                raise
            data = b""
        self.eof = not data
        self._buffer += data
        return bool(data)

    def read_until(self, pattern: bytes | re.Pattern[bytes], timeout: float = PATIENCE) -> bytes:
        """Return all bytes up to and with the first match; the rest stays for the next call."""
        regex = re.compile(re.escape(pattern)) if isinstance(pattern, bytes) else pattern
        deadline = time.monotonic() + timeout
        while True:
            match = regex.search(self._buffer)
            if match:
                got, self._buffer = self._buffer[: match.end()], self._buffer[match.end() :]
                return got
            if not self.fill(deadline) and (self.eof or time.monotonic() >= deadline):
                end = "end of stream" if self.eof else f"{timeout} s"
                raise StreamTimeoutError(f"{end} before {regex.pattern!r}; got {self._buffer!r}")

    def read_exactly(self, count: int, timeout: float = PATIENCE) -> bytes:
        """Return exactly *count* bytes."""
        return self.read_until(re.compile(rb"(?s)\A.{%d}" % count), timeout)

    def read_eof(self, timeout: float = PATIENCE) -> bytes:
        """Return everything up to the end of the stream, which must come in time."""
        deadline = time.monotonic() + timeout
        while self.fill(deadline):
            pass
        if not self.eof:
            raise StreamTimeoutError(f"no end of stream in {timeout} s; got {self._buffer!r}")
        got, self._buffer = self._buffer, b""
        return got

    def drain(self, seconds: float) -> bytes:
        """Collect what comes during *seconds*: only for traffic that must go on, not silence."""
        deadline = time.monotonic() + seconds
        while self.fill(deadline):
            pass
        got, self._buffer = self._buffer, b""
        return got

    def pending(self) -> bytes:
        """What was read and not yet handed out."""
        return self._buffer


class Peer(Reader):
    """A raw client of an endpoint: says and hears exactly the bytes of the wire."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.fileno())
        self.sock = sock

    @classmethod
    def unix(cls, path: str | Path | bytes) -> Peer:
        """Connect to a UNIX socket; relative detour because paths are limited to 107 bytes."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if isinstance(path, bytes):  # abstract
            sock.connect(path)
            return cls(sock)
        folder = os.open(Path(path).parent, os.O_PATH)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{Path(path).name}")
        except OSError:
            sock.close()
            raise
        finally:
            os.close(folder)
        return cls(sock)

    @classmethod
    def tcp(cls, host: str, port: int) -> Peer:
        """Connect to a TCP endpoint, without delay so that bytes arrive as they were sent."""
        sock = socket.create_connection((host, port), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(None)
        return cls(sock)

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.sock.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent, as `nc </dev/null` does."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave."""
        self.sock.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class Terminal(Reader):
    """A pty whose far side is a server's stdin: the user who typed the -f command."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        master, self.slave = pty.openpty()
        super().__init__(master)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, data: bytes) -> None:
        """Press keys."""
        os.write(self._fd, data)

    def modes(self) -> list[int | list[bytes | int]]:
        """The terminal's settings as termios gives them."""
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        """Hang up."""
        for fd in (self._fd, self.slave):
            try:
                os.close(fd)
            except OSError:
                pass
