"""Peers that break the protocol, hang up in bad moments, or are no consoles at all.

Cites reliability.md §6 rows 46, 49, 54, §8 (browsers) and decision D15 (half-close).
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import time

import pytest

from support import processes
from support.faults_users import PROMPT, Pinger, Watcher, greeting_time, resident, start_watched
from support.servers import RAW_ECHO, Lab, Server, script
from support.streams import PATIENCE, Peer

IAC = b"\xff"
MIB = 1 << 20
LOG = ("-L", "log")


def hurl(peer: Peer, data: bytes, times: int) -> None:
    """Send without reading; being dropped is allowed."""
    peer.sock.settimeout(PATIENCE)
    try:
        for _ in range(times):
            peer.sock.sendall(data)
    except OSError:
        pass


def nothing_typed(server: Server, user: Peer) -> None:
    """The child has got no byte but the user's own."""
    user.send(b"z")
    assert user.read_until(b"<7a>").count(b"<") == 1


def raw_echo(lab: Lab) -> tuple[Server, Peer]:
    """A child that shows each byte it gets, and a user of it, over TCP."""
    server = lab.start(*LOG, command=RAW_ECHO, endpoints=["0"])
    server.await_file("log", b"READY\r\n")
    return server, server.attach()


@pytest.mark.parametrize(
    "commands",
    [IAC + b"\xfd\x01" + IAC + b"\xfe\x01", IAC + b"\xfb\x1f", IAC + b"\xfd\x05", IAC + b"\xf6"],
    ids=["echo to and fro", "will naws", "do status", "are you there"],
)
def test_command_storm(lab: Lab, commands: bytes) -> None:
    """300 000 commands from one who does not read answers: the others do not notice."""
    server, user = raw_echo(lab)
    before = resident(server.pid)
    with Pinger(user) as pinger, server.connect() as storm:
        hurl(storm, commands * 1000, 300_000 // 1000 * 3 // len(commands))
        pinger.beat(5)
    assert pinger.worst() < PROMPT
    assert resident(server.pid) - before < 2 * MIB
    nothing_typed(server, user)


def test_endless_subnegotiation(lab: Lab) -> None:
    """8 MiB without an end: dropped early, nothing kept, nothing typed."""
    server, user = raw_echo(lab)
    before = resident(server.pid)
    with Pinger(user) as pinger, server.connect() as peer:
        peer.read_until(b"\xff\xfd\x22")
        hurl(peer, IAC + b"\xfa\x18" + b"A" * 65533, 1)
        hurl(peer, b"A" * 65536, 127)
        peer.read_eof()
        pinger.beat(3)
    assert pinger.worst() < PROMPT
    assert resident(server.pid) - before < 2 * MIB
    nothing_typed(server, user)


def test_reset_in_a_flood(lab: Lab) -> None:
    """Fifty who vanish with a RST while they are being written to."""
    server = lab.start(command=script("flood", "10000000", "20000000"), endpoints=["0"])
    user = server.attach()
    user.send(b"?")
    user.read_until(b"!")
    watcher = Watcher(user)
    user.send(b"g")
    for _ in range(50):
        with server.connect() as peer:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.read_until(b"0\r\n")
    watcher.wait_for(b"END\r\n")
    assert watcher.longest_gap < PROMPT
    assert watcher.size == 20000000 // 4096 * 4096 + 5
    assert_users(server, 1)


REQUESTS = {
    "POST": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nzzzzz",
    "GET": b"GET /zzz HTTP/1.0\r\n\r\n",
    "long path": b"POST /" + b"z" * 8000 + b" HTTP/1.1\r\n\r\nzzz",
    "OPTIONS": b"OPTIONS * HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("request_text", REQUESTS.values(), ids=REQUESTS.keys())
def test_browser_is_dropped(lab: Lab, request_text: bytes) -> None:
    """A web page that posts to the port types nothing."""
    server, user = raw_echo(lab)
    with server.connect() as browser:
        browser.read_until(b"\xff\xfd\x22")
        browser.send(request_text)
        browser.read_eof()
    nothing_typed(server, user)


def assert_users(server: Server, count: int, timeout: float = 3.0) -> None:
    """The greeting tells of that many users."""

    def told() -> bool:
        peer, lines = server.greet()
        peer.close()
        return b"@@@ %d user(s) and 0 logger(s) connected (plus you)" % count in lines

    processes.wait_for(told, f"{count} user(s)", timeout)


def test_half_closed_gets_its_answer(lab: Lab) -> None:
    """`echo ping | socat - UNIX:ctl` shows the answer (#47 of procServ)."""
    server = lab.start()
    server.talk()
    done = subprocess.run(
        ["socat", "-t", "2", "-", "UNIX-CONNECT:ctl"],
        cwd=lab.dir,
        input=b"ping\n",
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert b"pong\r\n" in done.stdout
    assert_users(server, 1)


@pytest.mark.parametrize(
    "argv",
    [["nc", "-U", "ctl"], ["socat", "-u", "UNIX-CONNECT:ctl", "STDOUT"]],
    ids=["nc", "socat -u"],
)
def test_watcher_without_input_keeps_watching(lab: Lab, argv: list[str]) -> None:
    """Its stdin is /dev/null, it still gets all output, and its end is noticed at once."""
    server = lab.start()
    user = server.talk()
    watcher = subprocess.Popen(
        argv,
        cwd=lab.dir,
        env=lab.environ({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    stdout = watcher.stdout
    assert stdout is not None
    for _ in range(20):  # greeting: the line before its end
        if b"user(s)" in stdout.readline():
            break
    deadline = time.monotonic() + 6  # longer than the time an answer may take
    while time.monotonic() < deadline:
        user.send(b"ping\n")
        user.read_until(b"pong\r\n")
        while b"pong" not in stdout.readline():
            pass
        time.sleep(0.2)
    watcher.kill()
    watcher.wait()
    stdout.close()
    assert_users(server, 1, timeout=0.5)


def test_full_close_of_a_half_closed_peer(lab: Lab) -> None:
    """UNIX: seen at once, in silence. TCP: a telnet peer is probed and soon found gone."""
    server = lab.start(command=RAW_ECHO, endpoints=["unix:ctl", "0"])
    server.await_file("info", b"pid")
    quiet = server.connect(0)
    quiet.half_close()
    quiet.read_until(b"\xff\xfd\x22")
    assert_users(server, 0)
    quiet.close()
    telnet = server.connect(1)
    telnet.read_until(b"\xff\xfd\x22")
    telnet.send(IAC + b"\xfd\x01" + IAC + b"\xfc\x22")
    telnet.half_close()
    telnet.close()
    before = len(processes.open_files(server.pid))
    processes.wait_for(
        lambda: len(processes.open_files(server.pid)) <= before and not sockets(server, 2),
        "both connections closed",
        8,
    )


def sockets(server: Server, beyond: int) -> int:
    """Connected sockets: all but the listening ones."""
    files = processes.open_files(server.pid).values()
    listening = len(server.info) - 1
    loop = beyond
    return sum(target.startswith("socket:") for target in files) - listening - loop


@pytest.mark.parametrize("greeted", [True, False], ids=["greeted", "in a hurry"])
def test_send_and_hang_up(lab: Lab, greeted: bool) -> None:
    """All that was sent before the end of a connection is typed, and the user is gone.

    As `printf ... | socat -u - UNIX:ctl` does, which never reads: a greeting that cannot be
    sent any more is no reason to throw away what the peer said.
    """
    server = lab.start(*LOG, command=RAW_ECHO)
    server.await_file("log", b"READY\r\n")
    for _ in range(10):
        with server.connect() as peer:
            if greeted:
                peer.read_until(b"\xff\xfd\x22")
            peer.send(b"q" * 300)
    log = server.await_file("log", re.compile(rb"(<71>[^<]*){3000}"))
    assert log.count(b"<71>") == 3000
    assert_users(server, 0)


def test_send_and_hang_up_in_a_flood(lab: Lab) -> None:
    """The same beside a child that talks all the time."""
    command = script("flood", "2000000", "6000000")
    server, user = start_watched(lab, command=command)
    watcher = Watcher(user)
    user.send(b"g")
    watcher.wait_size(500_000)
    for _ in range(50):
        with server.connect() as peer:
            peer.send(b"?")
    watcher.wait_for(b"END\r\n")
    assert watcher.data().count(b"!") == 50


def test_half_closed_users_do_not_pile_up(lab: Lab) -> None:
    """Forty scripts that typed, half-closed and never read on are let go."""
    server, _ = start_watched(lab, command=RAW_ECHO)
    before = len(processes.open_files(server.pid))
    peers = [server.connect() for _ in range(40)]
    for peer in peers:
        peer.send(b"x")
        peer.half_close()
    processes.wait_for(
        lambda: len(processes.open_files(server.pid)) <= before, "connections closed", 10
    )
    assert greeting_time(server) < PROMPT
