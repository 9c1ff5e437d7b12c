"""The reference of options in consoled.toml(5), made from the tables that check them.

It stands between two comments of the page; the rest of the page is written by hand.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consoled.config.schema import (
    ConsoleOptions,
    GroupOptions,
    LimitOptions,
    ListenOptions,
    LogOptions,
    ServerOptions,
)
from consoled.config.spelling import spell
from consoled.config.table import OptionText, Table, describe

BEGIN: Final = '.\\" Options: made by python -m consoled.loader --man, do not edit.\n'
WIDTH: Final = 72
END: Final = '.\\" End of options.\n'

_HEADINGS: Final[tuple[tuple[str, str, type[Table]], ...]] = (
    ("Options of the server", "These stand in\n.Li [server] .", ServerOptions),
    (
        "Options of consoles",
        "These stand in\n.Li [console.NAME] ,\n.Li [template.\\(dqNAME@\\(dq]\nand\n"
        ".Li [defaults] .",
        ConsoleOptions,
    ),
    ("Options of log", "These stand in the table\n.Cm log\nof a console.", LogOptions),
    (
        "Options of limits",
        "These stand in the table\n.Cm limits\nof a console, see\n.Xr setrlimit 2 .\n"
        "A limit is a number, a size,\n.Cm unlimited\nor a soft and a hard one as in\n"
        ".Li \\(dq1024:65536\\(dq .\nAll of them take effect at the next start;\n"
        "what is not given is as the server was given it.",
        LimitOptions,
    ),
    (
        "Options of an endpoint",
        "These stand in a table within the list\n.Cm listen\nof a console.",
        ListenOptions,
    ),
    ("Options of groups", "These stand in\n.Li [group.NAME] .", GroupOptions),
)


def renew(file: str) -> int:
    """Write the reference into a page; returns the exit code."""
    page = Path(file)
    page.write_text(with_reference(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def with_reference(page: str) -> str:
    """A page with its reference as it ought to be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "".join(f"{line}\n" for line in reference()) + END + tail


def reference() -> Iterator[str]:
    """The lines of the reference."""
    for title, text, model in _HEADINGS:
        yield f".Ss {title}"
        yield from text.split("\n")
        yield ".Bl -tag -width Ds"
        for option in describe(model):
            yield from _entry(option, brief=model is LimitOptions)
        yield ".El"


def _entry(option: OptionText, brief: bool) -> Iterator[str]:
    yield f".It Cm {option.name} No = Ar {_escaped(option.word)}"
    yield from _sentences(option.text)
    if not brief:
        if not option.is_table:
            yield from _sentences(_default(option))
        yield f"A change takes effect {option.effect}."
    yield f".Dl {option.name} = {_escaped(option.example)}"


def _default(option: OptionText) -> str:
    if option.default is not None:
        return f"The default is {spell(option.default)}."
    return f"If not given: {option.unset}." if option.unset else "It must be given."


def _sentences(text: str) -> Iterator[str]:
    """mdoc wants each sentence to begin a line, and lines to be short."""
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", text):
        lines = textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from map(_escaped, lines)


def _escaped(text: str) -> str:
    """Text for mandoc, whatever is in it; also as the argument of a macro."""
    for character, escape in (
        ("\\", "\\e"),
        ('"', "\\(dq"),
        ("^", "\\(ha"),
        ("~", "\\(ti"),
        ("'", "\\(aq"),
        ("|", "\\*(Ba"),
    ):
        text = text.replace(character, escape)
    # A lone mark would be punctuation to a macro, and a dot at the beginning a macro.
    return re.sub(r"(?<![^ ])([.,:;()\[\]?!{}=])", r"\\&\1", text)
