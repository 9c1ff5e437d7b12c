"""Files of environment variables: lines of KEY=VALUE, as ``env_file`` names them.

    # a comment
    EPICS_CA_ADDR_LIST=10.0.0.255 10.0.1.255
    export PS1='ioc> '
    MOTD="a \\"quoted\\" word"

Blanks around a value are dropped, nothing in it is expanded, a ``#`` within it is no comment.
Between single quotes all is literal; between double ones a backslash keeps the character
behind it.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_LINE: Final = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VALUE: Final = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|([^'"].*|)""", re.DOTALL)


@dataclass(slots=True)
class Variables:
    """What a file sets, and what is wrong in it as (line, text)."""

    values: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)


def parse_envfile(text: str) -> Variables:
    """Read a whole file; of a name that is set twice the later value counts."""
    read = Variables()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            _take(read, number, line)
    return read


def _take(read: Variables, number: int, line: str) -> None:
    """What a value is stays unsaid in messages: it may be a secret."""
    pair = _LINE.fullmatch(line)
    if pair is None:
        read.faults.append((number, "expected KEY=VALUE with letters, digits and _ in KEY"))
        return
    value = _VALUE.fullmatch(pair[2].strip())
    if value is None:
        read.faults.append((number, f"the quotes around the value of {pair[1]} do not match"))
    elif "\0" in pair[2]:
        read.faults.append((number, f"the value of {pair[1]} contains a NUL"))
    else:
        read.values[pair[1]] = _unquoted(value)


def _unquoted(value: re.Match[str]) -> str:
    if value[2] is not None:
        return re.sub(r"\\(.)", r"\1", value[2], flags=re.DOTALL)
    return str(value[1] if value[1] is not None else value[3])
