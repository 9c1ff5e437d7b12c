"""Blocking sockets with limits: how the harness itself talks to a server."""

import socket
import struct
from dataclasses import dataclass

from .limits import STEP, Stuck

Address = str | tuple[str, int]
"""The path of a UNIX socket, or host and port."""


@dataclass
class Attachment:
    """A user who sees the console: the socket and what followed the greeting.

    `first` and `usable` are seconds from before connect() to the first byte and to the
    end of the greeting.
    """

    sock: socket.socket
    rest: bytes
    first: float
    usable: float


def connect(address: Address, limit: float = STEP) -> socket.socket:
    """Connect; every later send and receive is limited too.

    SO_RCVTIMEO rather than settimeout(): the latter puts a poll() before each system call,
    which would be part of every latency measured.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    timeval = struct.pack("ll", int(limit), int(limit % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.connect(address)
    except BlockingIOError as error:
        sock.close()
        raise Stuck(f"no connection to {address} within {limit:g} s") from error
    except OSError:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket, what: str, size: int = 65536) -> bytes:
    """Read once; silence beyond the limit and a closed connection both raise `Stuck`."""
    try:
        data = sock.recv(size)
    except BlockingIOError as error:
        raise Stuck(f"no {what} in time") from error
    except ConnectionResetError:
        data = b""
    if not data:
        raise Stuck(f"connection closed before {what}")
    return data


def receive_until(sock: socket.socket, marker: bytes, what: str, seen: bytes = b"") -> bytes:
    """Read until `marker` has been seen and return everything read, what followed included."""
    data = bytearray(seen)
    while marker not in data:
        data += receive(sock, what)
    return bytes(data)


def free_port() -> int:
    """Return a TCP port that was free a moment ago, for servers that cannot choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
