"""Document: one TOML text with its tables and the lines they stand in."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from consoled.config.locate import DEEPEST, Lines, Path, locate
from consoled.config.problem import Problem
from consoled.config.spelling import spell_key

# tomllib tells the place only in the text of its errors.
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")
_TWICE: Final = re.compile(r"Cannot (?:overwrite|declare|mutate|redefine)|Duplicate")
_UNQUOTED: Final = re.compile(r"\s*\[\s*(\w+)\s*\.\s*([^\]\"']*@[^\]\"']*?)\s*\]")


@dataclass(frozen=True)
class Document:
    """``file`` is what messages call it."""

    file: str
    text: str
    table: Mapping[str, Any]

    @cached_property
    def _lines(self) -> Lines:
        return locate(self.text)

    def line(self, path: Path) -> int:
        """Where ``path`` stands."""
        return self._lines.line(path)


def parse_document(file: str, text: str) -> Document | list[Problem]:
    """Read a text; what is no TOML gives problems, mostly one."""
    try:
        table = tomllib.loads(text)
        if not _is_deeper(table, DEEPEST):
            return Document(file, text, table)
        return [Problem(file, 0, "", "", "tables or lists are nested too deeply")]
    except tomllib.TOMLDecodeError as error:
        return _problems(file, text, str(error))
    except RecursionError:
        return [Problem(file, 0, "", "", "tables or lists are nested too deeply")]
    # Python does not read numbers of thousands of digits.
    except ValueError:
        return [Problem(file, 0, "", "", "not TOML: a number has too many digits")]


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _problems(file: str, text: str, message: str) -> list[Problem]:
    if _TWICE.match(message) and (repeated := locate(text).repeated):
        return [
            Problem(file, line, _spelled(path), "", f"already given in line {first}")
            for path, first, line in repeated
        ]
    place = _PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    column = f", column {place[2]}" if place and place[2] else ""
    return [Problem(file, line, "", "", f"not TOML{column}: {_reason(text, line, message)}")]


def _reason(text: str, line: int, message: str) -> str:
    """tomllib's words, or better ones where the mistake is known."""
    rows = text.split("\n")
    header = _UNQUOTED.match(rows[line - 1]) if line <= len(rows) else None
    if header:
        return f'a name with "@" needs quotes: [{header[1]}."{header[2]}"]'
    reason = _PLACE.sub("", message)
    return reason[:1].lower() + reason[1:]


def _spelled(path: Path) -> str:
    return ".".join(spell_key(str(word)) for word in path)
