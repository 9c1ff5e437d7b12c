"""Lines of tables, keys and list items in a TOML text, which tomllib does not tell.

One pass over tokens with a stack of open brackets. Text that is no TOML is read as well as
it goes: what cannot be placed gets the line of the nearest thing around it. Nothing is raised.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Path = tuple[str | int, ...]
"""Keys from the top of the text, and places in lists: ("console", "vac", "listen", 1)."""

# No configuration goes that far down; a key of a thousand parts costs nothing this way.
DEEPEST: Final = 20

_TOKEN: Final = re.compile(
    r"(?P<newline>\n)|[ \t\r]+|#[^\n]*"
    r'|(?P<string>"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}'
    r'|"(?:[^"\\\n]|\\[^\n])*"|\'[^\'\n]*\')'
    r"|(?P<bare>[^\s\"'#\[\]{}=,.]+)|(?P<mark>[\[\]{}=,])|.",
    re.DOTALL,
)


@dataclass(slots=True)
class _Open:
    """A table or list whose end is not reached; the first one is the table of the last header.

    ``words`` are the parts of the key being read, from ``line`` on; ``valued`` is true
    behind its ``=``.
    """

    path: Path
    is_list: bool
    words: list[str] = field(default_factory=list)
    line: int = 0
    valued: bool = False
    index: int = 0

    @property
    def current(self) -> Path:
        return (*self.path, self.index) if self.is_list else (*self.path, *self.words)

    def next(self) -> None:
        self.words.clear()
        self.valued = False
        self.index += 1


class Lines:
    """Where things stand in one text. ``repeated`` holds (path, first line, other line)."""

    def __init__(self, lines: Mapping[Path, int], repeated: list[tuple[Path, int, int]]) -> None:
        self._lines = lines
        self.repeated = repeated

    def line(self, path: Path) -> int:
        """The line of ``path``, or of what is nearest around it; lines count from 1."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return 1


def locate(text: str) -> Lines:
    """Read the whole text."""
    scan = _Scan()
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "newline":
            scan.end_of_line()
        elif kind == "mark":
            scan.mark(token[0])
        elif kind is not None:
            scan.word(token[0])
            scan.number += token[0].count("\n")
    return Lines(scan.lines, scan.repeated)


class _Scan:
    """State between two tokens; ``number`` is the line of the next one."""

    def __init__(self) -> None:
        self.number = 1
        self.lines: dict[Path, int] = {}
        self.repeated: list[tuple[Path, int, int]] = []
        self._given: set[Path] = set()
        self._in_header = False
        self._stack = [_Open((), is_list=False)]

    def end_of_line(self) -> None:
        self.number += 1
        if len(self._stack) == 1:
            self._in_header = False
            self._stack[0].next()

    def word(self, token: str) -> None:
        top = self._stack[-1]
        if top.is_list:
            self._note(top.current)
        elif not top.valued:
            top.line = top.line if top.words else self.number
            top.words.append(_unquoted(token))

    def mark(self, mark: str) -> None:
        top = self._stack[-1]
        inner = len(self._stack) > 1
        if not inner and not top.valued and mark in "[]":
            self._header(mark)
        elif mark in "[{":
            self._open(is_list=mark == "[")
        elif mark in "]}" and inner and top.is_list == (mark == "]"):
            self._stack.pop()
        elif mark == "=" and not top.is_list and not top.valued:
            self._define(top.current, top.line)
            top.valued = True
        elif mark == "," and inner:
            top.next()

    def _header(self, mark: str) -> None:
        if mark == "[":
            self._stack[0] = _Open((), is_list=False)
            self._in_header = True
        elif self._in_header:
            self._in_header = False
            path = self._stack[0].current
            self._stack[0] = _Open(path, is_list=False)
            self._define(path, self.number)

    def _open(self, is_list: bool) -> None:
        path = self._stack[-1].current
        self._note(path)
        self._stack.append(_Open(path, is_list))

    def _define(self, path: Path, line: int) -> None:
        if path in self._given:
            self.repeated.append((path, self.lines.get(path, line), line))
        self._given.add(path)
        for end in range(1, min(len(path), DEEPEST) + 1):
            self.lines.setdefault(path[:end], line)

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.number)


def _unquoted(word: str) -> str:
    if word[0] not in "\"'":
        return word
    if word[0] == '"' and "\\" in word:
        try:
            return next(iter(tomllib.loads(f"{word} = 0")))
        except tomllib.TOMLDecodeError:
            pass
    return word[1:-1]
