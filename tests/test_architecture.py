"""The rules of ARCHITECTURE.md, enforced: layers, sizes, purity, one door per dependency."""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "consoled"

MAY_IMPORT = {
    "errors": set(),
    "disk": set(),
    "protocol": {"errors"},
    "config": {"protocol", "errors"},
    "keeper": {"config", "protocol", "errors"},
    "loader": {"config", "protocol", "errors"},
    "transports": {"config", "protocol", "errors"},
    "console": {"keeper", "config", "protocol", "disk", "errors"},
    "supervisor": {"console", "keeper", "config", "protocol", "disk", "errors"},
    "frontends": {"supervisor", "console", "transports", "keeper", "protocol", "errors"},
    "server": {
        *("frontends", "supervisor", "console", "transports", "keeper"),
        *("config", "protocol", "disk", "errors"),
    },
    "procserv": {
        *("frontends", "console", "transports", "keeper"),
        *("config", "protocol", "disk", "errors"),
    },
    "main": {"procserv", "config", "protocol", "errors"},
    "": set(),
}
"""Who may import whom, by folder or root module; itself is always allowed."""

PURE = (
    *("protocol", "config", "errors"),
    *("console/lifecycle", "console/cursor", "console/linelimit", "console/note"),
    *("keeper/watchdog", "supervisor/reload"),
)
"""Code that does no I/O: time, files and randomness come in as arguments."""

IMPURE_MODULES = {
    *("asyncio", "socket", "os", "time", "threading"),
    *("subprocess", "logging", "select", "random", "pathlib"),
}

ONE_DOOR = {"ptyprocess": "keeper/child", "pydantic": "config/table"}
"""Each dependency is imported in one module, so that it can be judged and replaced there."""

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
TYPICAL_FILE = 200
TYPICAL_FUNCTION = 10

FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE).with_suffix(""))


def layer_of(name: str) -> str:
    first = name.split("/")[0]
    return "" if first == "__init__" else first


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, as names like console/session."""
    names = {name.replace(".", "/") for name in imports(path) if name.startswith("consoled.")}
    existing = {name_of(file) for file in FILES}
    return {name.removeprefix("consoled/") for name in names} & existing


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_layers(path: Path) -> None:
    layer = layer_of(name_of(path))
    reached = {layer_of(name) for name in own_imports(path)} - {layer}
    assert reached <= MAY_IMPORT[layer], f"{layer} must not import {reached - MAY_IMPORT[layer]}"


def test_no_cycles() -> None:
    graph = {name_of(path): own_imports(path) for path in FILES}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith(PURE)], ids=name_of)
def test_purity(path: Path) -> None:
    reached = {name.split(".")[0] for name in imports(path)} & IMPURE_MODULES
    assert not reached, f"{name_of(path)} is pure code and must not import {reached}"


def test_keeper_process_is_small() -> None:
    """What must never die has no event loop of others, no network, no configuration to parse."""
    seen, open_ = set(), ["keeper/process"]
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_ += own_imports(PACKAGE / f"{name}.py")
    reached = {n.split(".")[0] for name in seen for n in imports(PACKAGE / f"{name}.py")}
    assert not reached & {"asyncio", "pydantic", "tomllib", "threading", "logging"}
    assert {layer_of(name) for name in seen} == {"keeper", "config", "protocol", "errors"}
    assert not {name for name in seen if name.startswith("config/")} - {"config/model"}


@pytest.mark.parametrize("dependency", ONE_DOOR)
def test_one_door_per_dependency(dependency: str) -> None:
    doors = [name_of(p) for p in FILES if any(n.split(".")[0] == dependency for n in imports(p))]
    assert doors == [ONE_DOOR[dependency]]


def test_every_dependency_has_its_door() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = config["options"]["install_requires"].split("\n")
    names = {re.split(r"[ <>=!~]", line)[0] for line in required if line}
    assert names == set(ONE_DOOR)


def test_package_list_is_the_folders_on_disk() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for path in FILES
        if path.name == "__init__.py"
    }
    assert listed == found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def function_lengths(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or 0) - node.lineno + 1, f"{name_of(path)}:{node.name}"


def median(numbers: list[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]


def test_sizes() -> None:
    files = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    functions = {name: length for path in FILES for length, name in function_lengths(path)}
    assert not {name: size for name, size in files.items() if size > LONGEST_FILE}
    assert not {name: size for name, size in functions.items() if size > LONGEST_FUNCTION}
    assert median([size for name, size in files.items() if "__init__" not in name]) <= TYPICAL_FILE
    assert median(list(functions.values())) <= TYPICAL_FUNCTION


def test_picture_is_the_tree() -> None:
    """ARCHITECTURE.md shows each module once, and none that is not there."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    shown = set(re.findall(r"^ +([a-z]+(?:/[a-z_]+)?\.py) ", text, re.MULTILINE))
    assert shown == {f"{name_of(p)}.py" for p in FILES if p.name != "__init__.py"}


def test_names_say_something() -> None:
    empty_words = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "base"}
    words = {word for path in FILES for word in name_of(path).split("/")}
    assert not words & empty_words
