"""Section 3: signals to the server."""

from __future__ import annotations

import signal

import pytest

from support import processes
from support.servers import CAT, KILL, Lab, find_kind

from .helpers import cites, read_death, took
from .scope import not_for_consoled


@cites("3/SIGTERM grace")
def test_sigterm_with_a_killsig_that_the_child_handles(lab: Lab) -> None:
    """procServ follows up with SIGKILL at once; ours lets the child tidy up."""
    server = lab.start("--killsig", "15")
    peer = server.talk()
    child = server.child()
    server.ask(peer, "trap 15 got")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    processes.wait_gone(child)
    if lab.ours:
        assert (lab.dir / "got").read_text() == "15"
        assert b"Normal exit status = 7" in peer.read_eof()


@cites("3/SIGTERM escalation")
@pytest.mark.parametrize("grace", [1, None], ids=["given", "default"])
def test_sigterm_with_a_child_that_ignores_the_killsig(lab: Lab, grace: int | None) -> None:
    """procServ gives no time; ours --grace-period, 5 s when not told, consoled 10 s."""
    option = ["--grace-period", str(grace)] if lab.ours and grace else []
    server = lab.start("--killsig", "15", *option)
    peer = server.talk()
    child = server.child()
    server.ask(peer, "ignore 15")
    server.signal(signal.SIGTERM)
    default = lab.among_many(alone=5, many=10, why="an IOC that saves its state may need it")
    seconds = took(lambda: server.wait(timeout=default + 3))
    processes.wait_gone(child)
    least = lab.differs(procserv=0.0, ours=0.9 * (grace or default), why="time to tidy up")
    assert least <= seconds < least + 1.5


@cites("3/SIGTERM escalation")
def test_sigterm_with_killsig_9_needs_no_grace(lab: Lab) -> None:
    server = lab.start()
    server.talk()
    server.signal(signal.SIGTERM)
    assert took(server.wait) < 1.5


@cites("3/SIGTERM kills the group")
def test_sigterm_takes_the_childs_group_along(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    same = int(server.ask(peer, "fork"))
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    processes.wait_gone(same)


@not_for_consoled("signals")
@cites("3/SIGINT", "1/-f signals ignored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["INT", "QUIT"])
@pytest.mark.parametrize("mode", ["foreground", "debug", "daemon"])
def test_interrupt_and_quit(lab: Lab, number: signal.Signals, mode: str) -> None:
    """Ignored with -f. Else procServ dies and leaves everything; ours takes them as SIGTERM."""
    server = lab.start(mode=mode)
    peer = server.talk()
    child = server.child()
    server.signal(number)
    if mode == "foreground":
        peer.send(b"ping\n")
        peer.read_until(b"pong\r\n")
        assert server.running()
        return
    assert server.wait() == lab.differs(procserv=-number, ours=0, why="they act as SIGTERM")
    assert (lab.dir / "ctl").exists() != lab.ours
    assert (lab.dir / "info").exists() != lab.ours
    if lab.ours:
        processes.wait_gone(child)


@not_for_consoled("signals")
@cites("3/other signals")
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGALRM], ids=["USR1", "ALRM"])
def test_signals_that_nobody_asked_for(lab: Lab, number: signal.Signals) -> None:
    """The default of the system: the server dies and says so in its status."""
    server = lab.start(command=CAT)
    server.attach()
    server.signal(number)
    assert server.wait() == -number


@cites("3/SIGPIPE")
def test_a_client_that_vanishes_while_it_is_written_to(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    for _ in range(5):
        gone = server.connect()
        gone.close()
    peer.send(b"ping\n")
    peer.read_until(b"pong\r\n")


@cites("3/SIGHUP without log")
def test_hangup_without_a_log_does_nothing(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    child = server.child()
    server.signal(signal.SIGHUP)
    peer.send(b"ping\n")
    peer.read_until(b"pong\r\n")
    assert server.child() == child


@cites("3/children that ignore HUP")
def test_kill_signal_hangup(lab: Lab) -> None:
    """A killsig that procServ's child has blocked never arrives; a child of ours hears it."""
    server = lab.start("--killsig", "1", command=CAT)
    peer = server.attach()
    peer.send(b"up\n")
    peer.read_until(b"up\r\nup\r\n")
    peer.send(KILL)
    if lab.ours:
        assert read_death(lab, peer).cause == b"The process was killed by signal 1"
    else:
        peer.send(b"alive\n")
        peer.read_until(b"alive\r\nalive\r\n")


OUR_ENDS = [("exit 3", 3), ("exit 0", 0), ("die 9", 137)]


@not_for_consoled("one child")
@cites("0/exit code of 2.8")
@pytest.mark.parametrize(("end", "code"), OUR_ENDS)
def test_oneshot_exit_code_in_the_newer_profile(lab: Lab, end: str, code: int) -> None:
    """Only ours has profiles; Debian's 2.7.0 says what it is and that is the case here."""
    if not lab.ours:
        assert lab.run("-V").stdout == b"procServ Process Server 2.7.0\n"
        return
    server = lab.start("--oneshot", compat="2.8")
    assert find_kind("ours", "2.8").argv == server.kind.argv
    peer = server.talk()
    peer.send(end.encode() + b"\n")
    assert server.wait(timeout=5) == code
