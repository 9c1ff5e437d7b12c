"""The manual pages and the tables of options and verbs say the same."""

import re
from pathlib import Path

import pytest

from consoled.config.procserv import OPTIONS, Argument, Option
from consoled.frontends.control import _VERBS
from consoled.server.commandline import parser

MAN = Path(__file__).parents[2] / "man"
PAGE = (MAN / "consoled-procserv.1").read_text(encoding="utf-8")
SERVER_PAGE = (MAN / "consoled.8").read_text(encoding="utf-8")
OPTION_LIST = PAGE.partition(".Ss Options\n")[2].partition("\n.Ss ")[0]
# `.It Fl c , Fl -chdir Ar directory` begins the entry of an option.
ENTRIES = re.findall(r"^\.It (?:Fl (\w) , )?Fl -([\w-]+)(.*)$", OPTION_LIST, re.MULTILINE)


def test_no_option_is_missing_and_none_is_invented() -> None:
    described = [(short, long) for short, long, _ in ENTRIES]
    assert sorted(described) == sorted((option.short, option.long) for option in OPTIONS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.long))
def test_argument(option: Option) -> None:
    rest = next(rest for _, long, rest in ENTRIES if long == option.long)
    shown = {
        Argument.NONE: r"",
        Argument.REQUIRED: r" (Ar \w+|Cm .*)",
        Argument.OPTIONAL: r" Ns Op = Ns Ar \w+",
    }
    assert re.fullmatch(shown[option.argument], rest)


def test_options_are_named_in_the_text_only_if_they_exist() -> None:
    known = {option.long for option in OPTIONS} | {option.short for option in OPTIONS}
    named = re.findall(r"\bFl (?:-([a-z][\w-]*)|(\w))", PAGE)
    assert {long or short for long, short in named} <= known


def server_options() -> dict[str, str | None]:
    """Long options of consoled, each with its letter or None."""
    words = [action.option_strings for action in parser()._actions]
    return {w[-1].removeprefix("--"): w[0][1] if len(w) > 1 else None for w in words}


def test_every_option_of_consoled_has_its_entry() -> None:
    section = SERVER_PAGE.partition(".Ss Options\n")[2].partition("\n.Ss ")[0]
    entries = re.findall(r"^\.It (?:Fl (\w) , )?Fl -([\w-]+)", section, re.MULTILINE)
    assert {long: short or None for short, long in entries} == server_options()


def test_options_of_consoled_are_named_only_if_they_exist() -> None:
    known = {word for pair in server_options().items() for word in pair}
    named = re.findall(r"\bFl (?:-([a-z][\w-]*)|(\w))", SERVER_PAGE)
    assert {long or short for long, short in named} <= known


def test_every_control_verb_has_its_entry() -> None:
    section = SERVER_PAGE.partition(".Sh CONTROL SOCKET\n")[2]
    verbs = section.partition(".Bl -tag")[2].partition("\n.El")[0]
    assert re.findall(r"^\.It Cm ([\w-]+)$", verbs, re.MULTILINE) == list(_VERBS)
