"""The table of statements and the cases cover each other."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .statements import STATEMENTS


def modules() -> Iterator[ModuleType]:
    """Every test module beside this one."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield importlib.import_module(f"{__package__}.{path.stem}")


def marks(function: object) -> Iterator[pytest.Mark]:
    """The marks of a test, those of its parameters too."""
    for mark in getattr(function, "pytestmark", []):
        yield mark
        if mark.name == "parametrize":
            for value in mark.args[1]:
                yield from getattr(value, "marks", ())


def cited() -> dict[str, list[str]]:
    """Which cases cite which statement."""
    found: dict[str, list[str]] = {}
    for module in modules():
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for mark in marks(function):
                    if mark.name == "cites":
                        for statement in mark.args:
                            found.setdefault(statement, []).append(f"{module.__name__}.{name}")
    return found


def test_every_statement_has_a_case() -> None:
    assert sorted(set(STATEMENTS) - set(cited())) == []


def test_every_citation_names_a_statement() -> None:
    unknown = {key: where for key, where in cited().items() if key not in STATEMENTS}
    assert unknown == {}


SECTIONS = ["1", "1.1", "1.2", "1.3", "1.4", *(f"2.{number}" for number in range(1, 7)), "3", "4"]


def test_every_section_has_statements() -> None:
    assert {key.partition("/")[0] for key in STATEMENTS} - {"0", "6"} == set(SECTIONS)
