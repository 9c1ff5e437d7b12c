"""Section 2.4: what the server says during the child's life."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from support import processes
from support.servers import CAT, KILL, RESTART, STARS, TOGGLE, Lab

from .helpers import A_AND_B, BLOCK_A, BLOCK_B, cites, read_death, read_start, read_up
from .scope import not_for_consoled


@cites("2.4/start text", "2.4/first start too", "2.4/as line")
@pytest.mark.parametrize("name", ["ioc", pytest.param(None, marks=not_for_consoled("names"))])
def test_start_is_announced_to_everybody(lab: Lab, name: str | None) -> None:
    """The `(as ...)` line is left out when it would repeat the name."""
    option = ["-n", name] if name else []
    server = lab.start(*option, "-w", "-L", "log", "-l", "unix:logs", command=CAT)
    peer, _ = server.greet()
    logger, _ = server.greet(1)
    peer.send(RESTART)
    shown = (name or "/bin/cat").encode()
    for hearer in (peer, logger):
        text = hearer.read_until(STARS)
        pid = server.child()
        wanted = b'@@@ Restarting child "%s"\r\n' % shown
        wanted += b"@@@    (as /bin/cat)\r\n" if name else b""
        wanted += b'@@@ The PID of new child "%s" is: %d\r\n' % (shown, pid)
        assert text == wanted + STARS
        assert server.await_file("log", STARS) == wanted + STARS


@cites("2.4/death A", "2.4/death B", "2.4/order", "2.4/fate on")
@pytest.mark.parametrize("way", ["exit", "signal"])
def test_death_report(lab: Lab, way: str) -> None:
    server = lab.start("-n", "ioc", "-L", "log", "-l", "unix:logs")
    peer = server.talk()
    logger, _ = server.greet(1)
    pid = server.child()
    peer.send(b"exit 3\n" if way == "exit" else b"die 11\n")
    deaths = [read_death(lab, peer), read_death(lab, logger)]
    cause = b"Normal exit status = 3" if way == "exit" else b"The process was killed by signal 11"
    for death in deaths:
        assert death.pid == pid
        assert death.cause == cause
        assert death.fate == b"a new one will be restarted shortly"
        assert death.hint == b"@@@ ^R or ^X restarts the child, ^Q " + lab.quitting + b"\r\n"
        assert death.first in (b"A" if lab.ours else b"AB")
    content = server.await_file("log", lab.quitting + b"\r\n")
    if lab.ours:
        assert re.search(BLOCK_A + BLOCK_B + rb"\Z", server.await_file("log", A_AND_B))
    else:
        assert b"@@@ Current time: " in content


@cites("2.4/fate off")
def test_death_report_in_mode_off(lab: Lab) -> None:
    server = lab.start("--noautorestart")
    peer = server.talk()
    peer.send(b"exit 0\n")
    assert read_death(lab, peer).fate == b"auto restart is disabled"


@cites("2.4/glued")
def test_death_report_starts_on_a_line_of_its_own(lab: Lab) -> None:
    """procServ's block B has no newline in front: `par@@@ Current time`, if B comes first."""
    server = lab.start("-w", command=["/bin/sh", "-c", "printf par; exit 0"])
    peer, _ = server.greet()
    peer.send(RESTART)
    read_start(peer)
    death = read_death(lab, peer)
    if lab.ours:
        assert death.before in (b"par", b"par\r\n")
        assert death.first == b"A"
    else:
        assert death.before in (b"par", b"")  # see the last words below


@cites("2.4/last words")
def test_what_a_child_says_at_last_is_heard(lab: Lab) -> None:
    """procServ loses it now and then: when it reaps the child before it reads the pty."""
    server = lab.start("-n", "ioc", "--holdoff", "0", "-L", "log")
    peer = server.talk()
    for _ in range(4):
        child = server.child()
        os.kill(server.reader, signal.SIGSTOP)
        Path(f"/proc/{child}/fd/1").write_bytes(b"last words")
        os.kill(child, signal.SIGKILL)
        processes.wait_gone(child)
        os.kill(server.reader, signal.SIGCONT)
        before = read_death(lab, peer).before
        assert before in ([b"last words"] if lab.ours else [b"last words", b""])
        read_start(peer)
        peer.send(b"ping\n")
        peer.read_until(b"pong\r\n")
    if lab.ours:
        assert (lab.dir / "log").read_bytes().count(b"last words\r\n@@@ @@@") == 4


@cites("2.4/kill right after the start")
def test_kill_in_the_childs_first_moment(lab: Lab) -> None:
    """procServ may lose it: the process group does not exist yet."""
    server = lab.start("-w", command=CAT)
    peer, _ = server.greet()
    peer.send(RESTART)
    read_start(peer)
    peer.send(KILL)
    if lab.ours:
        assert read_death(lab, peer).cause == b"The process was killed by signal 9"
    peer.send(TOGGLE)
    peer.read_until(b"OFF\r\n")


@cites("2.4/exit clients", "3/SIGTERM")
def test_what_clients_hear_when_the_server_is_ended(lab: Lab) -> None:
    """procServ tells the older clients half of it, and not the truth; ours tells everybody."""
    server = lab.start("-w", "-L", "log", command=CAT)
    early, _ = server.greet()
    early.send(RESTART)
    pid = read_up(early)
    late, _ = server.greet()
    server.signal(signal.SIGTERM)
    heard = [early.read_eof(), late.read_eof()]
    server.wait()
    processes.wait_gone(pid)
    log = (lab.dir / "log").read_bytes()
    if lab.ours:
        for text in (*heard, log):
            match = re.search(BLOCK_A + BLOCK_B.replace(rb"(?P<hint>", rb"(?P<hint>|"), text)
            assert match, text
            assert match["fate"] == b"server will exit"
            assert int(match["pid"]) == pid
    else:
        match = re.fullmatch(BLOCK_B, heard[0])
        assert match
        assert match["fate"] == b"a new one will be restarted shortly"
        assert heard[1] == b""
        assert re.search(BLOCK_B + rb"\Z", log)


@cites("2.4/exit clients")
def test_what_clients_hear_when_a_server_without_child_ends(lab: Lab) -> None:
    server = lab.start("-w", "-L", "log")
    peer, _ = server.greet()
    server.signal(signal.SIGTERM)
    assert peer.read_eof() == b""
    assert server.wait() == 0
    if not lab.many:  # which opens it when there is something to write
        assert (lab.dir / "log").read_bytes() == b""
