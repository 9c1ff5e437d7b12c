"""Signals and C numbers."""

import pytest

from consoled.config.units import LARGEST, parse_signal, procserv_int
from consoled.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("15", 15),
        ("-3", -3),
        ("+7", 7),
        (" \t\n12 monkeys", 12),
        ("0x10", 0),
        ("", 0),
        ("-", 0),
        ("abc", 0),
        ("1e3", 1),
        ("- 5", 0),
        ("\u0663", 0),
        ("0" * 5000 + "42", 42),
        ("9" * 5000, LARGEST),
        ("-" + "9" * 30, -LARGEST),
    ],
)
def test_procserv_int(text: str, number: int) -> None:
    assert procserv_int(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("term", 15),
        ("sigHup", 1),
        ("15", 15),
        ("-15", 15),
        ("09", 9),
    ],
)
def test_parse_signal(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "99", "SIG", "SIGSIGTERM", "TERMS", "-TERM", "1.5", " 9"]
)
def test_no_signal(text: str) -> None:
    with pytest.raises(ConfigError, match="unknown signal"):
        parse_signal(text)
