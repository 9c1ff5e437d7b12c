"""What is dumped comes back the same; what is not of the type is refused, not guessed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.errors import PlainError
from consoled.protocol import plain


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    data: bytes = b""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    ratio: float = 1.0
    colour: Colour = Colour.RED
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    table: Mapping[str, int] = field(default_factory=dict)
    loose: Any = None


inners = st.builds(Inner, st.binary(), st.none() | st.tuples(st.integers(), st.integers()))
outers = st.builds(
    Outer,
    st.text(),
    st.floats(allow_nan=False),
    st.sampled_from(Colour),
    inners,
    st.lists(inners, max_size=3).map(tuple),
    st.dictionaries(st.text(), st.integers(), max_size=3),
    st.none() | st.booleans() | st.lists(st.integers()),
)


@given(outers)
def test_comes_back_the_same_through_json(value: Outer) -> None:
    assert plain.load(Outer, json.loads(json.dumps(plain.dump(value)))) == value


def test_what_an_older_version_left_out_takes_its_default() -> None:
    assert plain.load(Outer, {"name": "x"}) == Outer("x")


def test_what_a_newer_version_added_is_left_out() -> None:
    assert plain.load(Outer, {"name": "x", "fancy": [1, 2]}) == Outer("x")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"name": 7},
        {"name": "x", "ratio": "1"},
        {"name": "x", "ratio": True},
        {"name": "x", "colour": "green"},
        {"name": "x", "inner": {"data": 5}},
        {"name": "x", "inner": {"data": "\u2028"}},
        {"name": "x", "inner": {"size": [1]}},
        {"name": "x", "many": {"a": 1}},
        {"name": "x", "table": [1]},
        {"name": "x", "table": {"a": "b"}},
    ],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(PlainError):
        plain.load(Outer, data)
