"""A hung file system (NFS in real life) hangs nobody but the thread or child that needs it.

Cites reliability.md §6 rows 13, 28 and D4, D5: the loop never touches a configured path. Each
case pings two consoles while log, directory or binary is frozen; after the thaw all is there.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import faults_mounts, processes
from support.faults_users import PROMPT, Pinger, Watcher, account, greeting_time, toggle_time
from support.servers import CHILDREN, KILL, NEW_CHILD, RAW_ECHO, RESTART, Lab, Server, script
from support.streams import Peer

LOGOUT = b"\x1a"
FLOOD = script("flood", "1000000", "5000000")
PATIENCE = 1.0
"""Seconds that a log may hold a child (D3)."""

both = pytest.mark.parametrize("kind", ["ext4", "fuse"])


def watched(lab: Lab, log: Path, command: list[str]) -> tuple[Server, Watcher, Peer]:
    """A server, a user who saw every byte since its birth, and a second user."""
    server = lab.start("-w", "--holdoff", "0", "-L", str(log), command=command)
    first, _ = server.greet()
    watcher = Watcher(first)
    first.send(RESTART)
    watcher.wait_for(b"READY")
    return server, watcher, server.attach()


def neighbour(lab: Lab) -> Pinger:
    """A user of a second server."""
    server = lab.sibling("neighbour").start("-L", "log", command=RAW_ECHO)
    peer = server.attach()
    peer.read_until(b"READY")
    return Pinger(peer)


def finish(server: Server, watcher: Watcher, log: Path) -> list[int]:
    """End the server; its log must hold all that was shown, but for marked gaps."""
    server.signal(15)
    shown = watcher.wait_eof()
    assert server.wait() == 0
    return account(log.read_bytes(), shown)


@both
def test_log_frozen(lab: Lab, mounts: faults_mounts.Mounts, kind: str) -> None:
    """Users of this console and of another one are answered; afterwards the log is complete."""
    disk = mounts.freezable(kind)
    log = disk.root / "log"
    server, watcher, user = watched(lab, log, RAW_ECHO)
    with Pinger(user) as mine, neighbour(lab) as other:
        mine.beat(5)
        disk.freeze()
        mine.beat(60)
        other.beat(60)
        server.signal(1)
        assert greeting_time(server) < PROMPT
        assert toggle_time(server.attach()) < PROMPT
        mine.beat(60)
        disk.thaw()
        mine.beat(5)
    assert mine.worst() < PROMPT
    assert other.worst() < PROMPT
    assert finish(server, watcher, log) == []


@both
def test_log_frozen_in_a_flood(lab: Lab, mounts: faults_mounts.Mounts, kind: str) -> None:
    """1 MB/s with no log: after the log's patience nobody waits; the gap is marked to the byte."""
    disk = mounts.freezable(kind)
    log = disk.root / "log"
    server, watcher, user = watched(lab, log, FLOOD)
    with Pinger(user, b"?", b"!") as mine, neighbour(lab) as other:
        mine.beat(5)
        disk.freeze()
        user.send(b"g")
        begun = time.monotonic()
        watcher.wait_size(3_500_000)
        assert greeting_time(server) < PROMPT
        disk.thaw()
        watcher.wait_for(b"END\r\n")
    assert mine.worst(since=begun + PATIENCE + PROMPT) < PROMPT
    assert mine.worst() < PATIENCE + PROMPT
    assert other.worst() < PROMPT
    gaps = finish(server, watcher, log)
    assert len(gaps) == 1, gaps


@pytest.mark.parametrize("existing", [True, False])
@both
def test_log_frozen_from_the_start(
    lab: Lab, mounts: faults_mounts.Mounts, kind: str, existing: bool
) -> None:
    """The server comes up without its log and writes it from the first byte once it can."""
    disk = mounts.freezable(kind)
    log = disk.root / "log"
    if existing:
        log.touch()
    disk.freeze()
    server, watcher, user = watched(lab, log, RAW_ECHO)
    with Pinger(user) as mine:
        mine.beat(100)
        assert greeting_time(server) < PROMPT
    assert mine.worst() < PROMPT
    disk.thaw()
    assert finish(server, watcher, log) == []


@both
def test_end_with_a_frozen_log(lab: Lab, mounts: faults_mounts.Mounts, kind: str) -> None:
    """SIGTERM ends the console in bounded time, and another server may take its place."""
    disk = mounts.freezable(kind)
    server, watcher, _ = watched(lab, disk.root / "log", RAW_ECHO)
    disk.freeze()
    watcher.peer.send(b"x")
    watcher.wait_for(b"<78>")
    child = server.child()
    begun = time.monotonic()
    server.signal(15)
    watcher.wait_eof()
    processes.wait_gone(child)
    processes.wait_for(lambda: not (lab.dir / "ctl").exists(), "socket removed")
    assert time.monotonic() - begun < 4
    (lab.dir / "info").unlink(missing_ok=True)
    again = lab.start(command=RAW_ECHO)
    again.attach().read_until(b"READY")
    disk.thaw()
    assert server.wait() == 0


def hung_child(
    lab: Lab, disk: faults_mounts.Mount, *options: str, command: list[str]
) -> tuple[Server, Peer]:
    """A server whose second child hangs on its way to its program, and a user from before."""
    server = lab.start("--holdoff", "0", "-x", "^Z", *options, command=command)
    user = server.attach()
    user.read_until(b"READY")
    disk.freeze()
    user.send(KILL)
    user.read_until(b"The process was killed by signal 9")
    user.send(RESTART)
    user.read_until(NEW_CHILD)
    return server, user


def frozen_cwd(lab: Lab, disk: faults_mounts.Fuse) -> tuple[Server, Peer]:
    """The child's directory hangs."""
    folder = disk.root / "work"
    folder.mkdir()
    return hung_child(lab, disk, "--chdir", str(folder), command=RAW_ECHO)


def frozen_binary(lab: Lab, disk: faults_mounts.Fuse) -> tuple[Server, Peer]:
    """The child's program hangs."""
    program = disk.root / "python"
    shutil.copy(Path(sys.executable).resolve(), program)
    argv = [str(program), "-S", "-E", str(CHILDREN / "raw_echo.py")]
    return hung_child(lab, disk, command=argv)


Place = Callable[[Lab, faults_mounts.Fuse], tuple[Server, Peer]]
places = pytest.mark.parametrize("place", [frozen_cwd, frozen_binary])


@places
def test_child_hangs_on_its_way(lab: Lab, mounts: faults_mounts.Mounts, place: Place) -> None:
    """Users are greeted and answered while the child hangs; it comes up after the thaw."""
    disk = mounts.fuse()
    with neighbour(lab) as other:
        server, user = place(lab, disk)
        child = server.child()
        for _ in range(10):
            assert greeting_time(server) < PROMPT
            assert toggle_time(user) < PROMPT
            other.beat(5)
        disk.thaw()
        user.read_until(b"READY")
        user.send(b"x")
        user.read_until(b"<78>")
        assert server.child() == child
    assert other.worst() < PROMPT


@places
def test_hung_child_holds_no_connection(
    lab: Lab, mounts: faults_mounts.Mounts, place: Place
) -> None:
    """A user who logs out sees the end at once, though the hung child was forked beside it."""
    _, user = place(lab, mounts.fuse())
    user.send(LOGOUT)
    user.read_eof(timeout=1)


@places
def test_hung_child_can_be_killed(lab: Lab, mounts: faults_mounts.Mounts, place: Place) -> None:
    """^X and ^R work on a child that hangs in a file system which lets itself be interrupted."""
    disk = mounts.fuse()
    server, user = place(lab, disk)
    first = server.child()
    user.send(KILL)
    user.read_until(b"The process was killed by signal 9", timeout=3)
    processes.wait_gone(first)
    user.send(RESTART)
    user.read_until(NEW_CHILD, timeout=3)
    disk.thaw()
    user.read_until(b"READY")


@places
def test_end_while_a_child_hangs(lab: Lab, mounts: faults_mounts.Mounts, place: Place) -> None:
    """SIGTERM is bounded although the child has not become its program."""
    server, _ = place(lab, mounts.fuse())
    server.signal(15)
    assert server.wait(4) == 0
