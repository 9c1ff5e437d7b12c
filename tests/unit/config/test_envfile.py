"""Files of variables."""

import pytest

from consoled.config.envfile import parse_envfile


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("  A=b  ", "b"),
        ("export A=b", "b"),
        ("A= b c ", "b c"),
        ("A=b # c", "b # c"),
        ("A='b \\ \" c '", 'b \\ " c '),
        ('A="b \\" \\\\ $c\'"', "b \" \\ $c'"),
        ("A=''", ""),
        ("A=x=y", "x=y"),
        ("A=it's", "it's"),
        ("A=b\r", "b"),
        ("A=ü", "ü"),
    ],
)
def test_value(line: str, value: str) -> None:
    read = parse_envfile(line)
    assert read.values == {"A": value}
    assert read.faults == []


def test_the_later_one_wins() -> None:
    assert parse_envfile("A=1\n\n# A=3\n  # x\nA=2\nB=4").values == {"A": "2", "B": "4"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("A", "expected KEY=VALUE"),
        ("=x", "expected KEY=VALUE"),
        ("A B=x", "expected KEY=VALUE"),
        ("1A=x", "expected KEY=VALUE"),
        ("A-B=x", "expected KEY=VALUE"),
        ("A='x", "the quotes around the value of A do not match"),
        ('A="x" y', "the quotes around the value of A do not match"),
        ('A="x\\"', "the quotes around the value of A do not match"),
        ("A=x\0y", "the value of A contains a NUL"),
    ],
)
def test_fault_has_its_line_and_never_a_value(line: str, fault: str) -> None:
    read = parse_envfile(f"# one\nB=2\n{line}\nC=4\n")
    assert read.values == {"B": "2", "C": "4"}
    [(number, text)] = read.faults
    assert number == 3
    assert text.startswith(fault)
    assert "x" not in text.removeprefix("expected")
