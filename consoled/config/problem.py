"""Problem: one thing wrong in a configuration, where it stands and what would do.

Whoever reads a configuration collects problems and goes on, so that all are told at once.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """``line`` 0 concerns the whole file; ``subject`` is as ``console ioc@vac`` or empty.

    ``key`` is the option, with dots below tables: ``log.file``.
    """

    file: str
    line: int
    subject: str
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = (where, self.subject, self.key, self.text)
        return printable(": ".join(part for part in parts if part))

    def as_warning(self) -> "Problem":
        """The same, said as a warning."""
        return replace(self, text=f"warning: {self.text}")


def printable(text: str) -> str:
    """``text`` without anything that a terminal would act upon; one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """``, did you mean X?`` with the known word that looks most like ``word``, if any does."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f', did you mean "{close[0]}"?' if close else ""
