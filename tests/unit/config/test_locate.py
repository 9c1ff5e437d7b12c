"""Lines of a TOML text: everything that tomllib reads is found where it stands."""

import tomllib
from typing import Any

import pytest

from consoled.config.locate import Path, locate

TEXT = (
    r'''# a comment with [brackets] and key = "value"
top = 1
[server]
run_dir = "/run" # [not.a.header]

[console."ioc@vac"]
listen = [
  "2000", # first
  { at = "2001", "role" = "ro" },
  ["]", '[', """
= { [ """],
]
log.file = """
[console.no]
key = 1 \""" """
log . "time stamp" = true
[ console . 'a.b' ]
environment = { A = "1", B.C = 2 }
limits.core = '''
    + """'''
x = [
'''
after = 2
[console.\"esc\\u0061pe\"]
command = 'x'
"""
)

EXPECTED = {
    ("top",): 2,
    ("server",): 3,
    ("server", "run_dir"): 4,
    ("console",): 6,
    ("console", "ioc@vac"): 6,
    ("console", "ioc@vac", "listen"): 7,
    ("console", "ioc@vac", "listen", 0): 8,
    ("console", "ioc@vac", "listen", 1): 9,
    ("console", "ioc@vac", "listen", 1, "role"): 9,
    ("console", "ioc@vac", "listen", 2): 10,
    ("console", "ioc@vac", "log"): 13,
    ("console", "ioc@vac", "log", "file"): 13,
    ("console", "ioc@vac", "log", "time stamp"): 16,
    ("console", "a.b"): 17,
    ("console", "a.b", "environment", "B", "C"): 18,
    ("console", "a.b", "limits", "core"): 19,
    ("console", "a.b", "after"): 22,
    ("console", "escape"): 23,
    ("console", "escape", "command"): 24,
}


@pytest.mark.parametrize(("path", "line"), EXPECTED.items(), ids=str)
def test_line(path: Path, line: int) -> None:
    assert locate(TEXT).line(path) == line


def paths(value: Any, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else ()
    for key, item in inner:
        found += paths(item, (*path, key))
    return found


def test_every_key_has_a_line_of_its_own() -> None:
    lines = locate(TEXT)
    for path in paths(tomllib.loads(TEXT)):
        key = str(path[-1]).replace("escape", "esc")
        assert key in TEXT.splitlines()[lines.line(path) - 1], path


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("nowhere",), 1),
        (("server", "missing"), 3),
        (("console", "ioc@vac", "listen", 1, "rol"), 9),
        (("console", "ioc@vac", "listen", 7), 7),
        (("console", "ioc@vac", "kill"), 6),
    ],
)
def test_what_is_not_there_gets_the_line_around_it(path: Path, line: int) -> None:
    assert locate(TEXT).line(path) == line


def test_repetition() -> None:
    lines = locate("[a]\nb = 1\n[c]\n[a]\nb = 2\nb = 3\n")
    assert lines.repeated == [(("a",), 1, 4), (("a", "b"), 2, 5), (("a", "b"), 2, 6)]


def test_a_table_named_after_what_is_in_it_is_no_repetition() -> None:
    assert locate("[a.b]\nc = 1\n[a]\nd = 1\n").repeated == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "]",
        "[[",
        "]]",
        "= =",
        "a = [}",
        "a = {]",
        '"',
        '"""',
        "'",
        "a.b.",
        "[a",
        ",,",
        "\\",
    ],
)
def test_no_toml_does_no_harm(text: str) -> None:
    assert locate(text + "\nx = 1").line(("x",)) in (1, 2)


def test_windows_line_ends() -> None:
    assert locate("[a]\r\nb = 1\r\nc = 2\r\n").line(("a", "c")) == 3


def test_a_key_of_thousands_of_parts() -> None:
    assert locate("a." * 20_000 + "b = 1").line(("a", "a")) == 1
