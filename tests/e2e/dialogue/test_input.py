"""Section 2.3: what becomes of the bytes that clients send."""

from __future__ import annotations

import re

import pytest

from support.servers import CAT, KILL, QUIT, RESTART, TOGGLE, Lab

from .helpers import attach_raw, cites, echoed, hexed, read_death, read_start, took

STOPPED = b'\r\n@@@ Console "nameless" is stopped, ^R or ^X starts it again\r\n'
"""What ^Q does to one console of many: the others need their server."""


@cites("2.3/commands removed", "2.3/^R ^Q forwarded", "2.3/^R up", "2.3/^Q up")
def test_command_characters_never_reach_the_child_but_restart_and_quit_do(lab: Lab) -> None:
    _, peer = attach_raw(lab, "-x", "^Z")
    got = echoed(peer, b"a" + RESTART + b"b" + QUIT + b"c")
    assert got == hexed(b"a" + RESTART + b"b" + QUIT + b"c")
    got = echoed(peer, b"d" + TOGGLE + b"e" + TOGGLE + b"f")
    for mode in lab.ring:
        got = got.replace(lab.toggled(mode), b"")
    assert got == hexed(b"def")


@cites("2.3/toggle", "2.4/toggle text")
def test_toggle_is_told_to_all_clients_and_the_log(lab: Lab) -> None:
    server = lab.start("-L", "log", "-l", "unix:logs")
    peer = server.talk()
    other, _ = server.greet()
    logger, _ = server.greet(1)
    peer.send(TOGGLE)
    line = lab.toggled(b"OFF")
    for hearer in (peer, other, logger):
        assert hearer.read_until(b"OFF\r\n") == line
    assert server.await_file("log", b"OFF\r\n").endswith(line)


@cites("2.3/commands in order")
def test_two_toggles_in_one_packet_are_two_toggles(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    peer.send(TOGGLE + TOGGLE)
    first, second = (lab.toggled(mode) for mode in lab.ring[:2])
    assert peer.read_until(second) == first + second


@cites("2.3/down discards")
def test_input_while_down_is_lost(lab: Lab) -> None:
    server = lab.start("-w", command=CAT)
    peer, _ = server.greet()
    peer.send(b"lost\n")
    peer.send(TOGGLE)
    peer.read_until(b"OFF\r\n")
    peer.send(RESTART)
    read_start(peer)
    peer.send(b"found\n")
    assert peer.read_until(b"found\r\nfound\r\n") == b"found\r\nfound\r\n"


@cites("2.3/not copied")
def test_input_is_seen_by_others_as_echo_only(lab: Lab) -> None:
    server = lab.start("-L", "log")
    peer = server.talk()
    other, _ = server.greet()
    server.ask(peer, "raw")  # raw mode: no echo
    other.read_until(b">>\n")
    peer.send(b"secret\n" + b"out done\\n\n")
    assert other.read_until(b"done\n") == b"done\n"
    content = server.await_file("log", b"done\n")
    assert b"secret" not in content


@cites("2.3/logout does not cut")
def test_the_rest_of_a_packet_after_logout_reaches_the_child(lab: Lab) -> None:
    server = lab.start("-x", "^Z")
    other = server.talk()
    peer, _ = server.greet()
    peer.send(b"\x1aout last words\\n\n")
    assert peer.read_eof() == b""
    other.read_until(b"last words\\n\r\n")


@cites("2.3/read size", "2.3/logout does not cut")
def test_a_packet_is_what_one_read_gives(lab: Lab) -> None:
    """procServ reads 1599 bytes at a time; what comes after a logout in the next is lost."""
    server, other = attach_raw(lab, "-x", "^Z")
    peer, _ = server.greet()
    peer.send(b"\x1a" + 3000 * b"y")
    other.read_until(re.compile(rb"(<79>){1598}"))
    peer.read_eof()
    more = echoed(other, b"").count(b"<79>")
    assert more == 0 if not lab.ours else more in (0, 3000 - 1598)


@cites("2.3/interleave")
def test_packets_of_two_clients_stay_whole(lab: Lab) -> None:
    server, one = attach_raw(lab)
    two, _ = server.greet()
    for _ in range(20):
        one.send(b"<aaaaaaaa>")
        two.send(b"(bbbbbbbb)")
    mine, theirs = hexed(b"<aaaaaaaa>"), hexed(b"(bbbbbbbb)")
    both = re.compile(rb"(?:%s|%s){40}" % (re.escape(mine), re.escape(theirs)))
    got = one.read_until(both)
    assert got.count(mine) == got.count(theirs) == 20


@cites("2.3/kill up", "3/^X", "0/no kill notice")
def test_kill_sends_the_signal_to_the_childs_group(lab: Lab) -> None:
    server = lab.start("-n", "ioc")
    peer = server.talk()
    peer.send(KILL)
    death = read_death(lab, peer)
    assert death.before == b""
    assert death.cause == b"The process was killed by signal 9"


@cites("2.3/kill down", "1/-w")
def test_kill_key_starts_a_child_that_is_down(lab: Lab) -> None:
    server = lab.start("-w")
    peer, _ = server.greet()
    peer.send(KILL)
    read_start(peer)


@cites("2.3/^R down", "3/^R delay")
@pytest.mark.parametrize("mode", ["on", "off"])
def test_restart_key_ignores_holdoff_and_mode(lab: Lab, mode: str) -> None:
    """procServ needs 0.5 s of silence first; ours starts at once."""
    server = lab.start(*([] if mode == "on" else ["--noautorestart"]))
    peer = server.talk()
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    peer.send(RESTART)
    seconds = took(lambda: read_start(peer))
    if lab.ours:
        assert seconds < 0.4
    else:
        assert 0.4 < seconds < 3


@cites("2.3/^Q down")
def test_quit_ends_the_server_when_the_child_is_down(lab: Lab) -> None:
    server = lab.start(*([] if lab.many else ["-w"]))
    peer, _ = server.greet()
    other, _ = server.greet()
    if lab.many:
        server.talk().send(b"exit 0\n")
        read_death(lab, peer)
        read_death(lab, other)
    peer.send(QUIT)
    if lab.many:
        assert peer.read_until(STOPPED) == other.read_until(STOPPED) == STOPPED
        peer.send(RESTART)
        read_start(peer)
        return
    assert peer.read_eof() == other.read_eof() == b""
    assert server.wait() == 0
    assert not (lab.dir / "ctl").exists()


@cites("2.3/^X^Q in one packet")
def test_kill_and_quit_in_one_packet_do_not_quit(lab: Lab) -> None:
    """The child still exists when ^Q is read; it goes to the child and dies with it."""
    server = lab.start()
    peer = server.talk()
    peer.send(KILL + QUIT)
    read_death(lab, peer)
    peer.send(TOGGLE)
    peer.read_until(b"OFF\r\n")
    assert server.running()


@cites("2.3/^X then ^Q")
def test_kill_then_quit_is_reliable(lab: Lab) -> None:
    """Even without holdoff: ours waits 2 s before it restarts after a typed ^X."""
    server = lab.start("--holdoff", "0", "-n", "ioc")
    peer = server.talk()
    peer.send(KILL)
    read_death(lab, peer)
    if lab.ours:
        peer.drain(1.0)
        peer.send(QUIT)
        if lab.many:
            peer.read_until(STOPPED.replace(b"nameless", b"ioc"))
            peer.drain(1.5)  # the window is over by then, and the holdoff is none
            assert any(b"SHUT DOWN" in line for line in server.greet()[1])
            return
        assert peer.read_eof() == b""
        assert server.wait() == 0
    else:
        assert took(lambda: read_start(peer)) < 1.5  # the window for ^Q is 0.5 s


@cites("2.3/kill window")
def test_kill_window_ends_and_is_no_holdoff(lab: Lab) -> None:
    server = lab.start("--holdoff", "0")
    peer = server.talk()
    peer.send(KILL)
    read_death(lab, peer)
    seconds = took(lambda: read_start(peer))
    if lab.ours:
        assert 1.8 < seconds < 2.6
    else:
        assert seconds < 1.5
    peer.send(b"ping\nexit 0\n")
    read_death(lab, peer)
    limit = lab.differs(procserv=1.5, ours=0.4, why="only a typed kill opens the window")
    assert took(lambda: read_start(peer)) < limit
    peer.send(b"ping\n")
    peer.read_until(b"pong\r\n")
    peer.send(KILL)
    read_death(lab, peer)
    peer.send(RESTART)
    assert took(lambda: read_start(peer)) < limit


@cites("2.3/double kill")
def test_double_kill_restarts_even_in_mode_off(lab: Lab) -> None:
    server = lab.start("--noautorestart")
    peer = server.talk()
    peer.send(KILL)
    assert read_death(lab, peer).fate == b"auto restart is disabled"
    peer.send(KILL)
    read_start(peer)
