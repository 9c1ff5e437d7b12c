"""Many clients, more than there is room for, and many that come and go.

Cites reliability.md §6 rows 21, 22, 24, 68: procServ aborts at the 1020th client and at EMFILE.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import pytest

from support import processes
from support.faults_users import PROMPT, Pinger, cpu_seconds, resident
from support.servers import KILL, NEW_CHILD, RAW_ECHO, RESTART, TELNET_OFFER, Lab, Server
from support.streams import PATIENCE, Peer

REFUSED = b"@@@ Connection refused: "
NARROW = ("prlimit", "--nofile=64:64")
MIB = 1 << 20


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold a crowd's sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before[1] >= 4096, "the machine's hard limit of open files is too low for this test"
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])
def test_1100_clients(lab: Lab, endpoint: str) -> None:
    """Each is greeted, and each sees the output."""
    lab.prefix = ("prlimit", "--nofile=4096:4096")
    server = lab.start(command=RAW_ECHO, endpoints=[endpoint])
    crowd = [server.connect() for _ in range(1100)]
    for peer in crowd:
        receive(peer, TELNET_OFFER)
    crowd[0].send(b"x")
    for peer in crowd:
        receive(peer, b"<78>")
    with Pinger(crowd[0]) as pinger:
        pinger.beat(20)
    assert pinger.worst() < PROMPT


def receive(peer: Peer, text: bytes) -> None:
    """Read until *text*; without select(2), which knows no descriptor above 1023."""
    peer.sock.settimeout(PATIENCE)
    got = b""
    while text not in got:
        piece = peer.sock.recv(4096)
        assert piece, got
        got += piece
    peer.sock.settimeout(None)


@pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])
def test_connect_storm(lab: Lab, endpoint: str) -> None:
    """1500 who connect and leave at once, while one user types."""
    server = lab.start(command=RAW_ECHO, endpoints=[endpoint])
    user = server.attach()
    with Pinger(user) as pinger:
        pinger.beat(3)
        for _ in range(1500):
            server.connect().close()
        pinger.beat(3)
    assert pinger.worst() < PROMPT
    processes.wait_for(lambda: users(server) == 1, "the storm is over")


def users(server: Server) -> int:
    """How many users the greeting tells of."""
    peer, lines = server.greet()
    peer.close()
    [line] = [line for line in lines if b"user(s)" in line]
    return int(line.split()[1])


def fill_up(server: Server) -> list[Peer]:
    """Connect until refused, in words; those who got in."""
    guests: list[Peer] = []
    for _ in range(200):
        peer = server.connect()
        text = peer.read_until(b"\r\n")
        if text.startswith(REFUSED):
            peer.read_eof()
            return guests
        peer.read_until(TELNET_OFFER)
        guests.append(peer)
    raise AssertionError("200 clients with 64 descriptors")


def restart(user: Peer) -> None:
    """Kill the child and see the next one."""
    user.send(KILL)
    user.read_until(b"The process was killed by signal 9")
    user.send(RESTART)
    user.read_until(NEW_CHILD)
    user.read_until(b"READY")


ONE = ("unix:ctl",)
MANY = tuple(f"unix:ctl{number}" for number in range(12))


@pytest.mark.parametrize("endpoints", [ONE, MANY], ids=["one endpoint", "twelve endpoints"])
def test_out_of_descriptors(lab: Lab, endpoints: tuple[str, ...]) -> None:
    """With 64 descriptors: a polite refusal, no harm to users and restarts, full recovery."""
    lab.prefix = NARROW
    server = lab.start("-L", "log", command=RAW_ECHO, endpoints=endpoints)
    user = server.attach()
    guests = fill_up(server)
    assert len(guests) >= 10
    for _ in range(3):
        restart(user)
    with Pinger(user) as pinger:
        cpu, begun = cpu_seconds(server.pid), time.monotonic()
        pinger.beat(50)
        used, passed = cpu_seconds(server.pid) - cpu, time.monotonic() - begun
        for _ in range(50):
            server.connect().read_until(REFUSED)
    assert pinger.worst() < PROMPT
    assert used < passed / 2, f"spins: {used:.2f} s of {passed:.2f} s"
    for guest in guests:
        guest.close()
    processes.wait_for(lambda: len(fill_up_and_leave(server)) == len(guests), "recovery")
    restart(user)


def fill_up_and_leave(server: Server) -> list[Peer]:
    """How many get in now."""
    guests = fill_up(server)
    for guest in guests:
        guest.close()
    return guests


def test_unread_refusals_do_not_spin(lab: Lab) -> None:
    """A hundred who wait in vain cost no processor time."""
    lab.prefix = NARROW
    server = lab.start(command=RAW_ECHO)
    user = server.attach()
    guests = fill_up(server)
    waiting = [server.connect() for _ in range(100)]
    with Pinger(user) as pinger:
        cpu, begun = cpu_seconds(server.pid), time.monotonic()
        pinger.beat(50)
        used, passed = cpu_seconds(server.pid) - cpu, time.monotonic() - begun
    assert used < passed / 2
    for peer in waiting:
        assert peer.read_eof().startswith(REFUSED)
    assert len(guests) >= 10


def test_churn_leaves_nothing(lab: Lab) -> None:
    """300 clients come and go, ten children: as many descriptors and as much memory as before."""
    server = lab.start("--holdoff", "0", "-L", "log", command=RAW_ECHO)
    user = server.attach()
    restart(user)
    for _ in range(20):
        server.greet()[0].close()
    files, memory = len(processes.open_files(server.pid)), resident(server.pid)
    for _ in range(10):
        for _ in range(30):
            server.greet()[0].close()
        restart(user)
    processes.wait_for(lambda: users(server) == 1, "all gone")
    processes.wait_for(
        lambda: len(processes.open_files(server.pid)) <= files + 2, "descriptors given back", 3
    )
    assert resident(server.pid) - memory < 8 * MIB
