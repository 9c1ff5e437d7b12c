"""Line stamps: once per line, by the time its first byte arrived, however it was cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from consoled.protocol.stamp import Arrivals, LineStamper


def show(second: int) -> bytes:
    return b"%d|" % second


def test_every_line_begins_with_a_stamp() -> None:
    assert LineStamper(show).feed(b"a\r\n\r\nb", 7) == b"7|a\r\n7|\r\n7|b"


def test_open_line_keeps_the_stamp_of_its_beginning() -> None:
    stamper = LineStamper(show)
    assert stamper.feed(b"par", 7) == b"7|par"
    assert stamper.feed(b"tial\nnext", 8) == b"tial\n8|next"
    assert stamper.feed(b"", 9) == b""


@given(st.binary(max_size=60).map(lambda b: b.replace(b"x", b"\n")), st.integers(0, 60))
def test_any_split_gives_the_same(data: bytes, cut: int) -> None:
    once, twice = LineStamper(show), LineStamper(show)
    assert once.feed(data, 1) == twice.feed(data[:cut], 1) + twice.feed(data[cut:], 1)


def test_arrivals_cut_a_stretch_into_seconds() -> None:
    arrivals = Arrivals()
    for offset, now in ((0, 10.1), (5, 10.9), (9, 11.0), (20, 13.5)):
        arrivals.note(offset, now)
    assert list(arrivals.runs(0, 30)) == [(0, 9, 10), (9, 20, 11), (20, 30, 13)]
    assert list(arrivals.runs(10, 15)) == [(10, 15, 11)]
    assert list(arrivals.runs(9, 9)) == []


def test_bytes_older_than_all_notes_take_the_oldest() -> None:
    arrivals = Arrivals()
    arrivals.note(100, 50.0)
    assert list(arrivals.runs(20, 120)) == [(20, 120, 50)]


def test_nothing_noted_gives_nothing() -> None:
    assert list(Arrivals().runs(0, 10)) == []


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=20),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_runs_cover_exactly_what_was_asked(
    steps: list[tuple[int, int]], start: int, length: int
) -> None:
    arrivals, offset, now = Arrivals(), 0, 0
    for size, seconds in steps:
        arrivals.note(offset, now)
        offset, now = offset + size, now + seconds
    runs = list(arrivals.runs(start, start + length))
    assert sum(end - begin for begin, end, _ in runs) == length
    assert all(a[1] == b[0] for a, b in pairwise(runs))
