"""Long lines: what a terminal in line mode takes, and that splitting makes no difference."""

from hypothesis import given
from hypothesis import strategies as st

from consoled.console.linelimit import LIMIT, LineLimit


def yes() -> bool:
    return True


def no() -> bool:
    return False


def test_short_lines_pass() -> None:
    limit = LineLimit()
    text = b"x" * 80 + b"\n"
    assert limit.feed(text * 1000, yes) == text * 1000
    assert limit.discarded == 0


def test_long_line_is_cut_as_the_kernel_would_and_counted() -> None:
    limit = LineLimit()
    assert limit.feed(b"a" * 16384 + b"\nnext\n", yes) == b"a" * LIMIT + b"\nnext\n"
    limit = LineLimit()
    assert limit.feed(b"a" * 5000, yes) == b"a" * LIMIT
    assert limit.discarded == 5000 - LIMIT


def test_count_goes_over_several_pieces_and_ends_with_the_line() -> None:
    limit = LineLimit()
    for _ in range(3):
        limit.feed(b"b" * 2000, yes)
    assert limit.discarded == 6000 - LIMIT
    assert limit.feed(b"c\n", yes) == b"\n"
    assert limit.feed(b"ok\n", yes) == b"ok\n"
    assert limit.discarded == 0


def test_raw_mode_takes_everything() -> None:
    limit = LineLimit()
    assert limit.feed(b"r" * 100_000, no) == b"r" * 100_000
    assert limit.discarded == 0


LINES = st.lists(
    st.sampled_from((b"\n", b"\r", b"\x15", b"x" * 100, b"y" * 3000, b"z" * 5000)), max_size=12
)


@given(LINES, st.data())
def test_any_split_gives_the_same(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    once, twice = LineLimit(), LineLimit()
    assert once.feed(whole, yes) == twice.feed(whole[:cut], yes) + twice.feed(whole[cut:], yes)
