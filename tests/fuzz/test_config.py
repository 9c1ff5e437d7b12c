"""Configurations out of any text: problems with a place, or options, and nothing raised.

``CONSOLED_FUZZ`` is the number of examples per target.
"""

import os
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from consoled.config.document import Document, parse_document
from consoled.config.envfile import parse_envfile
from consoled.config.locate import locate
from consoled.config.placeholders import fill, literal
from consoled.config.resolve import Resolution, resolve
from consoled.config.schema import ConsoleOptions
from consoled.config.spelling import spell
from consoled.config.table import names_of, read_table
from consoled.config.tables import Tables

fuzz = settings(max_examples=int(os.environ.get("CONSOLED_FUZZ", "300")), deadline=None)

VALID = r"""# two consoles
[server]
run_dir = "/run/c"
include = ["a/*.toml"]
[defaults]
holdoff = "15s"
environment = { A = "1", B = "{name}" }
[template."ioc@"]
command = ["run", '''{instance}.cmd''']
listen = ["2000", { at = "tcp:[::1]:2{instance}", role = "ro" }]
limits.core = "1K:unlimited"
stop_keys = "exit\n"
[console."ioc@1"]
log . file = ""
[console.gw]
command = \"""
gateway 'a b'\"""
env_file = [
  "x", # more
]
[group.all]
members = ["*", "gw"]
""".replace('\\"""', '"""')

snippets = st.sampled_from(
    [
        *("[", "]", "{", "}", "=", ",", ".", '"', "'", '"""', "'''", "#", "\n", "\r\n", "\\", " "),
        *("[console.a]", '[console."ioc@2"]', "[group.g]", "[[console]]", "[defaults]", "true"),
        *("1", "-1", "nan", "inf", "1e999", "2026-01-01", "\\u0000", "\0", "\x1b", "{name}", "{x}"),
        *names_of(ConsoleOptions),
    ]
)
texts = st.one_of(st.text(max_size=60), st.lists(snippets, max_size=20).map("".join))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), snippets),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
tables = st.dictionaries(
    st.one_of(st.sampled_from(names_of(ConsoleOptions)), st.text(max_size=6)), values, max_size=6
)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """The valid text with a few pieces cut out, put in or doubled."""
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        put = draw(st.one_of(snippets, st.just(""), st.just(text[start:end] * 2)))
        text = text[:start] + put + text[end:]
    return text


def read(text: str) -> tuple[Resolution, list[str]]:
    sorted_in, complete = Tables(), True
    problems = []
    document = parse_document("f", text)
    if isinstance(document, Document):
        sorted_in.add(document, is_main=True)
    else:
        problems += document
        complete = False
    resolution = resolve(sorted_in, complete)
    problems += [*sorted_in.problems, *resolution.problems]
    lines = text.count("\n") + 1
    assert all(0 <= problem.line <= lines for problem in problems)
    return resolution, [str(problem) for problem in problems]


def test_the_text_to_mutate_is_right() -> None:
    resolution, problems = read(VALID)
    assert problems == []
    assert len(resolution.consoles) == 2


@fuzz
@given(st.one_of(texts, mutations()))
def test_any_text(text: str) -> None:
    resolution, problems = read(text)
    assert all(problem.startswith("f:") and problem.isprintable() for problem in problems)
    assert problems or all(console.options.command for console in resolution.consoles)


@fuzz
@given(tables)
def test_any_table(table: dict[str, object]) -> None:
    options, faults = read_table(ConsoleOptions, table)
    assert options is not None
    assert all(fault.text and fault.path for fault in faults)


@fuzz
@given(st.one_of(texts, mutations()))
def test_lines_of_any_text(text: str) -> None:
    lines = locate(text)
    assert 1 <= lines.line(("console", "gw", "env_file", 0)) <= text.count("\n") + 1


@fuzz
@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_what_is_spelled_is_read_and_found_again(table: dict[str, object]) -> None:
    table = {key: value for key, value in table.items() if tomls(value)}
    text = "\n" + spell({"x": table}).removeprefix("{").removesuffix("}").strip()
    assert tomllib.loads(text) == {"x": table}
    lines = locate(text)
    assert all(lines.line(("x", key)) == 2 for key in table)


def tomls(value: object) -> bool:
    """Whether TOML can hold a value, and tests can compare it."""
    if isinstance(value, dict):
        return all(map(tomls, value.values()))
    if isinstance(value, list):
        return all(map(tomls, value))
    return value is not None and value == value


@fuzz
@given(values)
def test_literal_and_fill_are_opposites(value: object) -> None:
    if tomls(value):
        assert fill(literal(value), "a@b") == value


@fuzz
@given(st.one_of(st.text(), st.text("AB=\\'\" \n#export", max_size=40)))
def test_files_of_variables(text: str) -> None:
    variables = parse_envfile(text)
    assert all(1 <= line <= text.count("\n") + 1 for line, _ in variables.faults)
    assert all(key.isascii() and "\0" not in value for key, value in variables.values.items())
