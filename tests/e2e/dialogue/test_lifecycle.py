"""Section 3: when children start, how they end, what they inherit."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from support import processes
from support.servers import CAT, KILL, RESTART, TOGGLE, Lab

from .helpers import attach_raw, cites, read_death, read_start, took
from .scope import not_for_consoled


@cites("3/idle tick", "3/connecting at once", "3/first start")
def test_first_start(lab: Lab) -> None:
    """procServ starts its child after 0.5 s without any traffic; ours at once."""
    server = lab.start()
    if lab.ours:
        server.child()
        started = processes.started_at(server.child())
        assert started - (lab.dir / "info").stat().st_mtime < 0.4
        return
    peer, lines = server.greet()
    assert any(line.endswith(b" is SHUT DOWN") for line in lines)
    assert took(lambda: read_start(peer)) > 0.4


@cites("3/starvation")
def test_traffic_does_not_hold_up_a_restart(lab: Lab) -> None:
    server = lab.start("--holdoff", "0")
    peer = server.talk()
    peer.send(b"exit 0\n")
    heard = b""
    for _ in range(24):
        peer.send(b"x")
        heard += peer.drain(0.05)
    assert b"@@@ Child process is shutting down" in heard
    assert (b"Restarting child" in heard) == lab.ours
    if not lab.ours:
        read_start(peer)


@cites("3/toggle to ON restarts")
def test_toggle_from_off_to_on_restarts(lab: Lab) -> None:
    server = lab.start("--noautorestart", "--holdoff", "0")
    peer = server.talk()
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    peer.send((len(lab.ring) - 1) * TOGGLE)
    peer.read_until(lab.toggled(b"ON"))
    read_start(peer)


@cites("3/start condition")
def test_first_start_happens_in_mode_off_too(lab: Lab) -> None:
    lab.start("--noautorestart").talk()


@cites("3/closes its tty", "3/end by EOF")
def test_child_that_closes_its_tty(lab: Lab) -> None:
    """procServ takes that for its end and kills it; ours leaves it alone."""
    server = lab.start()
    peer = server.talk()
    child = server.child()
    peer.send(b"closetty\n")
    if lab.ours:
        processes.wait_for(lambda: not processes.open_files(child), "closed descriptors")
        peer.send(TOGGLE)
        peer.read_until(b"OFF\r\n")
        assert b"PID: %d" % child in b"\n".join(server.greet()[1])
        assert processes.alive(child)
        peer.send(KILL)
    assert read_death(lab, peer).cause == b"The process was killed by signal 9"
    processes.wait_gone(child)


@cites("3/group killed", "3/setsid survives")
@pytest.mark.parametrize("way", ["exit 0\n", "\x18"], ids=["exit", "kill"])
def test_the_group_dies_with_the_child_but_not_other_sessions(lab: Lab, way: str) -> None:
    server = lab.start()
    peer = server.talk()
    same, other = (int(server.ask(peer, word)) for word in ("fork", "detach"))
    peer.send(way.encode())
    read_death(lab, peer)
    processes.wait_gone(same)
    goes_too = lab.many and way == KILL.decode()
    if goes_too:  # nothing of a console that was killed is left to hold its devices
        processes.wait_gone(other)
    else:
        assert processes.alive(other)


@cites("3/pty closed")
def test_pty_is_closed_with_the_childs_end(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    assert "/dev/ptmx" in processes.open_files(server.pid).values()
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    processes.wait_for(
        lambda: "/dev/ptmx" not in processes.open_files(server.pid).values(), "pty closed"
    )


@cites("3/session", "3/termios", "3/window size")
def test_child_leads_its_session_on_a_default_terminal(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    modes = json.loads(server.ask(peer, "modes"))
    assert modes.pop("ttyname").startswith("/dev/pts/")
    off = {name for name, value in modes.items() if not value}
    assert off == {"iutf8"}
    assert json.loads(server.ask(peer, "size")) == lab.among_many(
        alone=[0, 0], many=[24, 80], why="the size of a terminal that nobody has is configured"
    )


@cites("6/signal mask", "3/SIGHUP blocked")
def test_child_starts_with_clean_signals(lab: Lab) -> None:
    """procServ blocks HUP, PIPE and TERM in the child, and with -f ignores INT and QUIT."""
    server = lab.start(command=CAT)
    peer = server.attach()
    peer.send(b"up\n")
    peer.read_until(b"up\r\nup\r\n")
    child = server.child()
    blocked = {signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM}
    ignored = {signal.SIGINT, signal.SIGQUIT, signal.SIGXFSZ}
    nothing: set[signal.Signals] = set()
    assert processes.signal_set(child, "SigBlk") == lab.differs(
        procserv=blocked, ours=nothing, why="a child must be able to hear TERM"
    )
    assert processes.signal_set(child, "SigIgn") == lab.differs(
        procserv=ignored, ours=nothing, why="a child must be able to hear ^C"
    )


@cites("6/descriptors")
def test_child_has_only_its_terminal(lab: Lab) -> None:
    server = lab.start("-l", "unix:logs", "-L", "log", "--holdoff", "0")
    first = server.talk()
    first.send(b"exit 0\n")
    read_death(lab, first)
    read_start(first)
    peer = server.talk()
    found = json.loads(server.ask(peer, "fds"))
    assert {"0", "1", "2"} <= set(found)
    leaked = {name for name in found if int(name) > 2}
    assert bool(leaked) == lab.differs(
        procserv=True, ours=False, why="a surviving child would keep the port"
    )


@cites("3/^X ignored signal")
def test_kill_with_a_signal_that_the_child_ignores(lab: Lab) -> None:
    """No escalation: what was asked for is sent, nothing else."""
    server = lab.start("--killsig", "15")
    peer = server.talk()
    server.ask(peer, "ignore 15")
    peer.send(KILL + b"ping\n")
    assert b"@@@" not in peer.read_until(b"pong\r\n")


@cites("3/line discipline of ^C")
def test_interrupt_character_in_the_input(lab: Lab) -> None:
    """The pty turns ^C into SIGINT; under procServ -f the child was told to ignore it."""
    server = lab.start(command=CAT)
    peer = server.attach()
    peer.send(b"up\n")
    peer.read_until(b"up\r\nup\r\n")
    peer.send(b"\x03")
    if lab.ours:
        assert read_death(lab, peer).cause == b"The process was killed by signal 2"
    else:
        peer.send(b"alive\n")
        peer.read_until(b"alive\r\nalive\r\n")


@cites("3/^R delay")
def test_restart_by_one_client_is_seen_by_the_other(lab: Lab) -> None:
    server, peer = attach_raw(lab)
    other, _ = server.greet()
    peer.send(KILL)
    read_death(lab, other)
    peer.send(RESTART)
    assert read_start(other) == server.child()


def crash(lab: Lab) -> tuple[int, int]:
    """Kill a server that has a child which never reads; its child's pid and its port."""
    server = lab.start(endpoints=("0",), command=["/bin/sleep", "600"])
    child = server.child()
    processes.wait_for(
        lambda: Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"/bin/sleep\0"),
        "exec of sleep",
    )
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    return child, server.port()


@not_for_consoled("crash")
@cites("3/crash", "6/crash holds the port")
def test_child_does_not_outlive_a_crashed_server(lab: Lab) -> None:
    """The pty's hangup ends ours; under procServ HUP is blocked, and the orphan keeps the port."""
    child, port = crash(lab)
    if lab.ours:
        processes.wait_gone(child)
        again = lab.sibling("again").start(endpoints=(str(port),))
        assert again.port() == port
        return
    processes.wait_for(
        lambda: signal.SIGHUP in processes.signal_set(child, "ShdPnd"), "pending hangup"
    )
    assert processes.alive(child)
    done = lab.run("-f", "-P", str(port), *CAT)
    assert done.returncode == 98


@cites("3/oneshot leaves at once")
def test_oneshot_of_ours_does_not_linger(lab: Lab) -> None:
    """2.7 has none (see 1/-o absent); newer ones wait for the holdoff before they leave."""
    if not lab.ours:
        assert lab.run("--oneshot", "unix:ctl", *CAT).returncode == 1
        return
    server = lab.start("--oneshot", "-w")
    peer, _ = server.greet()
    peer.send(RESTART)
    read_start(peer)
    before = time.monotonic()
    peer.send(b"ping\nexit 3\n")
    if lab.many:
        assert read_death(lab, peer).fate == b"oneshot mode: it stays down"
        assert time.monotonic() - before < 2
        return
    assert b"server will exit" in peer.read_eof()
    assert server.wait() == 0
    assert time.monotonic() - before < 2
