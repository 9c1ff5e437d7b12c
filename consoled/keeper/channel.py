"""Channel: frames and descriptors between the keeper and a worker, never blocking.

A SEQPACKET socket keeps each frame (one JSON object) and its descriptors together. A frame
that may be too long for a packet travels in a memfd. What the other side does not take waits
in a queue with duplicates of its descriptors.

Never true: a frame sent twice, in another order, or without its descriptors.
"""

import errno
import json
import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Frame = dict[str, Any]

_LONGEST_PACKET = 32 * 1024
_MOST_DESCRIPTORS = 16
_PER_WAKE = 64
_IN_MEMFD = b"\0"


_INT = struct.Struct("i")
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Watcher(Protocol):
    """What a channel needs of an event loop."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None: ...

    def remove_reader(self, fd: int) -> Any: ...

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None: ...

    def remove_writer(self, fd: int) -> Any: ...


class Channel:
    """One end of the link. ``on_frame(frame, fds)`` owns the descriptors it is given.

    ``on_end`` is called once, when the other side has gone and all it sent was handed on.
    """

    def __init__(
        self,
        watcher: Watcher,
        connection: socket.socket,
        on_frame: Callable[[Frame, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._watcher = watcher
        self._socket = connection
        self._on_frame = on_frame
        self._on_end = on_end
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self.open = True
        connection.setblocking(False)
        watcher.add_reader(connection.fileno(), self._on_readable)

    @property
    def fd(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    @property
    def idle(self) -> bool:
        """Whether everything has been handed to the kernel."""
        return not self._queue

    @property
    def peer_pid(self) -> int:
        """The process at the other end when it connected."""
        return peer_credentials(self._socket)[0]

    def send(self, frame: Frame, fds: Sequence[int] = ()) -> None:
        """Send now or as soon as possible; the descriptors stay the caller's."""
        if not self.open:
            return
        text = _encode(frame).encode()
        if len(text) > _LONGEST_PACKET:
            memory = _in_memory(text)
            self._put(_IN_MEMFD, [memory, *fds])
            os.close(memory)
        else:
            self._put(text, fds)

    def _put(self, text: bytes, fds: Sequence[int]) -> None:
        if not self._queue and self._try(text, fds):
            return
        if not self._queue:
            self._watcher.add_writer(self._socket.fileno(), self._on_writable)
        self._queue.append((text, [os.dup(fd) for fd in fds]))

    def _try(self, text: bytes, fds: Sequence[int]) -> bool:
        """Whether there is no more to do about this packet."""
        try:
            if fds:
                socket.send_fds(self._socket, [text], fds)
            else:
                self._socket.send(text)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS):
                return False
            # The other side is gone; reading will tell, after what it still had to say.
        return True

    def _on_writable(self) -> None:
        while self._queue:
            text, fds = self._queue[0]
            if not self._try(text, fds):
                return
            self._queue.popleft()
            for fd in fds:
                os.close(fd)
        self._watcher.remove_writer(self._socket.fileno())

    def _on_readable(self) -> None:
        for _ in range(_PER_WAKE):
            if not self.open:
                return
            try:
                text, fds = _take_packet(self._socket)
            except BlockingIOError:
                return
            except OSError:
                text, fds = b"", []
            if not text:
                self._drop()
                return
            self._receive(text, fds)

    def _receive(self, text: bytes, fds: list[int]) -> None:
        try:
            frame = _decode(text, fds)
        except (ValueError, LookupError, OSError, RecursionError):
            for fd in fds:
                os.close(fd)
            self._drop()
            return
        self._on_frame(frame, fds)

    def _drop(self) -> None:
        """The other side is gone, or speaks another language."""
        self.close()
        self._on_end()

    def drain(self) -> None:
        """Hand on all that has come, from a peer that will say no more."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        while self.open and poll.poll(0):
            self._on_readable()

    def close(self) -> None:
        """Send and receive no more; safe at any time."""
        if not self.open:
            return
        self.open = False
        self._watcher.remove_reader(self._socket.fileno())
        if self._queue:
            self._watcher.remove_writer(self._socket.fileno())
            for _, fds in self._queue:
                for fd in fds:
                    os.close(fd)
            self._queue.clear()
        self._socket.close()


def _take_packet(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One packet with its descriptors, closed on exec from the start.

    Not ``socket.recv_fds``: it leaves its flags out, and a program started by another thread,
    or by us a little later, would inherit everything.
    """
    room = socket.CMSG_LEN(_MOST_DESCRIPTORS * _INT.size)
    flags = socket.MSG_CMSG_CLOEXEC
    text, ancillary, received, _ = connection.recvmsg(_LONGEST_PACKET + 1, room, flags)
    fds: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = data[: len(data) - len(data) % _INT.size]
            fds += [number for (number,) in _INT.iter_unpack(whole)]
    if received & socket.MSG_CTRUNC:  # no room for all: a fact is lost, so the link is
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMFILE, "too few descriptors for what the other side sends")
    return text, fds


def _decode(text: bytes, fds: list[int]) -> Frame:
    """The frame of a packet; takes the memfd that it may be in off the descriptors."""
    if text == _IN_MEMFD:
        memory = fds.pop(0)
        try:
            text = os.pread(memory, os.fstat(memory).st_size, 0)
        finally:
            os.close(memory)
    frame = json.loads(text)
    if not isinstance(frame, dict):
        raise ValueError("no frame")
    return frame


def _in_memory(text: bytes) -> int:
    memory = os.memfd_create("frame", os.MFD_CLOEXEC)
    os.write(memory, text)
    return memory


def peer_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Pid, uid and gid of the process that connected (SO_PEERCRED, unix(7))."""
    size = struct.calcsize("3i")
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, gid = struct.unpack("3i", packed)
    return pid, uid, gid
