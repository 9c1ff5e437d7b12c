"""Section 2.5: the read-only endpoint."""

from __future__ import annotations

import re

from support.servers import KILL, TOGGLE, Lab

from .helpers import cites, read_death


@cites("2.5/input ignored", "1/-l read-only")
def test_log_clients_have_no_say(lab: Lab) -> None:
    server = lab.start("-l", "unix:logs", "-x", "^Z")
    peer = server.talk()
    logger, _ = server.greet(1)
    logger.send(b"out intruder\\n\n" + KILL + TOGGLE + b"\x1a")
    peer.send(b"out owner\\n\n")
    heard = peer.read_until(b"owner\r\n")
    assert b"intruder" not in heard
    assert b"@@@" not in heard
    peer.send(TOGGLE)  # were the log client's toggle obeyed, this would be ON
    assert logger.read_until(lab.toggled(b"OFF"))


@cites("2.5/receives everything")
def test_log_clients_hear_what_control_clients_hear(lab: Lab) -> None:
    server = lab.start("-l", "unix:logs", "--holdoff", "0")
    peer = server.talk()
    other, _ = server.greet()
    logger, _ = server.greet(1)
    peer.send(rb"out \xffbinary\x00\r\n" + b"\n" + len(lab.ring) * TOGGLE + b"exit 5\n")
    deaths = [read_death(lab, hearer) for hearer in (other, logger)]
    assert deaths[0] == deaths[1]
    ends = [hearer.read_until(re.compile(rb"is: \d+\r\n")) for hearer in (other, logger)]
    assert ends[0] == ends[1]


@cites("2.5/stamped", "2.5/own line state")
def test_log_clients_get_stamps_and_control_clients_do_not(lab: Lab) -> None:
    """The first stamp comes when a client joins, even in the middle of a line."""
    server = lab.start("-l", "unix:logs", "--logstamp=<S>")
    peer = server.talk()
    peer.send(b"out half\n")
    peer.read_until(b"\r\nhalf")
    logger, _ = server.greet(1)
    peer.send(rb"out -line\nnext\n" + b"\n")
    plain = peer.read_until(b"next\r\n")
    assert b"<S>" not in plain
    stamped = logger.read_until(b"next\r\n")
    if lab.many:  # an endpoint for watching is no log: only the file has stamps
        assert stamped.endswith(b"-line\r\nnext\r\n")
        assert b"<S>" not in stamped
        return
    lines = stamped.split(b"\r\n")[:-1]
    assert all(line.startswith(b"<S>") for line in lines), stamped
    assert stamped.count(b"<S>") == len(lines)
