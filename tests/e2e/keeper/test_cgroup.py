"""A cgroup per console: nobody leaves it, one write ends all, and no failure is raised."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consoled.keeper.cgroup import HERE, Cgroups
from support import processes

from .conftest import WIPED, Hierarchy

SCATTER = f"""
setsid sleep 1000 & echo $!
(setsid sleep 1000 >/dev/null & echo $!)
({WIPED} setsid sleep 1000 >/dev/null & echo $!)
wait
"""

FIND = """
import os, sys
from consoled.keeper.cgroup import Cgroups
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
found, reason = Cgroups.find(None)
print(found.root if found else reason)
"""


@pytest.fixture
def cgroups(hierarchy: Hierarchy) -> Iterator[Cgroups]:
    found, reason = Cgroups.find(str(hierarchy.own))
    assert found is not None, reason
    yield found
    found.close()


@pytest.fixture
def start(mark: str) -> Iterator[Callable[[int, str], subprocess.Popen[bytes]]]:
    """Run a script that has put itself into a cgroup before its exec."""
    made: list[subprocess.Popen[bytes]] = []

    def start(entrance: int, script: str) -> subprocess.Popen[bytes]:
        made.append(
            subprocess.Popen(
                ["sh", "-c", script],
                env=os.environ | {processes.MARK: mark},
                stdout=subprocess.PIPE,
                preexec_fn=lambda: os.write(entrance, HERE) and None,
            )
        )
        os.close(entrance)
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait(10)
        assert one.stdout is not None
        one.stdout.close()


Start = Callable[[int, str], "subprocess.Popen[bytes]"]


def place(cgroups: Cgroups, console: str) -> int:
    entrance = cgroups.place(console)
    assert entrance is not None, cgroups.reason
    return entrance


def await_removal(cgroups: Cgroups, console: str) -> None:
    def removed() -> bool:
        processes.reap_orphans()
        return cgroups.remove(console)

    processes.wait_for(removed, f"removal of {cgroups.path(console)}")


@pytest.mark.parametrize("console", ["ioc-1", "cgroup.kill", "../../escape", "a b\nc%"])
def test_life_of_a_cgroup(
    cgroups: Cgroups, start: Start, console: str, hierarchy: Hierarchy
) -> None:
    child = start(place(cgroups, console), SCATTER)
    assert child.stdout is not None
    scattered = {int(child.stdout.readline()) for _ in range(3)}
    family = {child.pid, *scattered}
    processes.wait_for(lambda: set(cgroups.members(console)) == family, "the end of subshells")
    assert os.path.dirname(cgroups.path(console)) == str(hierarchy.own)
    assert not cgroups.remove(console)
    assert "busy" in cgroups.reason
    assert cgroups.kill(console)
    assert child.wait(10) == -signal.SIGKILL
    for pid in scattered:
        processes.wait_gone(pid)
    assert cgroups.members(console) == []
    await_removal(cgroups, console)
    assert not os.path.lexists(cgroups.path(console))


def test_kill_ends_a_fork_bomb(cgroups: Cgroups, start: Start) -> None:
    limit = "ulimit -u unlimited 2>/dev/null;"
    bomb = f"{limit} f() {{ sh -c ': ;' & (sleep 1000) & }}; echo go; while :; do f; done"
    child = start(place(cgroups, "bomb"), bomb)
    assert child.stdout is not None
    child.stdout.readline()
    processes.wait_for(lambda: len(cgroups.members("bomb")) > 20, "the bomb")
    assert cgroups.kill("bomb")
    processes.wait_for(lambda: not cgroups.members("bomb"), "its end")
    child.wait(10)
    await_removal(cgroups, "bomb")


def test_cgroups_that_the_child_made(cgroups: Cgroups, start: Start) -> None:
    inner = Path(cgroups.path("one")) / "inner" / "most"
    script = f'mkdir -p "{inner}"; echo 0 >"{inner}/cgroup.procs"; echo done; sleep 1000'
    child = start(place(cgroups, "one"), script)
    assert child.stdout is not None
    child.stdout.readline()
    assert child.pid in cgroups.members("one")
    assert cgroups.kill("one")
    child.wait(10)
    await_removal(cgroups, "one")


def test_place_again(cgroups: Cgroups, start: Start) -> None:
    first = start(place(cgroups, "one"), "exec sleep 1000")
    second = start(place(cgroups, "one"), "exec sleep 1000")
    assert cgroups.members("one") == sorted((first.pid, second.pid))


def test_what_is_not_there(cgroups: Cgroups) -> None:
    assert cgroups.kill("none")
    assert cgroups.remove("none")
    assert cgroups.members("none") == []
    assert cgroups.reason == ""


def test_failures_are_reasons(cgroups: Cgroups, hierarchy: Hierarchy) -> None:
    (hierarchy.own / "console-full").mkdir()
    (hierarchy.own / "console-full" / "cgroup.type").write_text("threaded")
    assert cgroups.members("full") == []
    assert cgroups.remove("full")
    hierarchy.own.rmdir()
    assert cgroups.place("one") is None
    assert "cannot make" in cgroups.reason
    assert "No such" in cgroups.reason
    assert cgroups.kill("one")
    assert cgroups.remove("one")
    assert cgroups.members("one") == []


def test_a_plain_directory_will_not_do(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        found, reason = Cgroups.find(str(root))
        assert found is None
        assert str(root) in reason


@pytest.mark.parametrize("attribute", ["user.delegate", "trusted.delegate"])
def test_delegated_by_systemd(hierarchy: Hierarchy, attribute: str) -> None:
    """The service's own cgroup, also when its keeper sits in a subgroup of it."""
    below = hierarchy.own / "subgroup"
    below.mkdir()
    assert "Delegate" in find_from(below)
    os.setxattr(hierarchy.own, attribute, b"0")
    assert "Delegate" in find_from(below)
    os.setxattr(hierarchy.own, attribute, b"1")
    for place in (hierarchy.own, below):
        assert os.path.samefile(find_from(place), hierarchy.own)


def find_from(folder: Path) -> str:
    argv = [sys.executable, "-c", FIND, str(folder)]
    return subprocess.check_output(argv, text=True, timeout=20).strip()


def test_thousand_cgroups(cgroups: Cgroups) -> None:
    times = [time.perf_counter()]
    for number in range(1000):
        os.close(place(cgroups, f"c{number}"))
    times.append(time.perf_counter())
    assert all(cgroups.kill(f"c{number}") for number in range(1000))
    times.append(time.perf_counter())
    assert not any(cgroups.members(f"c{number}") for number in range(1000))
    times.append(time.perf_counter())
    assert all(cgroups.remove(f"c{number}") for number in range(1000))
    times.append(time.perf_counter())
    steps = [f"{1000 * (b - a):.0f}" for a, b in itertools.pairwise(times)]
    print("1000 cgroups, ms: place {}, kill {}, members {}, remove {}".format(*steps))
