"""Who may make a child wait, and for how long (decision D3)."""

from consoled.console.cursor import IDLE, REST, Cursor

HALF = 1000


def test_reader_within_the_allowance_never_holds() -> None:
    assert not Cursor(0, now=0.0).holds(HALF, HALF, now=0.0)


def test_reader_that_makes_progress_holds() -> None:
    cursor = Cursor(0, now=0.0)
    assert cursor.holds(HALF + 1, HALF, now=0.04)
    cursor.advance(100, now=0.08)
    assert cursor.holds(HALF + 101, HALF, now=0.12)


def test_reader_without_progress_lets_go() -> None:
    cursor = Cursor(0, now=0.0)
    assert cursor.holds(HALF + 1, HALF, now=IDLE)
    assert not cursor.holds(HALF + 1, HALF, now=IDLE + 0.001)


def test_patience_ends_a_stall_and_bars_the_next() -> None:
    cursor = Cursor(0, now=0.0, patience=1.0, idle=5.0)
    assert cursor.holds(5000, HALF, now=0.0)
    assert cursor.holds(5000, HALF, now=0.99)
    assert not cursor.holds(5000, HALF, now=1.0)
    cursor.advance(5000, now=1.1)
    assert not cursor.holds(9000, HALF, now=2.0)
    assert not cursor.holds(9000, HALF, now=0.99 + REST)
    cursor.advance(6000, now=1.0 + REST)
    assert cursor.holds(9000, HALF, now=1.0 + REST)


def test_each_stall_has_its_own_patience() -> None:
    cursor = Cursor(0, now=0.0, patience=1.0, idle=5.0)
    assert cursor.holds(5000, HALF, now=0.0)
    cursor.advance(4500, now=0.9)
    assert not cursor.holds(5000, HALF, now=0.9)
    assert cursor.holds(6000, HALF, now=1.5)


def test_skipping_tells_what_was_missed_and_costs_the_right_to_hold() -> None:
    cursor = Cursor(100, now=0.0)
    assert cursor.skip_to(4100, now=1.0) == 4000
    assert cursor.position == 4100
    assert not cursor.holds(9000, HALF, now=1.01)
