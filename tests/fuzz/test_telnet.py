"""The telnet codec against any bytes, cut anywhere.

``CONSOLED_FUZZ`` is the number of examples per target.
"""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from consoled.protocol.guard import looks_like_http
from consoled.protocol.keys import KeyFilter, KeyMap
from consoled.protocol.telnet import MAX_COLUMNS, MAX_ROWS, Decoded, TelnetCodec, escape

fuzz = settings(max_examples=int(os.environ.get("CONSOLED_FUZZ", "300")), deadline=None)

# What means something to the codec: a random byte picks one, so that streams are mostly
# commands. One draw per stream keeps an example under a millisecond.
BYTES = bytes.fromhex("ff ff ff f0 f4 fa fb fc fd fe 00 01 03 1f 22 0d 61")
PHRASES = ["fffd01", "fffe01", "fffb1f", "fffc22", "fffa1f00500018fff0", "0d00", "ffff"]
TELLING = [*(bytes((byte,)) for byte in BYTES), *map(bytes.fromhex, PHRASES)]
streams = st.one_of(
    st.binary(max_size=48),
    st.binary(max_size=24).map(lambda picks: b"".join(TELLING[i % len(TELLING)] for i in picks)),
)
cuts = st.binary(max_size=12).map(lambda sizes: [1 + size % 6 for size in sizes])


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    out = []
    for size in sizes:
        out.append(stream[:size])
        stream = stream[size:]
    return [*out, stream]


def decode(codec: TelnetCodec, parts: list[bytes]) -> Decoded:
    decoded = [codec.feed(part) for part in parts]
    windows = [piece.window for piece in decoded if piece.window]
    return Decoded(
        b"".join(piece.data for piece in decoded),
        b"".join(piece.reply for piece in decoded),
        windows[-1] if windows else None,
    )


@fuzz
@given(streams, cuts)
def test_cuts_change_nothing(stream: bytes, sizes: list[int]) -> None:
    once = decode(TelnetCodec(b"\x03"), [stream])
    assert decode(TelnetCodec(b"\x03"), pieces(stream, sizes)) == once


@fuzz
@given(streams)
def test_replies_are_bounded_and_well_formed(stream: bytes) -> None:
    codec = TelnetCodec()
    decoded = codec.feed(stream)
    assert len(decoded.reply) <= len(stream) + 3
    assert len(decoded.reply) % 3 == 0
    assert set(decoded.reply[::3]) <= {0xFF}
    assert set(decoded.reply[1::3]) <= {0xFB, 0xFC, 0xFD, 0xFE}
    assert bool(decoded.reply) <= codec.speaks_telnet
    assert len(decoded.data) <= len(stream)


@fuzz
@given(streams)
def test_windows_fit_a_terminal(stream: bytes) -> None:
    window = TelnetCodec().feed(bytes.fromhex("fffb1f") + stream).window
    assert window is None or (1 <= window[0] <= MAX_ROWS and 1 <= window[1] <= MAX_COLUMNS)


@fuzz
@given(streams)
def test_two_codecs_come_to_rest(stream: bytes) -> None:
    """Each answers the other's answers; a loop would never end."""
    left, right = TelnetCodec(), TelnetCodec()
    said = stream
    for _ in range(8):
        heard = left.feed(said).reply
        said = right.feed(heard).reply
    assert said == b""


@fuzz
@given(streams, cuts, st.booleans())
def test_escaped_output_comes_back(stream: bytes, sizes: list[int], telnet: bool) -> None:
    codec = TelnetCodec()
    if telnet:
        codec.feed(bytes.fromhex("fffc18"))
        stream = stream.replace(b"\0", b"")
    decoded = decode(codec, pieces(escape(stream), sizes))
    assert decoded == (stream, b"", None)


@fuzz
@given(streams)
def test_first_bytes_are_judged_without_a_crash(stream: bytes) -> None:
    assert looks_like_http(stream) in (True, False)


@fuzz
@given(streams, st.builds(KeyMap, *[st.none() | st.integers(0, 255)] * 3, st.binary(max_size=4)))
def test_keys_split_input_completely(stream: bytes, keys: KeyMap) -> None:
    key_filter = KeyFilter(keys)
    chosen = {keys.kill, keys.toggle, keys.logout}
    stripped = key_filter.strip(stream)
    assert stripped == bytes(byte for byte in stream if byte not in chosen | set(keys.ignored))
    acting = chosen | {0x11, 0x12}
    assert len(list(key_filter.commands(stream))) == sum(byte in acting for byte in stream)
