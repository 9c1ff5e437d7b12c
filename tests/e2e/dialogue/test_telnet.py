"""Section 2.2: telnet on every endpoint, UNIX sockets included."""

from __future__ import annotations

import json
import re

import pexpect  # type: ignore[import-untyped]
import pytest

from support import processes
from support.servers import CAT, PROBE, RAW_ECHO, TELNET_OFFER, Lab, Server
from support.streams import Peer, StreamTimeoutError

from .helpers import attach_raw, cites, echoed

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SGA, TTYPE, NAWS, LINEMODE, BINARY = 1, 3, 24, 31, 34, 0
DO_NAWS = bytes([IAC, DO, NAWS])


def negotiated(lab: Lab, answers: bytes) -> bytes:
    """What a peer must hear after its first option: ours then also asks for the window size."""
    return lab.differs(
        procserv=answers, ours=DO_NAWS + answers, why="a telnet peer may tell its window size"
    )


def same_set(got: bytes, wanted: bytes) -> None:
    """Compare three-byte commands whatever their order."""
    assert sorted(got[i : i + 3] for i in range(0, len(got), 3)) == sorted(
        wanted[i : i + 3] for i in range(0, len(wanted), 3)
    ), (got, wanted)


@cites("2.2/out 0xFF doubled", "2.2/out raw", "2.2/log 0xFF single")
def test_bytes_to_clients_and_log(lab: Lab) -> None:
    server = lab.start("-L", "log")
    peer = server.talk()
    server.ask(peer, "raw")
    peer.send(rb"out \xff\x00\x1b[1m\xff\xff\x80\n" + b"\n")
    assert peer.read_until(b"\x80\n") == b"\xff\xff\x00\x1b[1m\xff\xff\xff\xff\x80\n"
    server.await_file("log", b"\xff\x00\x1b[1m\xff\xff\x80\n")


@cites("2.2/in IAC IAC", "2.2/in split")
def test_doubled_iac_from_the_client(lab: Lab) -> None:
    _, peer = attach_raw(lab)
    assert echoed(peer, b"a\xff\xffb") == b"<61><ff><62>"
    peer.send(b"c\xff")
    peer.read_until(b"<63>")
    assert echoed(peer, b"\xffd") == b"<ff><64>"
    peer.send(b"e\xff\xfa\x1f\x00")
    peer.read_until(b"<65>")
    assert echoed(peer, b"\x50\xff\xf0f").endswith(b"<66>")


COMMANDS = {"AYT": 246, "IP": 244, "BRK": 243, "EC": 247, "EL": 248, "NOP": 241, "DM": 242}


@cites("2.2/in commands swallowed")
def test_telnet_commands_have_no_effect(lab: Lab) -> None:
    _, peer = attach_raw(lab)
    interrupt = lab.among_many(
        alone=b"", many=b"<03>", why="the key that sends it shall interrupt, unless ^C is ignored"
    )
    for name, command in COMMANDS.items():
        typed = interrupt if name == "IP" else b""
        got = echoed(peer, b"a\xff" + bytes([command]) + b"b")
        assert got == b"<61>" + typed + b"<62>", name


@cites("2.2/in SB swallowed")
def test_subnegotiation_is_swallowed(lab: Lab) -> None:
    """Also with command characters inside, and with a doubled IAC."""
    _, peer = attach_raw(lab)
    body = bytes([LINEMODE, 3, 0x18, 0x14, IAC, IAC, 1])
    assert echoed(peer, b"a" + bytes([IAC, SB]) + body + bytes([IAC, SE]) + b"b") == b"<61><62>"


REFUSED = [
    (DO, SGA, WONT),
    (DO, BINARY, WONT),
    (DO, TTYPE, WONT),
    (WILL, TTYPE, DONT),
    (WILL, BINARY, DONT),
    (WILL, SGA, DONT),
    (DO, LINEMODE, WONT),
    (WILL, ECHO, DONT),
]


def answers(lab: Lab, *dialogues: list[tuple[int, int]]) -> list[list[bytes]]:
    """For each dialogue a new client; what it hears after each of its commands."""
    server, first = attach_raw(lab)
    heard = []
    for dialogue in dialogues:
        peer, _ = server.greet()
        heard.append([echoed(peer, bytes([IAC, *command])) for command in dialogue])
        peer.close()
        first.read_until(b"<7a>")
    return heard


@cites("2.2/refuses others")
def test_unknown_options_are_refused(lab: Lab) -> None:
    heard = answers(lab, *([(verb, option)] for verb, option, _ in REFUSED))
    for (_, option, answer), got in zip(REFUSED, heard, strict=True):
        same_set(got[0], negotiated(lab, bytes([IAC, answer, option])))


@cites("2.2/agreement is silent")
def test_agreement_is_answered_by_silence(lab: Lab) -> None:
    for got in answers(lab, [(DO, ECHO)], [(WILL, LINEMODE)]):
        assert got == [negotiated(lab, b"")]


@cites("2.2/disagreement")
def test_disagreement_is_confirmed(lab: Lab) -> None:
    """Withdrawn after agreement. As a first answer it is a refusal, see the next case."""
    echo, linemode = answers(lab, [(DO, ECHO), (DONT, ECHO)], [(WILL, LINEMODE), (WONT, LINEMODE)])
    assert echo == [negotiated(lab, b""), bytes([IAC, WONT, ECHO])]
    assert linemode == [negotiated(lab, b""), bytes([IAC, DONT, LINEMODE])]


@cites("2.2/silence on refusals")
def test_refusal_of_what_is_off_is_no_news(lab: Lab) -> None:
    refusals = [(DONT, SGA), (WONT, TTYPE), (DONT, ECHO), (WONT, LINEMODE)]
    for refusal, got in zip(refusals, answers(lab, *([r] for r in refusals)), strict=True):
        assert got == [negotiated(lab, b"")], refusal


@cites("2.2/NAWS")
@pytest.mark.parametrize(
    ("told", "seen"), [((97, 31), [31, 97]), ((0, 0), [0, 0]), ((65535, 65535), None)]
)
def test_window_size(lab: Lab, told: tuple[int, int], seen: list[int] | None) -> None:
    """procServ refuses it; in ours it reaches the pty, within reason."""
    server = lab.start()
    peer = server.talk()
    columns, lines = (value.to_bytes(2, "big").replace(b"\xff", b"\xff\xff") for value in told)
    peer.send(bytes([IAC, WILL, NAWS, IAC, SB, NAWS]) + columns + lines + bytes([IAC, SE]))
    size = json.loads(server.ask(peer, "size"))
    if not lab.ours:
        assert size == [0, 0]
    elif told == (0, 0) and lab.many:
        assert size == [24, 80]  # no size is no reason to forget the one that was configured
    elif seen is not None:
        assert size == seen
    else:
        assert all(100 <= value < 65535 for value in size)


@cites("2.2/NAWS")
def test_nobody_is_asked_for_a_window_size_who_never_spoke_telnet(lab: Lab) -> None:
    _, peer = attach_raw(lab)
    assert echoed(peer, b"") == b""


@cites("2.2/NUL dropped")
def test_nul_in_input(lab: Lab) -> None:
    """procServ drops every NUL; ours keeps it unless telnet put it behind a CR."""
    _, peer = attach_raw(lab)
    raw = lab.differs(
        procserv=b"<61><62><0d><63>",
        ours=b"<61><00><62><0d><00><63>",
        why="a raw peer's NUL is a key: ^@ or ^Space",
    )
    assert echoed(peer, b"a\0b\r\0c") == raw
    echoed(peer, bytes([IAC, DO, ECHO]))
    assert echoed(peer, b"d\r\0e") == b"<64><0d><65>"


@cites("2.2/CR LF")
def test_cr_lf_stays_two_bytes(lab: Lab) -> None:
    _, peer = attach_raw(lab)
    assert echoed(peer, b"\r\n\n\r") == b"<0d><0a><0a><0d>"
    echoed(peer, bytes([IAC, DO, ECHO]))
    assert echoed(peer, b"\r\n") == b"<0d><0a>"


@cites("2.2/NUL truncates")
def test_nul_when_every_command_is_disabled(lab: Lab) -> None:
    _, peer = attach_raw(lab, "-k", "", "--autorestartcmd", "")
    peer.send(b"ab\0cde")
    got = peer.read_until(re.compile(rb"(<..>){6}"))
    assert got == lab.differs(
        procserv=b"<61><62><00><00><00><00>",
        ours=b"<61><62><00><63><64><65>",
        why="procServ takes the packet for a C string",
    )


@cites("2.2/half close")
@pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])
def test_half_closed_client(lab: Lab, endpoint: str) -> None:
    """`echo command | nc -U ctl`: procServ hangs up, ours goes on telling."""
    server = lab.start(endpoints=(endpoint,))
    other = server.talk()
    peer, _ = server.greet()
    peer.send(b"ping\n")
    peer.half_close()
    if lab.ours:
        peer.read_until(b"pong\r\n")
        other.send(b"out later\\n\n")
        peer.read_until(b"later\r\n")
    else:
        peer.read_eof()
        other.read_until(b"pong\r\n")  # the command was delivered


@cites("2.2/option storm")
def test_option_storm_of_one_peer_leaves_the_others_alone(lab: Lab) -> None:
    server = lab.start()
    good = server.talk()
    storm, _ = server.greet()
    storm.sock.setblocking(False)
    sent = 0
    try:
        for _ in range(20):
            sent += storm.sock.send(1000 * bytes([IAC, DO, SGA]))
    except BlockingIOError:
        pass
    assert sent > 0
    good.send(b"ping\n")
    if lab.ours:
        good.read_until(b"pong\r\n")
    else:  # every answer is a blocking write of three bytes to a peer that does not read
        with pytest.raises(StreamTimeoutError):
            good.read_until(b"pong\r\n", timeout=1.0)


@cites("2.2/repeated requests")
def test_a_repeated_request_is_refused_again(lab: Lab) -> None:
    _, peer = attach_raw(lab)
    refusal = bytes([IAC, WONT, SGA])
    same_set(echoed(peer, bytes([IAC, DO, SGA])), negotiated(lab, refusal))
    assert echoed(peer, bytes([IAC, DO, SGA])) == refusal


def telnet(lab: Lab, server: Server) -> pexpect.spawn:
    """Linux telnet on a terminal of 31 lines and 97 columns, ended with the lab."""
    return pexpect.spawn(
        "telnet",
        ["127.0.0.1", str(server.port())],
        env=lab.environ({}),
        dimensions=(31, 97),
        timeout=10,
    )


@cites("2.2/telnet client")
def test_linux_telnet_works_in_character_mode(lab: Lab) -> None:
    """^C ^D ^Q arrive as bytes; only ^] is telnet's own."""
    server = lab.start(command=RAW_ECHO, endpoints=("0",))
    server.attach()
    client = telnet(lab, server)
    client.expect_exact("Escape character is '^]'.")
    client.expect_exact("connected (plus you)")
    client.send("~")
    client.expect_exact("<7e>")
    client.send("\x03\x04\x11\x1a")
    client.expect_exact("<03><04><11><1a>")
    client.send("\r")
    client.expect_exact("<0d>")
    client.send("\x1d")
    client.expect_exact("telnet> ")
    client.close(force=True)


@cites("2.2/telnet client", "2.2/NAWS")
def test_linux_telnet_and_the_window_size(lab: Lab) -> None:
    server = lab.start(command=PROBE, endpoints=("0",))
    server.talk()
    client = telnet(lab, server)
    client.expect_exact("connected (plus you)")
    wanted = lab.differs(procserv=b"[0, 0]", ours=b"[31, 97]", why="NAWS")

    def size() -> bool:
        client.send("size\r")
        client.expect(rb"<<(\[\d+, \d+\])>>")
        return bool(client.match[1] == wanted)

    processes.wait_for(size, f"window size {wanted!r}")
    client.close(force=True)


@cites("2.2/UNIX sockets too", "1.1/unix path")
def test_telnet_rules_hold_on_tcp_as_on_unix_sockets(lab: Lab) -> None:
    server = lab.start(endpoints=("0", "unix:ctl"), command=CAT)
    server.child()
    for index in (0, 1):
        peer: Peer = server.connect(index)
        assert peer.read_until(TELNET_OFFER).endswith(TELNET_OFFER)
        peer.send(b"a\xff\xf6b\n")
        assert peer.read_until(b"ab\r\nab\r\n") == b"ab\r\nab\r\n"
