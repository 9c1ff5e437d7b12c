"""The telnet codec, word for word; the answers were read off procServ 2.7.0.

Dialogues are written in command names: ``DO ECHO`` stands for IAC DO ECHO.
"""

import pytest

from consoled.errors import RemoteProtocolError
from consoled.protocol.telnet import GREETING, SUBNEGOTIATION_LIMIT, TelnetCodec, escape

COMMANDS = {
    "SE": 240, "NOP": 241, "DM": 242, "BRK": 243, "IP": 244, "AO": 245, "AYT": 246, "EC": 247,
    "EL": 248, "GA": 249, "SB": 250, "WILL": 251, "WONT": 252, "DO": 253, "DONT": 254,
}  # fmt: skip
OPTIONS = {
    "BINARY": 0, "ECHO": 1, "SGA": 3, "STATUS": 5, "TM": 6, "TTYPE": 24, "NAWS": 31,
    "LINEMODE": 34, "ENVIRON": 36, "NEW-ENVIRON": 39, "X80": 80, "X255": 255,
}  # fmt: skip


def wire(words: str) -> bytes:
    """``DO ECHO, WILL SGA`` as bytes."""
    out = b""
    for command in filter(None, words.split(", ")):
        verb, *options = command.split()
        out += bytes((255, COMMANDS[verb], *(OPTIONS[option] for option in options)))
    return out


def answers(codec: TelnetCodec, words: str) -> bytes:
    return codec.feed(wire(words)).reply


@pytest.fixture
def peer() -> TelnetCodec:
    """A codec whose peer has answered something, so that DO NAWS is out already."""
    codec = TelnetCodec()
    assert answers(codec, "DO ECHO") == wire("DO NAWS")
    return codec


def in_telnet(*parts: bytes) -> bytes:
    codec = TelnetCodec()
    codec.feed(wire("WONT TTYPE"))
    return b"".join(codec.feed(part).data for part in parts)


class TestText:
    def test_plain_bytes_are_passed_on_untouched(self) -> None:
        data = bytes(range(255)) * 3
        decoded = TelnetCodec().feed(data)
        assert decoded.data is data
        assert decoded.reply == b""
        assert decoded.window is None

    def test_nothing_stays_nothing(self) -> None:
        assert TelnetCodec().feed(b"") == (b"", b"", None)
        assert in_telnet(b"\r", b"", b"\0a") == b"\ra"

    def test_doubled_iac_is_one(self) -> None:
        assert TelnetCodec().feed(b"a\xff\xffb\xff\xff\xff\xff").data == b"a\xffb\xff\xff"

    def test_escape_doubles_only_iac(self) -> None:
        assert escape(b"a\xffb\0\r\xff") == b"a\xff\xffb\0\r\xff\xff"
        assert escape(memoryview(b"\xfe\xff")) == b"\xfe\xff\xff"

    def test_nul_is_kept_for_a_peer_without_telnet(self) -> None:
        assert TelnetCodec().feed(b"a\r\0b\0").data == b"a\r\0b\0"

    @pytest.mark.parametrize(
        ("parts", "data"),
        [
            ([b"a\r\0b"], b"a\rb"),
            ([b"a\r", b"\0b"], b"a\rb"),
            ([b"a\r\nb"], b"a\r\nb"),
            ([b"a\0b", b"\0"], b"a\0b\0"),
            ([b"\r\0\0"], b"\r\0"),
            ([b"\r\r\0", b"\0"], b"\r\r\0"),
            ([b"\r", wire("NOP"), b"\0x"], b"\rx"),
        ],
    )
    def test_return_key_of_a_telnet_peer(self, parts: list[bytes], data: bytes) -> None:
        assert in_telnet(*parts) == data

    def test_nul_before_the_first_answer_is_kept(self) -> None:
        codec = TelnetCodec()
        assert codec.feed(b"\r\0" + wire("DO ECHO") + b"\r\0").data == b"\r\0\r"


SWALLOWED = ["NOP", "DM", "BRK", "IP", "AO", "AYT", "EC", "EL", "GA", "SE"]


class TestCommands:
    @pytest.mark.parametrize("command", SWALLOWED)
    def test_are_swallowed(self, command: str) -> None:
        codec = TelnetCodec()
        assert codec.feed(b"a" + wire(command) + b"b") == (b"ab", b"", None)
        assert not codec.speaks_telnet

    def test_even_unknown_ones(self) -> None:
        assert TelnetCodec().feed(b"\xff\0a\xff\xe0b\xffzc").data == b"abc"

    def test_interrupt_stands_where_it_was_typed(self) -> None:
        codec = TelnetCodec(interrupt=b"\x03")
        assert codec.feed(b"a" + wire("IP") + b"b").data == b"a\x03b"

    def test_interrupt_parts_return_from_nul(self) -> None:
        codec = TelnetCodec(interrupt=b"\x03")
        codec.feed(wire("DO ECHO"))
        assert codec.feed(b"\r" + wire("IP") + b"\0").data == b"\r\x03\0"

    def test_may_be_cut_anywhere(self) -> None:
        codec = TelnetCodec()
        parts = [b"\xff", b"\xffa\xff", b"\xfd", b"\x03b"]
        decoded = [codec.feed(part) for part in parts]
        assert b"".join(piece.data for piece in decoded) == b"\xffab"
        assert decoded[-1].reply == wire("WONT SGA, DO NAWS")

    def test_option_255_is_an_option(self) -> None:
        decoded = TelnetCodec().feed(wire("DO X255") + b"a")
        assert decoded == (b"a", wire("WONT X255, DO NAWS"), None)


# First column: what comes in; second: what goes back, each time after DO NAWS is out.
AGREEMENTS = [
    ("DONT ECHO, DO ECHO, DO ECHO, DONT ECHO", "WONT ECHO, WILL ECHO, WONT ECHO"),
    ("WILL LINEMODE, WILL LINEMODE, WONT LINEMODE, WONT LINEMODE", "DONT LINEMODE"),
    ("WONT LINEMODE, WONT LINEMODE, WILL LINEMODE, WILL LINEMODE", "DO LINEMODE"),
    ("WILL ECHO, WILL ECHO, WONT ECHO", "DONT ECHO, DONT ECHO"),
    ("DO LINEMODE, DO LINEMODE, DONT LINEMODE", "WONT LINEMODE, WONT LINEMODE"),
    ("DO SGA, DO SGA, DONT SGA, DO SGA", "WONT SGA, WONT SGA, WONT SGA"),
    ("WILL SGA, WONT SGA, DONT SGA", "DONT SGA"),
    ("DO BINARY, WILL BINARY, DO TM, DO STATUS", "WONT BINARY, DONT BINARY, WONT TM, WONT STATUS"),
    ("WILL TTYPE, DO TTYPE", "DONT TTYPE, WONT TTYPE"),
    ("WILL NEW-ENVIRON, DO NEW-ENVIRON", "DONT NEW-ENVIRON, WONT NEW-ENVIRON"),
    ("WILL ENVIRON, WILL X80, DO X80", "DONT ENVIRON, DONT X80, WONT X80"),
    ("WILL NAWS, WILL NAWS", ""),
    ("WONT NAWS, WONT NAWS", ""),
    ("WILL NAWS, WONT NAWS, WILL NAWS", "DONT NAWS, DO NAWS"),
    ("DO NAWS", "WONT NAWS"),
]  # fmt: skip


class TestNegotiation:
    def test_greeting_is_procservs(self) -> None:
        assert wire("WILL ECHO, DO LINEMODE") == GREETING

    @pytest.mark.parametrize(("heard", "said"), AGREEMENTS)
    def test_answers(self, peer: TelnetCodec, heard: str, said: str) -> None:
        assert answers(peer, heard) == wire(said)

    @pytest.mark.parametrize("heard", ["DO ECHO", "DONT ECHO", "WILL LINEMODE", "WONT LINEMODE"])
    def test_answers_to_the_greeting_need_no_answer(self, heard: str) -> None:
        assert answers(TelnetCodec(), heard) == wire("DO NAWS")

    def test_who_refuses_echo_may_want_it_later(self) -> None:
        codec = TelnetCodec()
        assert answers(codec, "DONT ECHO, DONT ECHO") == wire("DO NAWS")
        assert answers(codec, "DO ECHO") == wire("WILL ECHO")

    def test_the_window_is_asked_for_once(self) -> None:
        codec = TelnetCodec()
        assert not codec.speaks_telnet
        assert answers(codec, "WONT TTYPE, WONT SGA") == wire("DO NAWS")
        assert codec.speaks_telnet
        assert answers(codec, "DO ECHO, WILL LINEMODE") == b""

    @pytest.mark.parametrize("first", ["WILL NAWS", "WONT NAWS"])
    def test_an_early_word_about_the_window(self, first: str) -> None:
        codec = TelnetCodec()
        assert answers(codec, first) == wire("DO NAWS")
        assert answers(codec, first) == b""

    def test_a_storm_is_answered_within_its_size(self, peer: TelnetCodec) -> None:
        storm = wire("DO SGA, WILL SGA, DONT SGA, WONT SGA, DO ECHO, NOP") * 1000
        assert len(peer.feed(storm).reply) <= len(storm)


def size(data: str) -> bytes:
    return wire("SB NAWS") + bytes.fromhex(data) + wire("SE")


class TestWindow:
    @pytest.fixture
    def window(self, peer: TelnetCodec) -> TelnetCodec:
        assert answers(peer, "WILL NAWS") == b""
        return peer

    @pytest.mark.parametrize(
        ("data", "rows_and_columns"),
        [
            ("0050 0018", (24, 80)),
            ("00ffff 0018", (24, 255)),
            ("ffffffff ffffffff", (500, 1000)),
            ("0000 0018", None),
            ("0050 0000", None),
            ("0050", None),
            ("0050 0018 00", None),
            ("", None),
        ],
    )
    def test_size(
        self, window: TelnetCodec, data: str, rows_and_columns: tuple[int, int] | None
    ) -> None:
        assert window.feed(b"a" + size(data) + b"b") == (b"ab", b"", rows_and_columns)

    def test_the_last_one_counts(self, window: TelnetCodec) -> None:
        decoded = window.feed(size("0050 0018") + size("0051 0019") + size("0000 0000"))
        assert decoded.window == (25, 81)

    def test_is_not_taken_from_who_never_offered_it(self, peer: TelnetCodec) -> None:
        assert peer.feed(size("0050 0018")) == (b"", b"", None)

    def test_may_be_cut_anywhere(self, window: TelnetCodec) -> None:
        stream = size("00ffff 0018")
        sizes = [window.feed(stream[at : at + 1]).window for at in range(len(stream))]
        assert sizes[:-1] == [None] * (len(stream) - 1)
        assert sizes[-1] == (24, 255)


class TestSubnegotiation:
    @pytest.mark.parametrize("option", ["LINEMODE", "TTYPE", "NEW-ENVIRON", "NAWS"])
    def test_is_swallowed(self, peer: TelnetCodec, option: str) -> None:
        stream = wire(f"SB {option}") + b"\1abc\xff\xff\r\0" + wire("SE") + b"z"
        assert peer.feed(stream) == (b"z", b"", None)

    def test_ends_at_any_command(self) -> None:
        """As libtelnet: IAC X inside is a broken peer, better heard again than lost."""
        stream = wire("SB LINEMODE") + b"abc" + wire("DO SGA") + b"more" + wire("SE") + b"z"
        assert TelnetCodec().feed(stream) == (b"morez", wire("WONT SGA, DO NAWS"), None)

    def test_option_255_needs_an_end_like_others(self) -> None:
        codec = TelnetCodec()
        assert codec.feed(wire("SB") + wire("SE") + b"z").data == b""
        assert codec.feed(wire("SE") + b"z").data == b"z"

    def test_a_new_one_replaces_the_old(self, peer: TelnetCodec) -> None:
        peer.feed(wire("WILL NAWS"))
        stream = wire("SB NAWS") + b"\0\1" + size("0050 0018")
        assert peer.feed(stream).window == (24, 80)

    def test_a_long_one_is_forgotten(self, peer: TelnetCodec) -> None:
        stream = wire("SB LINEMODE") + b"x" * SUBNEGOTIATION_LIMIT + wire("SE") + b"z"
        assert peer.feed(stream).data == b"z"

    def test_an_endless_one_is_an_error_and_never_typed(self, peer: TelnetCodec) -> None:
        piece = b"rm -rf /\r" * 100
        peer.feed(wire("SB LINEMODE"))
        for _ in range(SUBNEGOTIATION_LIMIT // len(piece)):
            assert peer.feed(piece).data == b""
        with pytest.raises(RemoteProtocolError, match="subnegotiation"):
            peer.feed(piece)


class ModelClient:
    """Another party that keeps to RFC 1143: agrees to some options, answers every request."""

    def __init__(self, likes: set[int]) -> None:
        self.likes = likes
        self.on: set[tuple[int, int]] = set()
        self.heard = b""

    def feed(self, data: bytes) -> bytes:
        replies = b""
        while data:
            if data[0] != 255:
                self.heard, data = self.heard + data[:1], data[1:]
            elif data[1] == 255:
                self.heard, data = self.heard + b"\xff", data[2:]
            else:
                replies += self.answer(data[1], data[2])
                data = data[3:]
        return replies

    def answer(self, verb: int, option: int) -> bytes:
        do, dont, will, wont = (COMMANDS[name] for name in ("DO", "DONT", "WILL", "WONT"))
        agree, refuse = {do: (will, wont), will: (do, dont)}.get(verb, (wont, dont))
        side = (option, verb in (do, dont))
        if verb in (dont, wont):
            was_on = side in self.on
            self.on.discard(side)
            return bytes((255, wont if verb == dont else dont, option)) if was_on else b""
        if option not in self.likes:
            return bytes((255, refuse, option))
        if side in self.on:
            return b""
        self.on.add(side)
        reply = bytes((255, agree, option))
        return reply + size("0050 0018") if option == OPTIONS["NAWS"] else reply


class TestPair:
    @pytest.mark.parametrize(
        ("likes", "window"),
        [
            ("ECHO LINEMODE NAWS", (24, 80)),
            ("ECHO NAWS", (24, 80)),
            ("NAWS", (24, 80)),
            ("ECHO", None),
            ("", None),
        ],
    )
    def test_both_come_to_rest(self, likes: str, window: tuple[int, int] | None) -> None:
        client = ModelClient({OPTIONS[name] for name in likes.split()})
        codec = TelnetCodec()
        to_client, sizes = GREETING, []
        for _ in range(4):
            decoded = codec.feed(client.feed(to_client))
            to_client = decoded.reply
            sizes.append(decoded.window)
        assert to_client == b""
        assert next(filter(None, sizes), None) == window

    def test_output_arrives_as_it_was(self) -> None:
        client = ModelClient(set())
        output = bytes(range(256)) * 2
        client.feed(escape(output))
        assert client.heard == output
