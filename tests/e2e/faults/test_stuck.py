"""A client that does not read costs the others nothing, and learns exactly what it missed.

Cites reliability.md §6 rows 17, 18 and D3: who reads slowly may hold the child for its patience,
who does not read at all may not.
"""

from __future__ import annotations

import re
import signal
import socket
import time

import pytest

from support import processes
from support.faults_users import PROMPT, Watcher, greeting_time, resident, start_watched
from support.servers import Lab, Server, script
from support.streams import Peer

RATE, TOTAL = 20_000_000, 30_000_000
FLOOD = script("flood", str(RATE), str(TOTAL))
SKIPPED = re.compile(
    rb"\r\n@@@ (\d+) bytes of output skipped: this connection reads too slowly\r\n"
)
END = b"END\r\n"
STREAM = b"".join(b"%062d\r\n" % line for line in range(TOTAL // 4096 * 64)) + END
RING = (1 << 20) + (64 << 10)
MIB = 1 << 20

transports = pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])


def shrink(peer: Peer) -> Peer:
    """A small receive buffer, so that not reading is felt soon (TCP would crawl with one)."""
    if peer.sock.family == socket.AF_UNIX:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    return peer


def attach_all(server: Server, count: int) -> list[Peer]:
    """That many users, greeted and then silent."""
    return [shrink(server.attach()) for _ in range(count)]


def missed(shown: bytes, stream: bytes) -> int:
    """Check one late reader's bytes against the stream; how many it was told that it missed.

    Each told gap must have exactly the told size: all pieces are where the counts put them.
    """
    position = told = 0
    for number, part in enumerate(SKIPPED.split(shown)):
        if number % 2:
            told += int(part)
            position += int(part)
            continue
        assert stream[position : position + len(part)] == part, f"other bytes at {position}"
        position += len(part)
    assert position == len(stream), f"{position} of {len(stream)} bytes accounted for"
    return told


@pytest.mark.parametrize("stuck", [1, 10])
@transports
def test_stuck_clients_stall_nobody(lab: Lab, endpoint: str, stuck: int) -> None:
    """20 MB/s, some never read: the others miss nothing and see no gap, memory stays in the ring.

    Three tries, for the readers of the test must be quick themselves: who does not get to read
    for 50 ms on a loaded machine counts as stuck, and rightly so (D3).
    """
    for attempt in ("first", "second", "third"):
        server = lab.sibling(attempt).start(command=FLOOD, endpoints=[endpoint])
        user = server.attach()
        user.send(b"?")
        user.read_until(b"!")
        deaf = attach_all(server, stuck)
        healthy = flood_with(server, user)
        gap = max(watcher.longest_gap for watcher in healthy)
        lost = sum(missed(watcher.data(), STREAM) for watcher in healthy)
        for peer in deaf:
            assert missed(peer.read_until(END), STREAM) > 0
        if gap < PROMPT and not lost:
            return
        server.signal(signal.SIGKILL)
    raise AssertionError(f"healthy users missed {lost} bytes, longest gap {gap:.2f} s")


def flood_with(server: Server, user: Peer) -> list[Watcher]:
    """Let the child write while two read; memory and greetings are looked at meanwhile."""
    before = resident(server.pid)
    other = Watcher(server.attach())
    mine = Watcher(user)
    user.send(b"g")
    mine.wait_for(b"%062d\r\n" % 1000)
    assert greeting_time(server) < PROMPT
    for watcher in (mine, other):
        watcher.wait_for(END)
    assert resident(server.pid) - before < RING + MIB
    return [mine, other]


@transports
def test_slow_but_reading_client_loses_nothing(lab: Lab, endpoint: str) -> None:
    """2 MB at once, read at 8 MB/s: the child waits for the reader, who gets every byte."""
    total = 2_000_000 // 4096 * 4096
    server = lab.start(command=script("flood", "0", str(total)), endpoints=[endpoint])
    slow = shrink(server.attach())
    slow.send(b"?")
    slow.read_until(b"!")
    slow.send(b"g")
    shown = b""
    while len(shown) < total:
        shown += slow.read_exactly(min(32768, total - len(shown)))
        time.sleep(0.004)  # this is what makes the reader slow
    assert shown + slow.read_until(END) == STREAM[:total] + END


def test_many_slow_clients_share_one_patience(lab: Lab) -> None:
    """Ten who read a little hold the child no longer than one would (D3: 1 s per stall)."""
    server = lab.start(command=script("flood", "0", "20000000"))
    user = server.attach()
    user.send(b"?")
    user.read_until(b"!")
    sippers = [Sipper(shrink(server.attach())) for _ in range(10)]
    mine = Watcher(user)
    user.send(b"g")
    mine.wait_for(END, timeout=30)
    for sipper in sippers:
        sipper.finish()
    assert mine.longest_gap < 1.0 + PROMPT, f"stalled {mine.longest_gap:.1f} s"


class Sipper(Watcher):
    """A client that reads 2 KiB now and then: progress, but far too slow."""

    def step(self) -> bool:
        """Read a little."""
        self._stop.wait(0.01)
        self.peer.sock.recv(2048)
        return True


def test_stuck_user_can_leave(lab: Lab) -> None:
    """Who was stuck and hangs up is gone: no descriptor, no user counted."""
    server, user = start_watched(lab, command=FLOOD)
    watcher = Watcher(user)
    before = len(processes.open_files(server.pid))
    deaf = attach_all(server, 5)
    user.send(b"g")
    watcher.wait_for(b"%062d\r\n" % 200_000)
    for peer in deaf:
        peer.close()
    watcher.wait_for(END)
    processes.wait_for(lambda: len(processes.open_files(server.pid)) <= before, "descriptors")
    _, lines = server.greet()
    assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in lines
