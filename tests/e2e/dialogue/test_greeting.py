"""Section 2.1: what a new connection is told."""

from __future__ import annotations

import re

import pytest

from support.servers import CAT, KILL, TELNET_OFFER, TOGGLE, Lab

from .helpers import cites, read_death, read_up
from .scope import not_for_consoled

DATE = rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"
WELCOME = rb"@@@ Welcome to procServ \(procServ Process Server 2\.7\.0\)"
USE = rb"@@@ Use \^X to kill the child, auto restart is ON, use \^T to toggle auto restart"
HINT_LINE = rb"@@@ \^R or \^X restarts the child, \^Q "


def identity(lab: Lab, server: int, child: int | None) -> list[bytes]:
    """The lines that control and log connections have in common, as patterns."""
    here = re.escape(bytes(lab.dir))
    started = lab.among_many(alone=here, many=b"/", why="it serves many and stands nowhere")
    lines = [
        rb"@@@ procServ server PID: %d" % server,
        rb"@@@ Server startup directory: " + started,
        rb"@@@ Child startup directory: " + here,
        rb'@@@ Child "ioc" started as: /bin/cat',
        rb'@@@ Child "ioc" PID: %d' % child if child else rb'@@@ Child "ioc" is SHUT DOWN',
        rb"@@@ procServ server started at: " + DATE,
    ]
    return lines + ([rb'@@@ Child "ioc" started at: ' + DATE] if child else [])


def assert_lines(got: list[bytes], wanted: list[bytes]) -> None:
    """Compare a greeting with patterns, line by line, nothing more and nothing less."""
    assert got[-1] == b""
    for line, pattern in zip(got[:-1], wanted, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


@cites("2.1/line order", "2.1/running", "2.1/started at", "2.1/CR LF", "2.1/name", "0/wording")
@pytest.mark.parametrize("logout", [[], ["-x", "^Z"]], ids=["plain", "logout"])
def test_greeting_of_a_running_child(lab: Lab, logout: list[str]) -> None:
    server = lab.start("-n", "ioc", *logout, command=CAT)
    child = server.child()
    wanted = [lab.says(WELCOME), lab.says(USE)]
    wanted += [rb"@@@ Use \^Z to logout from procServ server"] if logout else []
    wanted += identity(lab, server.pid, child)
    wanted += [rb"@@@ 0 user\(s\) and 0 logger\(s\) connected \(plus you\)"]
    assert_lines(server.greet()[1], wanted)


@cites("2.1/down", "2.1/hint", "2.1/never started looks as killed")
@pytest.mark.parametrize("logout", [[], ["-x", "^Z"]], ids=["plain", "logout"])
def test_greeting_while_down(lab: Lab, logout: list[str]) -> None:
    """Never started and killed must look the same."""
    server = lab.start("-n", "ioc", "-w", *logout, command=CAT)
    peer, before = server.greet()
    peer.send(b"\x12")
    read_up(peer)
    peer.send(KILL)
    read_death(lab, peer)
    peer.close()
    wanted = [lab.says(WELCOME), lab.says(USE)]
    wanted += [rb"@@@ Use \^Z to logout from procServ server"] if logout else []
    wanted += identity(lab, server.pid, None)
    wanted += [rb"@@@ [01] user\(s\) and 0 logger\(s\) connected \(plus you\)"]
    wanted += [HINT_LINE + lab.quitting + (rb", \^Z closes this connection" if logout else b"")]
    after = server.greet()[1]
    assert_lines(before, wanted)
    assert_lines(after, wanted)


@cites("2.1/telnet bytes last", "2.1/no history")
@pytest.mark.parametrize("index", [0, 1], ids=["control", "log"])
def test_telnet_bytes_end_the_greeting_and_nothing_is_replayed(lab: Lab, index: int) -> None:
    server = lab.start("-l", "unix:log")
    talker = server.talk()
    peer = server.connect(index)
    greeting = peer.read_until(TELNET_OFFER)
    assert greeting.count(b"\xff") == 2
    assert b"ping" not in greeting
    talker.send(b"out now\\n\n")
    assert peer.read_until(b"now\\n\r\n") == b"out now\\n\r\n"


@cites("2.1/log connection")
def test_greeting_of_a_log_connection(lab: Lab) -> None:
    server = lab.start("-n", "ioc", "-l", "unix:log", command=CAT)
    child = server.child()
    assert_lines(server.greet(1)[1], identity(lab, server.pid, child))


@cites("2.1/log connection down")
def test_greeting_of_a_log_connection_while_down(lab: Lab) -> None:
    server = lab.start("-n", "ioc", "-w", "-l", "unix:log", command=CAT)
    assert_lines(server.greet(1)[1], [*identity(lab, server.pid, None), HINT_LINE + lab.quitting])


@cites("2.1/counts")
def test_counts_leave_the_newcomer_out(lab: Lab) -> None:
    server = lab.start("-l", "unix:log")
    first = server.attach()
    log, _ = server.greet(1)
    line = rb"@@@ %d user(s) and %d logger(s) connected (plus you)"
    peer, lines = server.greet()
    assert line % (1, 1) in lines
    log.close()
    peer.close()
    first.send(b"ping\n")
    first.read_until(b"pong\r\n")
    greeting = b""
    for _ in range(50):  # the server learns of a close when it gets round to it
        probe, lines = server.greet()
        probe.close()
        greeting = b"\n".join(lines)
        if line % (1, 0) in greeting:
            break
    assert line % (1, 0) in greeting


@cites("2.1/mode", "0/toggle cycle")
def test_mode_in_the_second_line_and_the_ring_of_the_toggle(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    for mode in (*lab.ring, b"OFF"):
        peer.send(TOGGLE)
        assert peer.read_until(mode + b"\r\n") == lab.toggled(mode)
        assert lab.says(b" auto restart is %s, use " % mode) in server.greet()[1][1]


@cites("2.1/all disabled")
def test_second_line_with_everything_disabled(lab: Lab) -> None:
    server = lab.start("-k", "", "--autorestartcmd", "", "--noautorestart")
    assert server.greet()[1][1] == lab.says(
        b"@@@ Kill command disabled, auto restart is OFF, auto restart toggle disabled"
    )


@not_for_consoled("names")
@cites("2.1/long names")
def test_long_names_are_not_cut(lab: Lab) -> None:
    """procServ has fixed buffers: a name of 200 letters loses the line end of its line."""
    name = 200 * "n"
    server = lab.start("-n", name, command=CAT)
    child = server.child()
    peer = server.connect()
    text = peer.read_until(TELNET_OFFER)
    whole = b'@@@ Child "%s" PID: %d\r\n' % (name.encode(), child)
    assert (whole in text) == lab.ours
    if lab.ours:
        assert b'@@@ Child "%s" started as: /bin/cat\r\n' % name.encode() in text
        peer.send(KILL)
        read_death(lab, peer)
        peer.send(b"\x12")
        peer.read_until(b'@@@ Restarting child "%s"\r\n' % name.encode())


@not_for_consoled("short paths")
@cites("2.1/long directories")
def test_long_directories_are_not_cut(lab: Lab) -> None:
    deep = lab.dir
    for _ in range(3):
        deep /= 100 * "d"
    deep.mkdir(parents=True)
    inner = Lab(lab.kind, deep)
    inner.mark = lab.mark
    server = inner.start("-n", "ioc", command=CAT)
    lab.adopt(server)
    server.child()
    text = server.connect().read_until(TELNET_OFFER)
    whole = b'@@@ Child "ioc" started as: /bin/cat\r\n'
    if not lab.ours:
        assert whole not in text
    else:
        assert whole in text
        assert b"@@@ Child startup directory: %s\r\n" % bytes(deep) in text


@cites("2.1/long time format")
def test_long_time_formats_are_not_lost(lab: Lab) -> None:
    """procServ cuts a time at 30 letters."""
    server = lab.start("--timefmt", "%Y" + 60 * "t")
    _, lines = server.greet()
    line = next(line for line in lines if b"server started at" in line)
    letters = lab.differs(procserv=26, ours=60, why="what was asked for is shown")
    assert re.fullmatch(rb"@@@ procServ server started at: \d{4}t{%d}" % letters, line)
