"""The other paths of a server on a hung file system: pid file, socket, the daemon's start.

Cites D4: the loop never touches a configured path; start and end wait a bounded time.
"""

from __future__ import annotations

import time

import pytest

from support import faults_mounts, processes
from support.faults_users import PROMPT, Pinger, Watcher, greeting_time
from support.servers import RAW_ECHO, Lab

both = pytest.mark.parametrize("kind", ["ext4", "fuse"])


@both
def test_pid_file_frozen(lab: Lab, mounts: faults_mounts.Mounts, kind: str) -> None:
    """The console is there within seconds although its pid file cannot be written."""
    disk = mounts.freezable(kind)
    disk.freeze()
    begun = time.monotonic()
    server = lab.start("-p", str(disk.root / "pid"), command=RAW_ECHO)
    assert greeting_time(server) < PROMPT
    assert time.monotonic() - begun < 4
    server.signal(15)
    processes.wait_for(lambda: not (lab.dir / "ctl").exists(), "the end", 5)


def test_socket_directory_frozen(lab: Lab, mounts: faults_mounts.Mounts) -> None:
    """Looking after a path that hangs disturbs nobody, and the end is bounded."""
    disk = mounts.fuse()
    server = lab.start(command=RAW_ECHO, endpoints=["0", f"unix:{disk.root}/socket"])
    user = server.attach(0)
    watcher = Watcher(server.attach(0))
    with Pinger(user) as pinger:
        pinger.beat(5)
        disk.freeze()
        begun = time.monotonic()
        while time.monotonic() - begun < 6:  # it looks every five seconds
            pinger.beat(50)
    assert pinger.worst() < PROMPT
    begun = time.monotonic()
    server.signal(15)
    watcher.wait_eof(timeout=4)
    assert server.wait(4) == 0
    assert b"hang" in server.err()


@both
def test_daemon_starts_with_a_frozen_log(lab: Lab, mounts: faults_mounts.Mounts, kind: str) -> None:
    """The shell gets its prompt back, and the console is served."""
    disk = mounts.freezable(kind)
    disk.freeze()
    server = lab.start("-L", str(disk.root / "log"), command=RAW_ECHO, mode="daemon")
    assert greeting_time(server) < PROMPT
    assert server.popen.wait(4) == 0
