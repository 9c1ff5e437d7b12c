"""What a crashed keeper left running is found; what a file only claims is not."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consoled.keeper import kin
from consoled.keeper.runfiles import RunFiles
from support import processes

from .conftest import WIPED, Family, no_descriptors

ASK = """
import sys
from consoled.keeper.runfiles import RunFiles
for s in RunFiles(sys.argv[1]).survivors():
    print(s.console, s.lives, *sorted(p.pid for p in s.kin))
"""

Make = Callable[..., Family]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "children"


@pytest.fixture
def files(folder: Path) -> Iterator[RunFiles]:
    files = RunFiles(str(folder))
    yield files
    files.close()


def ask(folder: Path) -> str:
    """The survivors as a keeper sees them that is nobody's parent."""
    argv = [sys.executable, "-c", ASK, str(folder)]
    return subprocess.check_output(argv, text=True, timeout=20).strip()


def test_living_child_is_a_survivor(files: RunFiles, folder: Path, family: Make) -> None:
    one = family("one", "sleep 1000 & echo job $!", 1)
    assert files.note("one", one.leader.pid, "some/cgroup")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "one").stat().st_mode) == 0o600
    (survivor,) = files.survivors()
    assert (survivor.console, survivor.leader) == ("one", one.leader)
    assert survivor.cgroup == "some/cgroup"
    assert survivor.lives
    assert {process.pid for process in survivor.kin} == {*one.pids.values()}
    assert (folder / "one").exists()
    assert files.drop("one")
    assert files.drop("one")
    assert files.survivors() == []


def test_dead_child_is_none_and_its_file_goes(files: RunFiles, folder: Path, family: Make) -> None:
    one = family("one")
    assert files.note("one", one.leader.pid)
    one.leave()
    assert files.survivors() == []
    assert list(folder.iterdir()) == []
    assert not files.note("one", one.leader.pid)
    assert "no process" in files.reason


def test_noted_anew(files: RunFiles, folder: Path, family: Make) -> None:
    first, second = family("one"), family("one")
    assert files.note("one", first.leader.pid)
    assert files.note("one", second.leader.pid)
    assert [survivor.leader for survivor in files.survivors()] == [second.leader]
    assert [path.name for path in folder.iterdir()] == ["one"]


def test_program_that_outlived_its_shell(files: RunFiles, folder: Path, family: Make) -> None:
    """The shell that started it died of the hang-up; the program would be doubled."""
    one = family("one", "nohup sleep 1000 >/dev/null 2>&1 & echo program $!", 1)
    bare = family("bare", f"{WIPED} nohup sleep 1000 >/dev/null 2>&1 & echo program $!", 1)
    processes.wait_for(lambda: bare.process("program").comm == b"sleep", "env -i")
    for console, its in (("one", one), ("bare", bare)):
        assert files.note(console, its.leader.pid)
        its.leave()
    assert ask(folder) == f"one False {one.pids['program']}"
    assert kin.signal_all(one_survivor(files, one), signal.SIGKILL) == []


def one_survivor(files: RunFiles, one: Family) -> tuple[kin.Process, ...]:
    assert files.note("one", one.pids["program"])  # any living process will do
    return files.survivors()[0].kin


@pytest.mark.parametrize(
    "change", [{"starttime": 1}, {"boot_id": "another"}, {"console": "two"}, {"pid": 1}]
)
def test_stale_file_goes(
    files: RunFiles, folder: Path, family: Make, change: dict[str, object]
) -> None:
    assert files.note("one", family("one").leader.pid)
    path = folder / "one"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert ask(folder) == ""
    assert not path.exists()


@pytest.mark.parametrize("text", [b"", b"{", b"x" * 5000, b"\xff\0", b"[" * 4000])
def test_broken_file_goes(files: RunFiles, folder: Path, text: bytes) -> None:
    (folder / "one").write_bytes(text)
    (folder / ".one").write_bytes(text)
    assert files.survivors() == []
    assert list(folder.iterdir()) == []


def test_what_is_not_ours_is_ignored(files: RunFiles, folder: Path, family: Make) -> None:
    assert files.note("real", family("real").leader.pid)
    text = (folder / "real").read_text().replace('"real"', '"one"')
    (folder.parent / "one").write_text(text)
    (folder / "one").symlink_to(folder.parent / "one")
    os.mkfifo(folder / "pipe")
    (folder / "directory").mkdir()
    (folder / "bad name").write_text(text)
    (folder / "writable").write_text(text.replace('"one"', '"writable"'))
    (folder / "writable").chmod(0o666)
    before = set(folder.iterdir())
    assert [survivor.console for survivor in files.survivors()] == ["real"]
    assert set(folder.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_ignored(files: RunFiles, folder: Path, family: Make) -> None:
    assert files.note("one", family("one").leader.pid)
    os.chown(folder / "one", 65534, 65534)
    assert files.survivors() == []
    assert (folder / "one").exists()


def test_note_replaces_a_link_and_not_its_target(
    files: RunFiles, folder: Path, family: Make
) -> None:
    target = folder.parent / "precious"
    target.write_text("precious")
    (folder / "one").symlink_to(target)
    (folder / ".one").symlink_to(target)
    assert files.note("one", family("one").leader.pid)
    assert target.read_text() == "precious"
    assert not (folder / "one").is_symlink()


def test_note_that_cannot_be_written(files: RunFiles, folder: Path, family: Make) -> None:
    (folder / "one").mkdir()
    assert not files.note("one", family("one").leader.pid)
    assert f"{folder}/one" in files.reason
    assert not files.drop("one")
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert not files.note("../one", os.getpid())
    assert not files.drop("../one")


def test_directory_that_others_may_write(folder: Path) -> None:
    folder.mkdir(0o755)
    RunFiles(str(folder)).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(PermissionError):
        RunFiles(str(folder))
    link = folder.parent / "link"
    link.symlink_to(folder)
    with pytest.raises(OSError, match="link"):
        RunFiles(str(link))


def test_keeper_started_in_a_console_spares_its_server(files: RunFiles, family: Make) -> None:
    """Its server inherits the mark, and is none of what the console has left."""
    one, server = family("one"), family("one")
    assert files.note("one", one.leader.pid)
    one.leave()
    assert files.survivors((server.leader.pid,)) == []


def test_out_of_descriptors(files: RunFiles, folder: Path, family: Make) -> None:
    """Rather no start than two of one."""
    pid = family("one").leader.pid
    assert files.note("one", pid)
    number = None
    with no_descriptors():
        noted = files.note("two", pid)
        try:
            files.survivors()
        except OSError as error:
            number = error.errno
    assert not noted
    assert "Too many open files" in files.reason
    assert number == errno.EMFILE
    assert [path.name for path in folder.iterdir()] == ["one"]


def test_thousand_notes(files: RunFiles, family: Make) -> None:
    """All of them of one process: found in one scan, for the last that noted it."""
    pid = family("one").leader.pid
    began = time.perf_counter()
    assert all(files.note(f"c{number}", pid) for number in range(1000))
    noted = time.perf_counter()
    found = files.survivors()
    ended = time.perf_counter()
    assert len(found) == 1
    print(f"1000 notes {1000 * (noted - began):.0f} ms, survivors {1000 * (ended - noted):.0f} ms")
