"""Which tables a site has: documents sorted into server, defaults, templates, consoles, groups.

No table is given twice: between files as within one, whoever comes second is told of the
first. Only ``[server]`` and ``[defaults]`` may be spread over files, key by key.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consoled.config.document import Document
from consoled.config.layers import Layer
from consoled.config.locate import Path
from consoled.config.problem import Problem, nearest
from consoled.config.schema import Site
from consoled.config.spelling import shown
from consoled.config.table import names_of

NAME_LIMIT: Final = 64

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*", re.ASCII)
_CHARACTERS: Final = "letters, digits and _ . : @ + -, beginning with a letter, digit or _"


@dataclass(slots=True)
class Tables:
    """All tables by name; problems are what stands where nothing of the kind can."""

    server: list[Layer] = field(default_factory=list)
    defaults: list[Layer] = field(default_factory=list)
    template: dict[str, Layer] = field(default_factory=dict)
    console: dict[str, Layer] = field(default_factory=dict)
    group: dict[str, Layer] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, document: Document, is_main: bool) -> None:
        """Sort in one document; the main one comes first."""
        for key, value in document.table.items():
            whole = Layer("", document, (), document.table)
            if key not in names_of(Site):
                hint = nearest(key, names_of(Site))
                self._problem(whole, (key,), f'no table or option "{key}" is known here{hint}')
            elif not isinstance(value, Mapping):
                self._problem(whole, (key,), f"expected a table, not {shown(value)}")
            elif key in ("server", "defaults"):
                self._spread(Layer(key, document, (key,), value), is_main)
            else:
                self._named(key, document, value)

    def _problem(self, layer: Layer, path: Path, text: str) -> None:
        self.problems.append(layer.problem(path, text))

    def _spread(self, layer: Layer, is_main: bool) -> None:
        if layer.title == "server" and "include" in layer.table and not is_main:
            self._problem(layer, ("include",), "only the main file can include others")
        layers: list[Layer] = getattr(self, layer.title)
        given = {path: other for other in layers for path in _leaves(other.table)}
        for path in _leaves(layer.table):
            if path in given:
                self._problem(layer, path, _already(given[path], path))
        layers.append(layer)

    def _named(self, kind: str, document: Document, tables: Mapping[str, Any]) -> None:
        known: dict[str, Layer] = getattr(self, kind)
        for name, table in tables.items():
            layer = Layer(f"{kind} {name}", document, (kind, name), table)
            if not isinstance(table, Mapping):
                hint = _forgotten_name(kind, name)
                self._problem(layer, (), f"expected a table, not {shown(table)}{hint}")
            elif fault := _wrong_name(kind, name):
                self._problem(layer, (), fault)
            elif name in known:
                self._problem(layer, (), _already(known[name], ()))
            else:
                known[name] = layer


def _leaves(table: Mapping[str, Any]) -> Iterator[Path]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ((key, inner) for inner in value)
        else:
            yield (key,)


def _already(layer: Layer, path: Path) -> str:
    return f"already given in {layer.document.file}:{layer.line(path)}"


def _forgotten_name(kind: str, name: str) -> str:
    """``[console]`` with options in it, as if there were only one."""
    return f'; write [{kind}.NAME] above "{name}"'


def _wrong_name(kind: str, name: str) -> str:
    """What is wrong with a name, or nothing."""
    if len(name) > NAME_LIMIT:
        return f"the name has more than {NAME_LIMIT} characters"
    if not _NAME.fullmatch(name):
        return f"not a name: use {_CHARACTERS}"
    if kind == "template" and (not name.endswith("@") or name.count("@") > 1):
        return f'a template is named by what stands before the "@": "{name.split("@")[0]}@"'
    if kind == "console" and name.endswith("@") and name.count("@") == 1:
        return f'an instance needs a name behind the "@", and [template."{name}"] a template'
    return ""
