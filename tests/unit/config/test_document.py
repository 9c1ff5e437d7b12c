"""Texts that are no TOML: one line, and what to do."""

import pytest

from consoled.config.document import Document, parse_document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb 2\n", "f:2: not TOML, column 3: expected '=' after a key in a key/value pair"),
        ("a = 1\nb = \n\n", "f:2: not TOML, column 5: invalid value"),
        ("a = [1,\n2\n", "f:2: not TOML: unclosed array"),
        (
            "[console.ioc@vac]\n",
            'f:1: not TOML, column 13: a name with "@" needs quotes: [console."ioc@vac"]',
        ),
        (
            "x = 1\n [ template . ioc@ ]\n",
            'f:2: not TOML, column 18: a name with "@" needs quotes: [template."ioc@"]',
        ),
        ("[a]\nb = 1\nb = 2\n", "f:3: a.b: already given in line 2"),
        ("[a]\nx = 1\n[b]\n[a]\n", "f:4: a: already given in line 1"),
        ('[a."x y"]\n[a."x y"]\n', 'f:2: a."x y": already given in line 1'),
        ("a = 2026-13-01\n", "f:1: not TOML, column"),
        ("a = 'x\x1b'\n", "f:1: not TOML, column 7: found invalid character '\\x1b'"),
        ("a = " + "[" * 5000, "f: tables or lists are nested too deeply"),
        ("a." * 100 + "b = 1", "f: tables or lists are nested too deeply"),
        ("a = " + "9" * 5000, "f: not TOML: a number has too many digits"),
    ],
)
def test_problem(text: str, message: str) -> None:
    problems = parse_document("f", text)
    assert isinstance(problems, list)
    [problem] = map(str, problems)
    assert problem.startswith(message)


def test_every_repetition_is_told() -> None:
    problems = parse_document("f", "[a]\nb = 1\nb = 2\n[a]\n")
    assert isinstance(problems, list)
    assert [problem.line for problem in problems] == [3, 4]


def test_document_knows_its_lines() -> None:
    document = parse_document("f", "[a]\n\nb = 1\n")
    assert isinstance(document, Document)
    assert document.table == {"a": {"b": 1}}
    assert document.line(("a", "b")) == 3
