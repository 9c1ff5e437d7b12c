"""A run-file says what was written into it, and nothing else is believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.keeper.kin import Identity
from consoled.keeper.runfiles import Record, parse_record

GOOD = {"console": "ioc", "pid": 77, "starttime": 5, "boot_id": "b"}


@given(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,63}", fullmatch=True),
    st.integers(2, 2**22),
    st.integers(0, 2**63),
    st.none() | st.text(),
)
def test_round_trip(console: str, pid: int, started: int, cgroup: str | None) -> None:
    record = Record(console, Identity(pid, started), "boot", cgroup)
    line = record.line()
    assert line.count(b"\n") == 1
    assert parse_record(console, line) == record


@pytest.mark.parametrize(
    "change",
    [
        *({"pid": pid} for pid in (1, 0, -1, True, "77", 77.0, None)),
        *({"starttime": started} for started in (-1, "5", None)),
        *({"console": name} for name in ("other", "", None, ["ioc"])),
        *({"boot_id": boot} for boot in (None, 3)),
        {"cgroup": 3},
    ],
)
def test_wrong_values(change: dict[str, object]) -> None:
    assert parse_record("ioc", json.dumps(GOOD | change).encode()) is None


@pytest.mark.parametrize("missing", GOOD)
def test_missing_values(missing: str) -> None:
    short = {name: value for name, value in GOOD.items() if name != missing}
    assert parse_record("ioc", json.dumps(short).encode()) is None


@pytest.mark.parametrize("name", ["../ioc", ".ioc", "", "a/b", "i" * 65, "ioc\n"])
def test_names_that_no_console_has(name: str) -> None:
    assert parse_record(name, json.dumps(GOOD | {"console": name}).encode()) is None


@given(st.binary(max_size=200) | st.sampled_from([b"[" * 4096, b"1" * 4096, b"[]", b'"x"', b"7"]))
def test_garbage(data: bytes) -> None:
    assert parse_record("ioc", data) is None
