"""Values as TOML: what is spelled is read again."""

import tomllib
from datetime import date
from typing import Any

import pytest

from consoled.config.problem import Problem, nearest, printable
from consoled.config.spelling import shown, spell, spell_key


@pytest.mark.parametrize(
    "value",
    [
        "",
        'a"b\\c',
        "\n\t\x1b\x7f",
        "ü€😀",
        5,
        -1.5,
        True,
        False,
        [],
        [1, ["a"]],
        {},
        {"a b": {"c": 1}},
    ],
    ids=repr,
)
def test_round_trip(value: Any) -> None:
    assert tomllib.loads(f"x = {spell(value)}") == {"x": value}


def test_key() -> None:
    assert spell_key("a-b_1") == "a-b_1"
    assert spell_key("ioc@vac") == '"ioc@vac"'
    assert spell_key("") == '""'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", '"x"'),
        (True, "true"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "a table"),
        (date(2026, 1, 1), "a date or time"),
        (2**70, "a number of more than 64 bits"),
        ("x" * 100, '"' + "x" * 56 + "..."),
    ],
    ids=repr,
)
def test_shown(value: Any, text: str) -> None:
    assert shown(value) == text


def test_problem_is_one_harmless_line() -> None:
    problem = Problem("a\nb", 3, "console x", "log.file", "no \x1b[2J\u202e")
    assert str(problem) == "a\\nb:3: console x: log.file: no \\x1b[2J\\u202e"
    assert str(problem.as_warning()).endswith("log.file: warning: no \\x1b[2J\\u202e")
    assert str(Problem("f", 0, "", "", "text")) == "f: text"
    assert printable("ü") == "ü"


def test_nearest() -> None:
    assert nearest("holdof", ["restart", "holdoff"]) == ', did you mean "holdoff"?'
    assert nearest("xyz", ["restart", "holdoff"]) == ""
