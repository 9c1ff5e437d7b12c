"""Whose a process is: by parents, by session, by mark; never two consoles', never a stranger's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.keeper.kin import Identity, Process, kin_by_console, parse_stat, strays

KEEPER = 100
LEADERS = {"one": Identity(200, 50), "two": Identity(300, 60)}


def process(
    pid: int, ppid: int, session: int, started: int = 70, state: str = "S", threads: int = 1
) -> Process:
    return Process(pid, ppid, session, started, state, threads, b"x")


BASE = [process(1, 0, 1, 0), process(KEEPER, 1, KEEPER, 40)]
ONE, TWO = process(200, KEEPER, 200, 50), process(300, KEEPER, 300, 60)


def owners(
    *processes: Process,
    marks: dict[int, str] | None = None,
    others: tuple[int, ...] = (),
    leaders: dict[str, Identity] = LEADERS,
) -> dict[str, list[int]]:
    kin = kin_by_console([*BASE, *processes], leaders, KEEPER, marks or {}, others)
    return {console: [member.pid for member in family] for console, family in kin.items()}


@given(st.binary(max_size=64), st.integers(1, 2**22), st.integers(0, 2**63))
def test_any_comm_parses(comm: bytes, pid: int, started: int) -> None:
    rest = b"S 7 8 9 " + b"0 " * 13 + b"3 0 %d 4096 -1 0\n" % started
    found = parse_stat(b"%d (%s) %s" % (pid, comm, rest))
    assert found == Process(pid, 7, 9, started, "S", 3, comm)
    assert found.name.isprintable()


@pytest.mark.parametrize("line", [b"", b"12", b"12 (x", b"12 (x) S 1", b"x (y) " + b"a " * 30])
def test_what_is_no_stat_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_stat(line)


def test_line_of_parents_and_session() -> None:
    job, own_session = process(201, 200, 200), process(202, 201, 202)
    below = process(203, 202, 202)
    assert owners(ONE, TWO, job, own_session, below) == {"one": [200, 201, 202, 203], "two": [300]}


def test_order_in_the_picture_does_not_matter() -> None:
    below, job = process(203, 201, 203), process(201, 200, 200)
    assert owners(below, job, ONE)["one"] == [203, 201, 200]


def test_member_of_the_session_elsewhere_and_what_it_forked() -> None:
    """Re-parented to a reaper below somebody else: the session still tells."""
    elsewhere, below = process(210, 1, 200), process(211, 210, 211)
    assert owners(ONE, elsewhere, below)["one"] == [200, 210, 211]


def test_marked_orphan_and_its_descendants() -> None:
    orphan, below = process(220, KEEPER, 220), process(221, 220, 221)
    assert owners(ONE, TWO, orphan, below, marks={220: "two"}) == {
        "one": [200],
        "two": [300, 220, 221],
    }


def test_orphan_without_a_mark_goes_by_session() -> None:
    assert owners(ONE, process(220, KEEPER, 200))["one"] == [200, 220]
    assert owners(process(220, KEEPER, 200))["one"] == [220]


def test_mark_of_an_unknown_console_is_none() -> None:
    assert owners(ONE, TWO, process(220, KEEPER, 220), marks={220: "three"}) == {
        "one": [200],
        "two": [300],
    }


def test_mark_away_from_the_keeper_is_not_believed() -> None:
    assert owners(ONE, process(220, 1, 220), marks={220: "one"})["one"] == [200]


def test_mark_does_not_take_a_leader_from_its_console() -> None:
    assert owners(ONE, TWO, marks={300: "one"}) == {"one": [200], "two": [300]}


def test_session_of_a_recycled_number_is_a_strangers() -> None:
    thief, member = process(200, 1, 200, started=99), process(230, 200, 200)
    orphan = process(231, KEEPER, 200)
    assert owners(thief, member, orphan)["one"] == []


def test_session_without_its_leader_needs_the_mark() -> None:
    """What a crashed keeper left: the shell died of the hang-up, its program did not."""
    left, below = process(240, 1, 200), process(241, 240, 200)
    assert owners(left, below)["one"] == []
    assert owners(left, below, marks={240: "one"})["one"] == [240, 241]
    assert owners(left, marks={240: "two"}) == {"one": [], "two": []}


def test_of_two_gone_leaders_with_one_number_the_later_counts() -> None:
    leaders = {"new": Identity(200, 90), "old": Identity(200, 50)}
    assert owners(process(250, KEEPER, 200), leaders=leaders) == {"new": [250], "old": []}


def test_keeper_init_and_other_children_are_nobodys() -> None:
    server, job = process(110, KEEPER, KEEPER, 45), process(111, 110, KEEPER)
    found = owners(ONE, server, job, others=(110,), marks={110: "one", 111: "one"})
    assert found["one"] == [200]
    assert owners(leaders={"one": Identity(KEEPER, 40), "two": Identity(1, 0)}) == {
        "one": [],
        "two": [],
    }


def test_zombies_are_left_out_but_half_dead_threads_are_not() -> None:
    assert owners(ONE, process(201, 200, 200, state="Z"))["one"] == [200]
    assert owners(ONE, process(201, 200, 200, state="Z", threads=2))["one"] == [200, 201]


def test_ring_of_parents_in_a_torn_picture() -> None:
    ring = [process(260, 261, 260), process(261, 260, 200)]
    assert owners(ONE, *ring)["one"] == [200, 260, 261]
    assert owners(ONE, process(262, 262, 262))["one"] == [200]


@given(
    st.lists(
        st.tuples(*(3 * (st.integers(1, 12),)), st.integers(0, 2), st.sampled_from("SZ")),
        max_size=12,
        unique_by=lambda row: row[0],
    ),
    st.dictionaries(st.integers(1, 12), st.sampled_from(["a", "b", "c"])),
)
def test_no_one_has_two_consoles(
    rows: list[tuple[int, int, int, int, str]], marks: dict[int, str]
) -> None:
    scan = [Process(pid, up, sid, began, state, 1, b"") for pid, up, sid, began, state in rows]
    leaders = {"a": Identity(3, 1), "b": Identity(4, 1)}
    kin = kin_by_console(scan, leaders, 2, marks, (5,))
    placed = [member.pid for family in kin.values() for member in family]
    assert len(placed) == len(set(placed))
    assert not {1, 2, 5} & set(placed)


def test_strays_are_orphans_that_nobody_claims() -> None:
    stray, dead = process(270, KEEPER, 270), process(271, KEEPER, 271, state="Z")
    scan = [*BASE, ONE, stray, dead, process(110, KEEPER, KEEPER)]
    kin = kin_by_console(scan, LEADERS, KEEPER, {}, (110,))
    assert strays(scan, kin, KEEPER, (110,)) == [stray]
