"""The manual page and the option table say the same."""

import re
from pathlib import Path

import pytest

from consoled.config.procserv import OPTIONS, Argument, Option

PAGE = (Path(__file__).parents[2] / "man" / "consoled-procserv.1").read_text(encoding="utf-8")
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
