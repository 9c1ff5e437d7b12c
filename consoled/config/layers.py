"""Layers: tables laid over one another, and where each value of the result came from.

A console is its own table over its template over the defaults; what none of them gives is
built in. Tables within (``environment``) are merged key by key, everything else is replaced.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from consoled.config.document import Document
from consoled.config.locate import Path
from consoled.config.problem import Problem


@dataclass(frozen=True, slots=True)
class Layer:
    """One table of one document; ``title`` is as ``template ioc@``."""

    title: str
    document: Document
    path: tuple[str, ...]
    table: Mapping[str, Any]

    def line(self, path: Path = ()) -> int:
        """Where something in this table stands, or the table itself."""
        return self.document.line((*self.path, *path))

    def problem(self, path: Path, text: str) -> Problem:
        """Something in this table is wrong; ``path`` is within it."""
        path = as_written(self.table, path)
        return Problem(self.document.file, self.line(path), self.title, dotted(path), text)


def as_written(table: Mapping[str, Any], path: Path) -> Path:
    """``path`` without what is not in the text: a lone item is no list, nor a text a table."""
    written: list[str | int] = []
    value: Any = table
    for part in path:
        if isinstance(part, int) and isinstance(value, list):
            value = value[part]
        elif isinstance(part, str) and (value is None or isinstance(value, Mapping)):
            value = value.get(part) if value else None
        else:
            continue
        written.append(part)
    return tuple(written)


def dotted(path: Path) -> str:
    """``log.file``, ``listen[1].role``."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")


@dataclass(slots=True)
class Merged:
    """``own`` is the strongest layer; ``sources`` has the origin of each option in ``table``."""

    own: Layer
    table: dict[str, Any] = field(default_factory=dict)
    sources: dict[Path, Layer] = field(default_factory=dict)

    def source(self, path: Path) -> Layer:
        """Where the value at ``path`` was given; the own layer if it is built in."""
        return self.sources.get(path[:2]) or self.sources.get(path[:1]) or self.own

    def problem(self, path: Path, text: str) -> Problem:
        """Something is wrong with a value, whoever gave it."""
        return self.source(path).problem(path, text)

    def given(self, *path: str) -> bool:
        """Whether any layer gives this option."""
        return path in self.sources


def merge(layers: Iterable[Layer], tables: Set[str]) -> Merged:
    """Lay the later layers over the earlier ones; ``tables`` are options that are tables."""
    layers = list(layers)
    merged = Merged(layers[-1])
    for layer in layers:
        for key, value in layer.table.items():
            if key in tables and isinstance(value, Mapping):
                _merge_table(merged, layer, key, value)
            else:
                merged.table[key] = value
                merged.sources[(key,)] = layer
    return merged


def _merge_table(merged: Merged, layer: Layer, key: str, value: Mapping[str, Any]) -> None:
    below = merged.table.get(key)
    merged.table[key] = {**(below if isinstance(below, Mapping) else {}), **value}
    merged.sources.update({(key, inner): layer for inner in value})
