"""Files: found, read, refused; and read again from what was kept."""

import os
from pathlib import Path

import pytest

from consoled.loader.assemble import Outcome, load
from consoled.loader.lookup import Lookup
from consoled.loader.read import Files, KeptFiles, default_file


def load_from(path: Path, files: Files | None = None) -> Outcome:
    return load(files or Files(), str(path), Lookup(0, {}))


def test_main_file() -> None:
    assert default_file(0, {}) == "/etc/consoled/consoled.toml"
    assert default_file(0, {"CONSOLED_CONFIG": "/x"}) == "/x"
    assert default_file(1, {"HOME": "/h"}) == "/h/.config/consoled/consoled.toml"
    assert default_file(1, {"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == "/c/consoled/consoled.toml"


def test_included(tmp_path: Path) -> None:
    main = tmp_path / "main.toml"
    main.write_text("[server]\ninclude = ['a/*.toml', '*.toml', 'missing/*']\n", "utf-8-sig")
    (tmp_path / "a").mkdir()
    for name in ("b", "a", ".h"):
        (tmp_path / "a" / f"{name}.toml").write_text(f"[console.'{name}']\ncommand = 'x'\n")
    (tmp_path / "other.toml").write_text("[console.c]\r\ncommand = 'x'\r\nenv_file = 'env'\r\n")
    (tmp_path / "env").write_text("A=1\n")
    files = Files()
    outcome = load_from(main, files)
    assert outcome.site is not None
    assert [console.name for console in outcome.site.consoles] == ["a", "b", "c"]
    assert list(files.texts) == [
        str(tmp_path / name) for name in ("main.toml", "a/a.toml", "a/b.toml", "other.toml", "env")
    ]

    kept = KeptFiles(files.texts)
    for path in files.texts:
        os.unlink(path)
    again = load_from(main, kept)
    assert again.site == outcome.site
    assert kept.texts == files.texts


def test_missing(tmp_path: Path) -> None:
    outcome = load_from(tmp_path / "main.toml")
    assert list(map(str, outcome.problems)) == [
        f"{tmp_path}/main.toml: cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "main.toml"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    assert list(map(str, load_from(path).problems)) == [
        f"{path}: cannot be read: not a regular file"
    ]


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "main.toml"
    path.write_bytes(b"# one\n# two\n# \xff\n")
    assert list(map(str, load_from(path).problems)) == [f"{path}:3: not UTF-8: byte 0xFF"]


def test_env_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "main.toml"
    path.write_text("[console.a]\ncommand = 'x'\nenv_file = '.'\n")
    [problem] = load_from(path).problems
    assert str(problem) == (
        f"{path}:3: console a: env_file: {tmp_path} cannot be read: not a regular file"
    )
