"""Many clients in one process, each of which checks every byte it gets.

The server is to be measured, so a client has to be cheap: 64 KiB reads into one buffer and
one memcmp against the expected stream, some 1.5 µs per 64 KiB (`bytes.startswith`, because
comparing memoryviews goes element by element).
"""

import gc
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..children.stream import END, START
from ..limits import FLOW, IDLE, Stuck
from ..wire import Attachment

READ = 65536


class Client:
    """One healthy user: how far he is in the expected stream, and whether it was right."""

    __slots__ = ("done", "fault", "gap", "label", "last", "position", "sock", "tail")

    def __init__(self, label: str, attachment: Attachment) -> None:
        self.label = label
        self.sock = attachment.sock
        self.tail = attachment.rest
        self.position = -1
        self.last = 0.0
        self.gap = 0.0
        self.done = False
        self.fault = ""

    def take(self, data: memoryview, expected: bytes) -> None:
        """Check what has come; at the first wrong byte only the end marker is awaited."""
        if self.position < 0 or self.fault:
            self._search(bytes(data), expected)
        elif expected.startswith(data, self.position):
            self.position += len(data)
            self.done = self.position == len(expected)
        else:
            self._differ(bytes(data), expected)

    def _search(self, data: bytes, expected: bytes) -> None:
        """Look for the marker that begins the stream, or ends it once it has gone wrong."""
        marker = END if self.fault else START
        before, found, after = (self.tail + data).partition(marker)
        if not found:
            self.tail = before[-len(marker) :]
        elif self.fault:
            self.done = True
        else:
            self.tail = b""
            self.position = len(START)
            if after:
                self.take(memoryview(after), expected)

    def _differ(self, data: bytes, expected: bytes) -> None:
        """Say where the stream went wrong, unless something merely follows its end."""
        right = expected[self.position : self.position + len(data)]
        pairs = zip(data, right, strict=False)
        same = next((at for at, (got, want) in enumerate(pairs) if got != want), len(right))
        self.position += same
        self.done = self.position == len(expected)
        if not self.done:
            self.fault = (
                f"{self.label}: wrong at byte {self.position} of {len(expected)}: "
                f"expected {right[same : same + 24]!r}, got {data[same : same + 24]!r}"
            )
            self._search(data[same:], expected)


@dataclass
class Flow:
    """One stream as the swarm saw it; times are from START at the first client."""

    seconds: float = 0.0
    gap: float = 0.0
    """The longest time any healthy client went without a byte between START and END."""
    cpu: float = 0.0
    """What the clients themselves cost, so that nobody blames the server for it."""
    faults: list[str] = field(default_factory=list)


class Swarm:
    """All healthy clients of one console."""

    def __init__(self, attachments: list[Attachment], expected: bytes) -> None:
        total = len(attachments)
        self.clients = [
            Client(f"client {number} of {total}", attachment)
            for number, attachment in enumerate(attachments, 1)
        ]
        self._expected = expected
        self._started = 0.0
        self._buffer = bytearray(READ)

    def run(self, child_is_done: Callable[[], bool]) -> Flow:
        """Let the first client type "go" and read until all have the end of the stream.

        When nothing moves any more, bytes count as missing if the child has written them
        all; otherwise the flow was held up and nobody can say what would have come.
        """
        poll = select.epoll()
        by_fd = {}
        for client in self.clients:
            client.sock.setblocking(False)
            poll.register(client.sock, select.EPOLLIN)
            by_fd[client.sock.fileno()] = client
        gc.collect()
        gc.disable()
        cpu = time.process_time()
        self.clients[0].sock.send(b"go\n")
        try:
            ended = self._read_all(poll, by_fd)
        finally:
            gc.enable()
            poll.close()
        flow = Flow(ended - self._started, cpu=time.process_time() - cpu)
        flow.gap = max(client.gap for client in self.clients)
        self._judge(flow, child_is_done)
        return flow

    def _read_all(self, poll: select.epoll, by_fd: dict[int, Client]) -> float:
        view = memoryview(self._buffer)
        waiting = len(by_fd)
        now = moved = time.perf_counter()
        limit = now + FLOW
        while waiting and now - moved < IDLE and now < limit:
            events = poll.poll(1.0)
            now = time.perf_counter()
            if events:
                moved = now
            for fd, _ in events:
                client = by_fd[fd]
                self._read_one(client, view, now)
                if client.done:
                    poll.unregister(fd)
                    waiting -= 1
        return now

    def _read_one(self, client: Client, view: memoryview, now: float) -> None:
        try:
            count = client.sock.recv_into(view)
        except BlockingIOError:
            return
        except ConnectionResetError:
            count = 0
        if not count:
            client.done = True
            return
        client.take(view[:count], self._expected)
        if client.last:
            client.gap = max(client.gap, now - client.last)
        if client.position >= 0:
            client.last = now
            self._started = self._started or now

    def _judge(self, flow: Flow, child_is_done: Callable[[], bool]) -> None:
        total = len(self._expected)
        for client in self.clients:
            if client.fault:
                flow.faults.append(client.fault)
            elif client.position < total and client.done:
                flow.faults.append(
                    f"{client.label}: connection closed at byte {client.position} of {total}"
                )
            elif client.position < total and child_is_done():
                flow.faults.append(
                    f"{client.label}: {total - client.position} of {total} bytes never came"
                )
            elif client.position < total:
                raise Stuck(f"{client.label} has {max(client.position, 0)} of {total} bytes")
