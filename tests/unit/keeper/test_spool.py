"""The ring gives back what was put in, by absolute offset, as far back as it promises."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.keeper.spool import READ_SIZE, Spool

SCROLLBACK = 8192


def filled(*parts: bytes) -> Spool:
    spool = Spool(SCROLLBACK)
    for part in parts:
        spool.append(part)
    return spool


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=8))
def test_everything_above_the_floor_reads_back(parts: list[bytes]) -> None:
    spool, whole = filled(*parts), b"".join(parts)
    assert spool.head == len(whole)
    assert spool.head - spool.floor >= min(len(whole), SCROLLBACK)
    assert spool.read(spool.floor, spool.head) == whole[spool.floor :]
    assert spool.contains(b"\xff", spool.floor, spool.head) == (b"\xff" in whole[spool.floor :])
    spool.close()


def test_floor_keeps_clear_of_a_read_under_way() -> None:
    spool = filled(b"x" * (3 * SCROLLBACK + 2 * READ_SIZE))
    window = spool.window()
    assert spool.floor + spool.size >= spool.head + len(window)


def test_slices_are_pieces_of_the_ring_itself() -> None:
    spool = Spool(SCROLLBACK)
    spool.append(b"x" * (spool.size - 10))
    spool.append(b"0123456789abcdef")
    first, second = spool.slices(spool.head - 16, spool.head)
    assert bytes(first) + bytes(second) == b"0123456789abcdef"
    assert bytes(spool.slices(spool.head - 16, spool.head - 6)[0]) == b"0123456789"
    assert spool.slices(5, 5) == []


@pytest.mark.parametrize(
    ("lines", "tail"),
    [(0, b""), (1, b"three"), (2, b"two\nthree"), (3, b"one\ntwo\nthree"), (9, b"one\ntwo\nthree")],
)
def test_tail_counts_lines(lines: int, tail: bytes) -> None:
    spool = filled(b"one\ntwo\nthree")
    assert spool.read(spool.tail(lines), spool.head) == tail


def test_tail_of_finished_lines() -> None:
    spool = filled(b"one\ntwo\n")
    assert spool.read(spool.tail(1), spool.head) == b"two\n"
    assert Spool(SCROLLBACK).tail(5) == 0


@given(st.integers(0, 3 * SCROLLBACK), st.binary(min_size=1, max_size=4096))
def test_what_a_killed_writer_read_is_recovered(before: int, read: bytes) -> None:
    """It was killed between its read and the commit: nothing but the bytes tells."""
    spool = filled(b"x" * before)
    room = spool.window()
    read = read[: len(room)].rstrip(b"\0") or b"y"
    room[: len(read)] = read
    heir = Spool(fd=os.dup(spool.fd))
    assert heir.recover() == len(read)
    assert heir.read(before, heir.head) == read
    assert heir.recover() == 0
    heir.close()


def test_window_is_zero_after_any_number_of_laps() -> None:
    spool = Spool(SCROLLBACK)
    for _ in range(40):
        room = spool.window()
        assert not any(room)
        count = min(len(room), 5000)
        room[:count] = b"z" * count
        spool.commit(count)


def test_recovering_allocates_nothing() -> None:
    spool = Spool(SCROLLBACK)
    spool.append(b"x")
    before = os.fstat(spool.fd).st_blocks
    Spool(fd=os.dup(spool.fd)).recover()
    assert os.fstat(spool.fd).st_blocks == before


def test_something_else_is_no_spool() -> None:
    fd = os.memfd_create("other")
    os.ftruncate(fd, 100_000)
    with pytest.raises(ValueError, match="no spool"):
        Spool(fd=fd)
