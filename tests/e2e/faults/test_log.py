"""What can be wrong with a log file, and that no byte vanishes unmarked.

Cites reliability.md §6 rows 28 to 34; a full disk, a deleted file, a trap at its path.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import faults_mounts, processes
from support.faults_users import PROMPT, Pinger, Watcher, account, greeting_time, start_watched
from support.servers import RAW_ECHO, RESTART, Lab, Server, script
from support.streams import Peer

END = b"END\r\n"
FAILED = re.compile(rb"\r\n@@@ Log file [^\r]*: No space left on device; [^\r]*\r\n")


def finish(server: Server, watcher: Watcher) -> bytes:
    """End the server; all that was shown."""
    server.signal(signal.SIGTERM)
    shown = watcher.wait_eof()
    assert server.wait() == 0
    return shown


def start_watched_from_birth(lab: Lab, log: Path, command: list[str]) -> tuple[Server, Peer]:
    """A server with a log and a user who saw every byte of it."""
    server = lab.start("-w", "--holdoff", "0", "-L", str(log), command=command)
    peer, _ = server.greet()
    peer.send(RESTART)
    return server, peer


def test_full_disk(lab: Lab, mounts: faults_mounts.Mounts) -> None:
    """Users are told once and not held up; with room the log goes on, the gap exactly marked."""
    disk = mounts.tmpfs(4 << 20)
    log = disk.root / "log"
    server, peer = start_watched_from_birth(lab, log, script("flood", "4000000", "6000000"))
    watcher = Watcher(peer)
    watcher.wait_for(b"READY")
    ballast = disk.root / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    with Pinger(server.attach(), b"?", b"!") as pinger:
        peer.send(b"g")
        watcher.wait_for(END)
        assert greeting_time(server) < PROMPT
    assert pinger.worst() < PROMPT
    assert len(FAILED.findall(watcher.data())) == 1
    ballast.unlink()
    watcher.wait_for(b"written again")
    shown = finish(server, watcher)
    [gap] = account(log.read_bytes(), shown)
    told = re.search(rb"written again, (\d+) bytes of output are missing in it", shown)
    assert told is not None
    assert int(told[1]) == gap


def test_deleted_log_comes_back(lab: Lab) -> None:
    """A deleted file is missed within a second or two of output, without any signal."""
    _, peer = start_watched(lab, "-L", "log", command=RAW_ECHO)
    peer.read_until(b"\r\n")
    (lab.dir / "log").unlink()

    def back() -> bool:
        peer.send(b"x")
        peer.read_until(b"<78>")
        return (lab.dir / "log").exists()

    processes.wait_for(back, "a new log file", 3)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, None])
def test_rotation_loses_nothing(lab: Lab, number: signal.Signals | None) -> None:
    """Renamed in the middle of a flood: old and new file together hold every byte.

    Without a signal the new file comes when the writer looks, once a second.
    """
    log = lab.dir / "log"
    server, peer = start_watched_from_birth(lab, log, script("flood", "4000000", "8000000"))
    watcher = Watcher(peer)
    watcher.wait_for(b"READY")
    peer.send(b"g")
    parts = []
    for part in range(1, 4):
        watcher.wait_size(part * 1_500_000)
        parts.append(log.rename(lab.dir / f"log.{part}"))
        if number is not None:
            server.signal(number)
            processes.wait_for(log.exists, "new log file", 3)
        else:
            watcher.wait_for(END)
            break
    watcher.wait_for(END)
    shown = finish(server, watcher)
    files = [path for path in [*parts, log] if path.exists()]
    assert b"".join(path.read_bytes() for path in files) == shown


def test_rotation_in_an_endless_flood(lab: Lab) -> None:
    """A child that never pauses does not keep the writer from seeing the signal."""
    log = lab.dir / "log"
    server, peer = start_watched_from_birth(lab, log, script("flood", "0", "2000000000"))
    watcher = Watcher(peer)
    watcher.wait_for(b"READY")
    peer.send(b"g")
    for part in range(1, 4):
        watcher.wait_size(part * 20_000_000)
        log.rename(lab.dir / "old")
        server.signal(signal.SIGHUP)
        processes.wait_for(log.exists, "new log file", 2)
    finish(server, watcher)


def trap_symlink(log: Path) -> None:
    log.symlink_to(log.with_name("victim"))


TRAPS = {
    "symlink": trap_symlink,
    "fifo": lambda log: os.mkfifo(log),
    "directory": lambda log: log.mkdir(),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_at_the_path(lab: Lab, trap: str) -> None:
    """Not followed, not hung on, told; and used once the path is free."""
    log = lab.dir / "log"
    TRAPS[trap](log)
    server, peer = start_watched(lab, "-L", "log", command=RAW_ECHO)
    assert b"unable to open log file" in server.err()
    with Pinger(server.attach()) as pinger:
        pinger.beat(20)
    assert pinger.worst() < PROMPT
    assert not (lab.dir / "victim").exists()
    log.rename(lab.dir / "trap")
    peer.read_until(b"written again", timeout=5)
    assert log.is_file()
    assert b"READY" in log.read_bytes()


def test_missing_directory(lab: Lab) -> None:
    """Told on stderr and on the console; written once the directory is there."""
    server, peer = start_watched(lab, "-L", "deep/log", command=RAW_ECHO)
    assert b"unable to open log file deep/log" in server.err()
    (lab.dir / "deep").mkdir()
    peer.read_until(b"written again, nothing is missing in it", timeout=5)
    assert b"READY" in (lab.dir / "deep/log").read_bytes()


def test_mode_and_dev_null(lab: Lab) -> None:
    """Not for all eyes; and /dev/null is a log that nobody complains of."""
    before = os.umask(0o022)
    try:
        start_watched(lab, "-L", "log", command=RAW_ECHO)
    finally:
        os.umask(before)
    assert (lab.dir / "log").stat().st_mode & 0o777 == 0o640
    null, peer = start_watched(lab.sibling("null"), "-L", "/dev/null", command=RAW_ECHO)
    peer.send(b"x")
    peer.read_until(b"<78>")
    assert null.err() == b""
    assert b"Log file" not in peer.pending()


def test_stdout_that_nobody_reads(lab: Lab) -> None:
    """`-L -` into a full pipe stalls no user; the end is bounded."""
    argv = [*lab.kind.argv, "-f", "-I", "info", "-L", "-", "-P", "unix:ctl"]
    command = script("flood", "4000000", "8000000")
    popen = subprocess.Popen(
        [*argv, *command],
        cwd=lab.dir,
        env=lab.environ({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    server = Server(lab.kind, lab.dir, popen, None)
    lab.adopt(server)
    server.await_info(lab.dir / "info", 1)
    user = server.attach()
    watcher = Watcher(server.attach())
    with Pinger(user, b"?", b"!") as pinger:
        pinger.beat(2)
        begun = time.monotonic()
        user.send(b"g")
        watcher.wait_for(END)
    assert pinger.worst(since=begun + 1.0 + PROMPT) < PROMPT
    server.signal(signal.SIGTERM)
    watcher.wait_eof(timeout=4)
    assert server.wait(4) == 0
    assert popen.stdout is not None
    popen.stdout.close()
