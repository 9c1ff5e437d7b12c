"""Plain: frozen dataclasses as JSON values and back, by their annotations alone.

For what crosses a process border: children's specs, a resolved configuration, the state of a
console. Bytes travel as latin-1 text. What an older version has not written takes its default,
what a newer one has added is left out, so both sides of an upgrade understand each other.
"""

import dataclasses
import sys
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from consoled.errors import PlainError

T = TypeVar("T")
Convert = Callable[[Any], Any]


def dump(value: Any) -> Any:
    """The JSON value of a dataclass, an enum member, bytes, a tuple, a mapping or a scalar."""
    kind: Any = type(value)
    return _dumper(kind)(value)


def load(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that ``dump`` has written; PlainError if it is none."""
    try:
        value: T = _loader_of(kind)(data)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PlainError(f"no {getattr(kind, '__name__', kind)}: {error}") from error
    return value


def _loader_of(kind: Any) -> Convert:
    return _loader(kind)


# -- writing: one function for each type, made once -------------------------------------------


@cache
def _dumper(kind: Any) -> Convert:
    if kind in (str, int, float, bool, type(None)):
        return _as_it_is
    if issubclass(kind, bytes):
        return lambda value: value.decode("latin-1")
    if issubclass(kind, Enum):
        return lambda member: member.value
    if issubclass(kind, Mapping):
        return lambda table: {dump(key): dump(item) for key, item in table.items()}
    if issubclass(kind, tuple | list):
        return lambda items: [dump(item) for item in items]
    names = tuple(field.name for field in dataclasses.fields(kind))
    return lambda value: {name: dump(getattr(value, name)) for name in names}


def _as_it_is(value: Any) -> Any:
    return value


# -- reading ----------------------------------------------------------------------------------


@cache
def _loader(kind: Any) -> Convert:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _optional_loader(get_args(kind))
    if origin is tuple:
        return _tuple_loader(get_args(kind))
    if origin is not None:  # Mapping
        key, item = (_loader(one) for one in get_args(kind))
        return lambda data: {key(k): item(v) for k, v in data.items()}
    if dataclasses.is_dataclass(kind):
        return _dataclass_loader(kind)
    return _scalar_loader(kind)


def _dataclass_loader(kind: Any) -> Convert:
    hints = get_type_hints(kind)
    loaders = tuple((field.name, _loader(hints[field.name])) for field in dataclasses.fields(kind))

    def load_fields(data: Any) -> Any:
        if not isinstance(data, dict):
            raise TypeError(f"{data!r} is no table")
        return kind(**{name: load(data[name]) for name, load in loaders if name in data})

    return load_fields


def _scalar_loader(kind: Any) -> Convert:
    if kind is bytes:
        return lambda data: data.encode("latin-1")
    if kind is Any:
        return _as_it_is
    if kind is str:
        return _load_text
    if issubclass(kind, Enum):
        return lambda data: kind(data)

    def check(data: Any) -> Any:
        if type(data) is kind:
            return data
        if kind is float and type(data) is int:
            return float(data)
        raise TypeError(f"{data!r} is no {kind.__name__}")

    return check


def _load_text(data: Any) -> str:
    """A thousand consoles have the same words: each is kept once."""
    if type(data) is not str:
        raise TypeError(f"{data!r} is no str")
    return sys.intern(data)


def _optional_loader(kinds: tuple[Any, ...]) -> Convert:
    (kind,) = (kind for kind in kinds if kind is not type(None))
    inner = _loader(kind)
    return lambda data: None if data is None else inner(data)


def _tuple_loader(kinds: tuple[Any, ...]) -> Convert:
    loaders = tuple(_loader(kind) for kind in kinds if kind is not ...)
    if kinds[1:] == (...,):
        return lambda data: tuple(map(loaders[0], _items(data)))

    def load_each(data: Any) -> Any:
        if len(loaders) != len(data):
            raise ValueError(f"{len(data)} items in place of {len(loaders)}")
        return tuple(load(item) for load, item in zip(loaders, _items(data), strict=True))

    return load_each


def _items(data: Any) -> Any:
    if not isinstance(data, list | tuple):
        raise TypeError(f"{data!r} is no list")
    return data
