"""Users who measure: one who presses keys and times the echo, one who reads and keeps it all."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from . import processes
from .servers import RESTART, TELNET_OFFER, TOGGLE, Lab, Server
from .streams import Peer

PROMPT = 0.2
"""Seconds within which a console answers whatever happens beside it: the bar of this suite."""
_HUNG = 20.0
_GAP = re.compile(rb"\r\n@@@ (\d+) bytes of output are missing here\r\n")
_ALL = re.compile(rb"(?s)\A.*")


class Task:
    """A thread that works until told to stop and whose failure is the test's failure."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def _guarded(self) -> None:
        try:
            while not self._stop.is_set() and self.step():
                pass
        except BaseException as error:
            self._failure = error

    def step(self) -> bool:
        """One bounded piece of work; false when all is done."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong in the thread."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Stop after the step under way; what went wrong in the thread is raised here."""
        self._stop.set()
        self._thread.join(_HUNG)
        self.check()
        assert not self._thread.is_alive(), "the thread hangs"

    def __enter__(self) -> Task:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self._stop.set()


class Pinger(Task):
    """A user who presses *key* again and again and times how long *echo* takes."""

    def __init__(self, peer: Peer, key: bytes = b"x", echo: bytes = b"<78>") -> None:
        super().__init__()
        self._peer, self._key = peer, key
        self._echo = re.compile(re.escape(echo))
        self.lags: list[tuple[float, float]] = []

    def __enter__(self) -> Pinger:
        self.start()
        return self

    def step(self) -> bool:
        """One key and its echo, then a pause as between two keys of a fast typist."""
        begun = time.monotonic()
        self._peer.send(self._key)
        self._peer.read_until(self._echo, _HUNG)
        self.lags.append((begun, time.monotonic() - begun))
        self._stop.wait(0.01)
        return True

    def beat(self, count: int) -> None:
        """Wait until *count* more keys were answered: a measure of time that measures something."""
        goal = len(self.lags) + count

        def reached() -> bool:
            self.check()
            return len(self.lags) >= goal

        processes.wait_for(reached, f"{count} echoes", _HUNG)

    def worst(self, since: float = 0.0) -> float:
        """The longest echo time of a key pressed after *since*."""
        return max(lag for begun, lag in self.lags if begun >= since)


class Watcher(Task):
    """A user who reads everything at once and notes the longest silence between two pieces."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer
        self._data = bytearray(peer.read_until(_ALL))
        self._last = 0.0
        self.longest_gap = 0.0
        self.start()

    def step(self) -> bool:
        """Read one piece."""
        alive = self.peer.fill(time.monotonic() + 0.1)
        now = time.monotonic()
        if piece := self.peer.read_until(_ALL):
            if self._last:
                self.longest_gap = max(self.longest_gap, now - self._last)
            self._last = now
            self._data += piece
        return alive or not self.peer.eof

    def forget_gap(self) -> None:
        """Measure silences from now on."""
        self._last = self.longest_gap = 0.0

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return len(self._data)

    def data(self) -> bytes:
        """All received so far."""
        return bytes(self._data)

    def wait_size(self, size: int, timeout: float = _HUNG) -> None:
        """Wait until that many bytes have come."""

        def reached() -> bool:
            self.check()
            return self.size >= size

        processes.wait_for(reached, f"{size} bytes", timeout)

    def wait_for(self, text: bytes, timeout: float = _HUNG) -> None:
        """Wait until *text* has come."""
        looked = 0

        def come() -> bool:
            nonlocal looked
            self.check()
            size = self.size
            found = self._data.find(text, max(0, looked - len(text)), size) >= 0
            looked = size
            return found

        processes.wait_for(come, f"{text!r}", timeout)

    def wait_eof(self, timeout: float = _HUNG) -> bytes:
        """Wait for the end of the stream; all that came."""
        self._thread.join(timeout)
        self.check()
        assert self.peer.eof, f"no end of stream in {timeout} s"
        return self.data()


def start_watched(lab: Lab, *options: str, command: Sequence[str]) -> tuple[Server, Peer]:
    """A server and a user who saw every byte since its birth, up to the child's READY."""
    server = lab.start("-w", *options, command=command)
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(b"READY")
    return server, peer


def greeting_time(server: Server, index: int = 0) -> float:
    """How long a new user waits for the greeting."""
    begun = time.monotonic()
    with server.connect(index) as peer:
        peer.read_until(TELNET_OFFER)
        return time.monotonic() - begun


def toggle_time(peer: Peer) -> float:
    """How long a user waits for the answer to two toggle keys; the mode is as before then."""
    begun = time.monotonic()
    for mode in (b"OFF", b"ON"):
        peer.send(TOGGLE)
        peer.read_until(b"@@@ Toggled auto restart to " + mode + b"\r\n")
    return (time.monotonic() - begun) / 2


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(processes.status(pid, "VmRSS").split()[0]) * 1024


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def account(log: bytes, stream: bytes) -> list[int]:
    """Check that a log is *stream* but for marked gaps of exactly the marked sizes.

    Returns the sizes of the gaps.
    """
    gaps: list[int] = []
    position = 0
    for number, part in enumerate(_GAP.split(log)):
        if number % 2:
            gaps.append(int(part))
            position += gaps[-1]
            continue
        there = stream[position : position + len(part)]
        if there != part:
            both = zip(there + b"\0", part, strict=False)
            differ = next(i for i, (a, b) in enumerate(both) if a != b)
            raise AssertionError(
                f"log differs from the output at {position + differ} (gaps {gaps}):"
                f" {part[differ:][:60]!r} instead of {there[differ:][:60]!r}"
            )
        position += len(part)
    assert position == len(stream), f"log ends at {position} of {len(stream)}, gaps {gaps}"
    return gaps
