"""From tables to options: each console merged, filled in and checked, with its origins."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from consoled.config.layers import Layer, Merged, merge
from consoled.config.locate import Path
from consoled.config.placeholders import fill, template_of
from consoled.config.problem import Problem
from consoled.config.schema import ConsoleOptions, GroupOptions, ServerOptions
from consoled.config.table import merged_names, read_table
from consoled.config.tables import Tables
from consoled.errors import ConfigError

TABLES: Final = merged_names(ConsoleOptions)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The options of one console, and the merged table they were read from."""

    name: str
    options: ConsoleOptions
    merged: Merged


@dataclass(slots=True)
class Resolution:
    """All options of a site. Problems repeat where one table serves many consoles."""

    server: ServerOptions
    server_merged: Merged | None
    consoles: list[Resolved] = field(default_factory=list)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def resolve(tables: Tables, complete: bool) -> Resolution:
    """Check everything; without ``complete`` some tables could not be read at all, and what
    seems to be missing is not complained about.
    """
    server, merged, problems = resolve_server(tables.server)
    resolution = Resolution(server, merged, problems=problems)
    for layer in (*tables.defaults, *tables.template.values()):
        problems += _check_alone(layer)
    for name in tables.console:
        if complete or not _lacks_template(name, tables):
            _resolve_console(resolution, name, tables)
    for name, layer in tables.group.items():
        _resolve_group(resolution, name, layer, tables, complete)
    return resolution


def resolve_server(layers: list[Layer]) -> tuple[ServerOptions, Merged | None, list[Problem]]:
    """The options of the server; its table need not exist."""
    if not layers:
        return ServerOptions(), None, []
    merged = merge(layers, merged_names(ServerOptions))
    options, faults = read_table(ServerOptions, merged.table)
    problems = [merged.problem(fault.path, fault.text) for fault in faults]
    return options or ServerOptions(), merged, problems


def _check_alone(layer: Layer) -> list[Problem]:
    """Defaults and templates may serve nobody; what is not to be filled in is checked here."""
    plain = {key: value for key, value in layer.table.items() if not _has_braces(value)}
    _, faults = read_table(ConsoleOptions, plain)
    return [layer.problem(fault.path, fault.text) for fault in faults]


def _has_braces(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_braces, value.values()))
    if isinstance(value, list):
        return any(map(_has_braces, value))
    return isinstance(value, str) and ("{" in value or "}" in value)


def _lacks_template(name: str, tables: Tables) -> bool:
    template = template_of(name)
    return template is not None and template not in tables.template


def _resolve_console(resolution: Resolution, name: str, tables: Tables) -> None:
    own = tables.console[name]
    template = tables.template.get(template_of(name) or "")
    if _lacks_template(name, tables) and "command" not in own.table:
        text = f'there is no [template."{template_of(name)}"], and the console has no command'
        resolution.problems.append(own.problem((), text))
        return
    merged = merge([*tables.defaults, *([template] if template else []), own], TABLES)
    problems = list(_fill_in(merged, name))
    options, faults = read_table(ConsoleOptions, merged.table)
    problems += [merged.problem(fault.path, fault.text) for fault in faults]
    if "command" not in own.table and not merged.given("command"):
        problems.append(own.problem((), 'no command: add command = "..."'))
    resolution.problems += problems
    if options is not None:
        resolution.consoles.append(Resolved(name, options, merged))


def _fill_in(merged: Merged, name: str) -> Iterator[Problem]:
    """Fill in placeholders; what cannot be is taken out."""
    inner = [key for key in TABLES if isinstance(merged.table.get(key), dict)]
    for key in inner:
        table = merged.table[key]
        yield from _fill_table(merged, table, list(table), (key,), name)
    rest = [key for key in merged.table if key not in inner]
    yield from _fill_table(merged, merged.table, rest, (), name)


def _fill_table(
    merged: Merged, table: dict[str, Any], keys: list[str], path: Path, name: str
) -> Iterator[Problem]:
    for key in keys:
        try:
            table[key] = fill(table[key], name)
        except ConfigError as error:
            yield merged.problem((*path, key), str(error))
            del table[key]


def _resolve_group(
    resolution: Resolution, name: str, layer: Layer, tables: Tables, complete: bool
) -> None:
    options, faults = read_table(GroupOptions, layer.table)
    resolution.problems += [layer.problem(fault.path, fault.text) for fault in faults]
    members: dict[str, None] = {}
    for place, pattern in enumerate(options.members if options else ()):
        found = [console for console in tables.console if fnmatchcase(console, pattern)]
        members |= dict.fromkeys(found)
        if not found and complete:
            text = f'no console is called "{pattern}"'
            resolution.problems.append(layer.problem(("members", place), text))
    resolution.groups[name] = tuple(members)
