"""What the keeper's cases share: consoles' children that scatter, and their certain end."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consoled.keeper import kin
from support import faults_mounts, processes

WIPED = f"env -i {processes.MARK}=${processes.MARK}"
"""Runs a program that has wiped its environment, of which tests keep their own mark only."""


class Family:
    """A console's child, a shell, and the pids that its script has printed by name."""

    def __init__(self, console: str, script: str, names: int, mark: str) -> None:
        environment = os.environ | {processes.MARK: mark, kin.MARK.decode(): console}
        self.shell = subprocess.Popen(
            ["bash", "-c", f"{script}\nread wait_for_the_end"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pids: dict[str, int] = {"leader": self.shell.pid}
        assert self.shell.stdout is not None
        for _ in range(names):
            name, pid = self.shell.stdout.readline().split()
            self.pids[name.decode()] = int(pid)
        leader = kin.look(self.shell.pid)
        assert leader is not None
        self.leader = leader.identity

    def process(self, name: str) -> kin.Process:
        """One of the family as /proc shows it now."""
        found = kin.look(self.pids[name])
        assert found is not None, f"{name} has gone"
        return found

    def leave(self) -> None:
        """End the leader only, as a hang-up does."""
        self.shell.kill()
        self.shell.wait(10)

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait(10)
        for pipe in (self.shell.stdin, self.shell.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def mark() -> Iterator[str]:
    """What all processes of a test carry, and are ended by."""
    mark = uuid.uuid4().hex
    yield mark
    processes.end_all(mark)


@pytest.fixture
def family(mark: str) -> Iterator[Callable[..., Family]]:
    """Make a console's child of a script that prints so many lines ``name pid``."""
    made: list[Family] = []

    def make(console: str, script: str = "", names: int = 0) -> Family:
        made.append(Family(console, script, names, mark))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Hierarchy(faults_mounts.Mount):
    """The cgroup v2 tree, mounted for us, with one directory in it that is this test's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        faults_mounts.run_tool("mount", "-t", "cgroup2", "none", str(folder))
        self.own = folder / f"consoled-test-{uuid.uuid4().hex}"
        self.own.mkdir()

    def close(self) -> None:
        """Kill and remove what the test has left, then unmount."""
        if self.own.exists():
            (self.own / "cgroup.kill").write_text("1")
            processes.wait_for(self._removed, f"removal of {self.own}")
        super().close()

    def _removed(self) -> bool:
        processes.reap_orphans()
        try:
            for folder, _, _ in os.walk(self.own, topdown=False):
                os.rmdir(folder)
        except OSError:
            return False
        return True


@pytest.fixture
def hierarchy(tmp_path: Path) -> Iterator[Hierarchy]:
    folder = tmp_path / "cgroup2"
    folder.mkdir()
    hierarchy = Hierarchy(folder)
    yield hierarchy
    hierarchy.close()


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened in here: the table is full."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(lowest)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    """A machine that cannot mount must say so by itself; else it is a failure."""
    try:
        return (yield)
    except faults_mounts.MountError as error:
        if os.environ.get(faults_mounts.ALLOWED_TO_MISS) != "1":
            raise AssertionError(
                f"{error}. Cgroups are NOT tested on this machine; to accept that set"
                f" {faults_mounts.ALLOWED_TO_MISS}=1"
            ) from error
        return pytest.skip(f"{fixturedef.argname}: {error}")
