"""Section 1: the characters of -i, -k, -x and --autorestartcmd."""

from __future__ import annotations

import pytest

from support.servers import CAT, KILL, QUIT, RAW_ECHO, TOGGLE, Lab

from .helpers import (
    attach_raw,
    cites,
    echoed,
    hexed,
    raw_client,
    read_death,
    read_start,
    read_up,
)

ASKED = b"^]cC[\\_@\x03\x04\x1b\x1c\x1d\x1f"
"""Every character that some reading of the caret forms might drop; NUL is asked elsewhere."""


def dropped(lab: Lab, forms: list[str]) -> dict[str, bytes]:
    """Which of ASKED a server drops for each argument of -i; all servers at the same time."""
    servers = [
        lab.sibling(f"i{n}").start("-i", forms[n], command=RAW_ECHO) for n in range(len(forms))
    ]
    found = {}
    for ignore, server in zip(forms, servers, strict=True):
        peer = raw_client(server)
        got = echoed(peer, ASKED)
        found[ignore] = bytes(byte for byte in ASKED if b"<%02x>" % byte not in got)
    return found


@cites("1/-i letters")
def test_ignore_upper_case_control_letters(lab: Lab) -> None:
    assert dropped(lab, ["^D^C"]) == {"^D^C": b"\x03\x04"}


@cites("1/-i ^]", "1/-i caret forms")
def test_ignore_forms(lab: Lab) -> None:
    """procServ knows ^A to ^Z and ^^ only; the common -i ^D^C^] drops a bracket there."""
    both = {"^^": b"^", "C^": b"^C", "": b"", "c]": b"]c"}
    procserv = {"^D^C^]": b"^]\x03\x04", "^c": b"^c", "^[": b"^[", "^\\": b"^\\", "^_": b"^_"}
    ours = {"^D^C^]": b"\x03\x04\x1d", "^c": b"\x03", "^[": b"\x1b", "^\\": b"\x1c", "^_": b"\x1f"}
    special = lab.differs(procserv=procserv, ours=ours, why="all control characters are known")
    wanted = {**both, **special}
    got = dropped(lab, list(wanted))
    assert {form: set(value) for form, value in got.items()} == {
        form: set(value) for form, value in wanted.items()
    }


@cites("1/-i caret forms")
def test_ignore_nul(lab: Lab) -> None:
    """procServ reads the two characters and drops NUL in any case; ours drops what was asked."""
    _, peer = attach_raw(lab, "-i", "^@")
    wanted = lab.differs(procserv=b"ab", ours=b"a^b@", why="^@ means NUL")
    assert echoed(peer, b"a^\0b@") == hexed(wanted)


KEYS = [
    ("^Y", b"^Y", b"^Y"),
    ("^^", b"^", b"^"),
    ("^", b"^", b"^"),
    ("x", b"x", b"x"),
    ("xy", b"x", b"x"),
    ("^x", b"^", b"^X"),
    ("^]", b"^", b"^]"),
    ("^[", b"^", b"^["),
    ("^\\", b"^", b"^\\"),
]


@cites("1/-k", "2.1/display of keys")
def test_kill_keys_are_shown_and_work(lab: Lab) -> None:
    """All servers at the same time: each step of procServ's takes half a second."""
    talks = []
    one_key = lab.among_many(alone=KEYS, many=[k for k in KEYS if k[0] != "xy"], why="refused")
    for number, (key, procserv, ours) in enumerate(one_key):
        server = lab.sibling(f"k{number}").start(
            "-k", key, "-w", "--autorestartcmd", "^E", command=CAT
        )
        peer, lines = server.greet()
        shown = lab.differs(procserv=procserv, ours=ours, why="all control characters are known")
        assert lines[1].startswith(b"@@@ Use " + shown + b" to kill the child, ")
        assert lines[-2] == b"@@@ ^R or " + shown + b" restarts the child, ^Q " + lab.quitting
        byte = shown if len(shown) == 1 else bytes([shown[1] - 64])
        peer.send(byte)
        talks.append((peer, byte))
    for peer, byte in talks:
        read_up(peer)
        peer.send(byte)
    for peer, _ in talks:
        read_death(lab, peer)


@cites("1/--autorestartcmd", "2.3/toggle")
@pytest.mark.parametrize(("key", "shown", "byte"), [("^T", b"^T", b"\x14"), ("!", b"!", b"!")])
def test_toggle_key(lab: Lab, key: str, shown: bytes, byte: bytes) -> None:
    server = lab.start("--autorestartcmd", key, command=CAT)
    server.child()
    peer, lines = server.greet()
    assert lines[1].endswith(
        lab.says(b"auto restart is ON, use ") + shown + b" to toggle auto restart"
    )
    peer.send(byte)
    assert peer.read_until(b"OFF\r\n") == lab.toggled(b"OFF")
    assert server.greet()[1][1].endswith(
        lab.says(b"auto restart is OFF, use ") + shown + b" to toggle auto restart"
    )
    for mode in lab.ring[1:]:
        peer.send(byte)
        assert peer.read_until(mode + b"\r\n") == lab.toggled(mode)


@cites("1/--autorestartcmd lower case")
def test_toggle_key_lower_case(lab: Lab) -> None:
    server = lab.start("--autorestartcmd", "^e")
    _, lines = server.greet()
    shown = lab.differs(procserv=b"^", ours=b"^E", why="case does not matter after a caret")
    assert lines[1].endswith(b"use " + shown + b" to toggle auto restart")


@cites("1/--autorestartcmd empty", "2.1/toggle disabled")
def test_toggle_disabled(lab: Lab) -> None:
    server, peer = attach_raw(lab, "--autorestartcmd", "")
    assert server.greet()[1][1] == lab.says(
        b"@@@ Use ^X to kill the child, auto restart is ON, auto restart toggle disabled"
    )
    assert echoed(peer, TOGGLE) == b"<14>"


@cites("1/-k empty", "2.1/kill disabled")
def test_kill_disabled(lab: Lab) -> None:
    server, peer = attach_raw(lab, "-k", "")
    assert server.greet()[1][1] == lab.says(
        b"@@@ Kill command disabled, auto restart is ON, use ^T to toggle auto restart"
    )
    assert echoed(peer, KILL) == b"<18>"


@cites("2.1/hint cut at NUL")
@pytest.mark.parametrize("logout", [[], ["-x", "^Z"]])
def test_hint_with_kill_disabled(lab: Lab, logout: list[str]) -> None:
    server = lab.start("-w", "-k", "", *logout)
    peer, lines = server.greet()
    hint = lab.differs(
        procserv=b"@@@ ^R or ",
        ours=b"@@@ ^R restarts the child, ^Q " + lab.quitting,
        why="procServ cuts the line at the disabled character, a NUL",
    )
    if logout:
        hint += b", ^Z closes this connection"
    assert lines[-2] == hint
    peer.send(b"\x12")
    read_start(peer)
    peer.send(b"ping\nexit 0\n")
    assert read_death(lab, peer).hint == hint + b"\r\n"


@cites("1/-x", "2.1/logout line", "2.3/logout")
def test_logout_closes_the_senders_connection_only(lab: Lab) -> None:
    server = lab.start("-x", "^Z")
    other = server.talk()
    peer, lines = server.greet()
    assert lines[2] == b"@@@ Use ^Z to logout from procServ server"
    peer.send(b"\x1a")
    assert peer.read_eof() == b""
    other.send(b"ping\n")
    other.read_until(b"pong\r\n")


@cites("1/-x lower case")
def test_logout_key_lower_case(lab: Lab) -> None:
    server = lab.start("-x", "^d")
    shown = lab.differs(procserv=b"^", ours=b"^D", why="case does not matter after a caret")
    assert server.greet()[1][2] == b"@@@ Use " + shown + b" to logout from procServ server"


@cites("2.3/logout on ^Q")
def test_quit_key_as_logout_key(lab: Lab) -> None:
    """procServ would do both when the child is down; ours only logs out, as it says."""
    server = lab.start("-x", "^Q", "-w")
    peer, _ = server.greet()
    peer.send(QUIT)
    assert peer.read_eof() == b""
    if lab.ours:
        other, _ = server.greet()
        other.send(TOGGLE)
        other.read_until(b"OFF\r\n")
    else:
        assert server.wait() == 0
