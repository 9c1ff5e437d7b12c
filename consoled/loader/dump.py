"""``--dump-config``: every option of every console, with its value and where that came from.

The text is TOML and means the same as the files it was made of, but for secrets, which are
never shown.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consoled.config.layers import Merged
from consoled.config.locate import Path
from consoled.config.model import ConsoleConfig
from consoled.config.placeholders import literal
from consoled.config.problem import nearest, printable
from consoled.config.resolve import Resolved
from consoled.config.schema import ConsoleOptions, ServerOptions
from consoled.config.spelling import spell, spell_key
from consoled.config.table import OptionText, Table, describe
from consoled.loader.assemble import Outcome, env_files
from consoled.loader.check import EX_CONFIG

EX_UNKNOWN = 5
MASK: Final = "********"
DEFAULT: Final = "default"

_PASSWORD: Final = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]*@")
_SECRET: Final = re.compile("PASS|SECRET|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One option by its path in the table; ``value`` is None if nothing is set."""

    path: tuple[str, ...]
    value: Any
    origin: str


Sections = dict[tuple[str, ...], list[Entry]]
"""Tables by their path: ("console", "ioc@vac")."""


def dump(outcome: Outcome, name: str, as_json: bool) -> int:
    """Print the whole configuration, or one console of it; returns the exit code."""
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    if outcome.site is None:
        return EX_CONFIG
    found = sections(outcome)
    if name:
        names = [path[1] for path in found if path[0] == "console"]
        found = {path: found[path] for path in found if path == ("console", name)}
        if not found:
            hint = nearest(name, names)
            print(f'there is no console "{printable(name)}"{hint}', file=sys.stderr)
            return EX_UNKNOWN
    print(_as_json(found) if as_json else "\n\n".join(_as_toml(found)))
    return 0


def sections(outcome: Outcome) -> Sections:
    """Everything, in the order of the files."""
    found: Sections = {("server",): list(_server(outcome))}
    for console, config in outcome.consoles:
        found["console", console.name] = list(_console(console, config))
    for name, members in outcome.resolution.groups.items():
        found["group", name] = [Entry(("members",), list(members), "patterns as of now")]
    return found


def _server(outcome: Outcome) -> Iterator[Entry]:
    assert outcome.site is not None
    server = outcome.site.server
    computed: dict[Path, Any] = {
        ("run_dir",): server.run_dir,
        ("state_dir",): server.state_dir,
        ("log_dir",): outcome.log_dir,
    }
    for entry in _entries(ServerOptions, outcome.resolution.server_merged, computed):
        is_include = entry.path == ("include",)
        yield Entry(entry.path, [], "all is in this text") if is_include else entry


def _console(console: Resolved, config: ConsoleConfig) -> Iterator[Entry]:
    computed: dict[Path, Any] = {("chdir",): config.directory, ("log", "file"): config.log.file}
    files = [path for _, path in env_files(console)]
    for entry in _entries(ConsoleOptions, console.merged, computed):
        if entry.path == ("env_file",):
            yield Entry(entry.path, literal(files), entry.origin)
        elif entry.path[0] == "environment" and _SECRET.search(entry.path[1]):
            yield Entry(entry.path, MASK, entry.origin)
        elif entry.path[0] == "environment" and isinstance(entry.value, str):
            shown = _PASSWORD.sub(rf"\1:{MASK}@", entry.value)
            yield Entry(entry.path, literal(shown), entry.origin)
        else:
            yield Entry(entry.path, literal(entry.value), entry.origin)


def _entries(
    model: type[Table],
    merged: Merged | None,
    computed: Mapping[Path, Any],
    path: tuple[str, ...] = (),
) -> Iterator[Entry]:
    given: Any = merged.table if merged else {}
    for part in path:
        given = given.get(part, {})
    for option in describe(model):
        here = (*path, option.name)
        value = given.get(option.name)
        if option.is_table and option.inner:
            yield from _entries(option.inner, merged, computed, here)
        elif option.is_table:
            for key, text in (value or {}).items():
                yield Entry((*here, key), text, _origin(merged, (*here, key)))
        elif value is not None:
            yield Entry(here, value, _origin(merged, here))
        else:
            yield _unset(option, here, computed.get(here, option.default))


def _unset(option: OptionText, path: tuple[str, ...], value: Any) -> Entry:
    return Entry(path, value, DEFAULT if value is not None else f"{DEFAULT}: {option.unset}")


def _origin(merged: Merged | None, path: tuple[str, ...]) -> str:
    if merged is None:
        return DEFAULT
    layer = merged.source(path)
    return f"{layer.title} at {layer.document.file}:{layer.line(path)}"


def _as_toml(found: Sections) -> Iterator[str]:
    for path, entries in found.items():
        header = f"[{'.'.join(map(spell_key, path))}]"
        yield "\n".join([header, *map(_line, entries)])


def _line(entry: Entry) -> str:
    key = ".".join(map(spell_key, entry.path))
    if entry.value is None:
        return f"# {key} is not set  # {printable(entry.origin)}"
    return f"{key} = {spell(entry.value)}  # {printable(entry.origin)}"


def _as_json(found: Sections) -> str:
    document: dict[str, Any] = {"schema": 1}
    for path, entries in found.items():
        table = document
        for part in path:
            table = table.setdefault(part, {})
        for entry in entries:
            table[".".join(entry.path)] = {"value": entry.value, "origin": entry.origin}
    return json.dumps(document, indent=2)
