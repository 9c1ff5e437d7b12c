"""Command lines, endpoints, keys and signals out of any words: only our own errors.

``CONSOLED_FUZZ`` is the number of examples per target.
"""

import os
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from consoled.config.endpoint import TcpEndpoint, UnixEndpoint, parse_endpoint
from consoled.config.procserv import OPTIONS, ProcservOptions, parse
from consoled.config.units import LARGEST, parse_signal, procserv_int
from consoled.errors import ConfigError
from consoled.protocol.keys import parse_key, parse_keys, show_key

fuzz = settings(max_examples=int(os.environ.get("CONSOLED_FUZZ", "300")), deadline=None)

# With the lone surrogates that stand for bytes of a command line that are no UTF-8.
text = st.text(st.characters(exclude_categories=()), max_size=12)
telling = st.text("0123456789:.,@ -[]unixraw^/\0\udcff", max_size=16)
specs = st.one_of(text, telling, telling.map("unix:{}".format))
spellings = [spelling for o in OPTIONS for spelling in (f"--{o.long}", f"-{o.short}")]
words = st.one_of(
    st.sampled_from(spellings),
    st.sampled_from(spellings).flatmap(
        lambda word: st.integers(1, len(word)).map(lambda end: word[:end])
    ),
    st.tuples(st.sampled_from(spellings), text).map("=".join),
    st.text("cdefhiIklLnopPqVwxgrz-", max_size=4).map("-{}".format),
    st.sampled_from(["2000", "unix:/s", "--", "-", "", "TERM", "2.8", "1.5", "^X", "%c"]),
    specs,
)


@fuzz
@given(st.lists(words, max_size=8), st.dictionaries(st.sampled_from(["PROCSERV_PID"]), text))
def test_command_lines(argv: list[str], environ: dict[str, str]) -> None:
    with suppress(ConfigError):
        check(parse(["procServ", *argv], environ))


def check(options: ProcservOptions) -> None:
    if options.help or options.version:
        return
    assert options.control
    assert options.command
    assert options.arguments[-1] == options.command[-1] or len(options.command) == 1
    assert 0 <= options.killsig <= 31
    assert 0 <= options.holdoff <= 1e9
    assert 0 <= options.grace_period <= 1e9
    assert options.coresize is None or options.coresize >= 0
    assert hash(options) == hash(options)


@fuzz
@given(specs)
def test_endpoints(spec: str) -> None:
    with suppress(ConfigError):
        endpoint = parse_endpoint(spec)
        if isinstance(endpoint, TcpEndpoint):
            assert 0 <= endpoint.port <= 65535
            assert endpoint.host != ""
        else:
            assert isinstance(endpoint, UnixEndpoint)
            assert endpoint.path or endpoint.abstract
            assert "\0" not in endpoint.path
            assert 0 <= endpoint.mode <= 0o7777


@fuzz
@given(st.one_of(text, telling))
def test_keys(spelled: str) -> None:
    with suppress(ConfigError):
        key = parse_key(spelled)
        assert (key is None) == (spelled == "")
        assert key is None or 0 <= key <= 255
        # Only 0x1e has no notation of its own: "^^" has always been the caret.
        assert key in (None, 0x1E) or parse_key(show_key(key or 0)) == key
        assert len(parse_keys(spelled)) <= len(spelled)


@fuzz
@given(st.one_of(text, telling, st.integers().map(str)))
def test_numbers(spelled: str) -> None:
    assert -LARGEST <= procserv_int(spelled) <= LARGEST
    with suppress(ConfigError):
        assert 1 <= parse_signal(spelled) <= 64


@fuzz
@given(st.integers(-LARGEST, LARGEST), text.filter(lambda tail: not tail[:1].isdigit()))
def test_numbers_are_read_as_written(number: int, tail: str) -> None:
    assert procserv_int(f" {number}{tail}") == number
