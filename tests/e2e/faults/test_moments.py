"""Things that come at the wrong moment, or from a side that nobody looks at."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support import faults_mounts, processes
from support.faults_users import start_watched
from support.servers import CAT, DOWN_HINT, KILL, QUIT, RAW_ECHO, RESTART, Lab
from support.streams import Peer, Terminal

AS_NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]


def test_child_of_another_user_cannot_be_signalled_and_the_console_says_so(lab: Lab) -> None:
    """What sudo makes: a child whose server may not kill it. Nothing else suffers."""
    lab.prefix = ("setpriv", "--bounding-set=-kill", "--inh-caps=-kill")
    speak = "echo mine; read x; exit 3"
    server = lab.start("-w", "-x", "^Z", command=[*AS_NOBODY, "/bin/sh", "-c", speak])
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(b"mine\r\n")
    peer.send(KILL)
    peer.read_until(b"@@@ The child cannot be signalled: Operation not permitted")
    server.greet()
    peer.send(b"\n")
    peer.read_until(b"Normal exit status = 3\r\n")
    peer.send(QUIT)
    assert server.wait() == 0


def test_signals_that_come_while_the_server_ends(lab: Lab) -> None:
    """A stuck client keeps the server for its last second; more signals change nothing."""
    flood = ["/bin/sh", "-c", "head -c 2000000 /dev/zero; exec cat"]
    server = lab.start("-w", "-I", "info", command=flood)
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(b"\0")
    for _ in range(5):
        server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.err() == b""
    assert not (lab.dir / "ctl").exists()
    assert not (lab.dir / "info").exists()


def test_kill_key_behind_quit_starts_no_child(lab: Lab) -> None:
    """In one packet: the server is ending, and a child started now would be left alone."""
    server = lab.start("--noautorestart", "-L", "log", command=CAT)
    peer = server.attach()
    server.child()
    peer.send(KILL)
    peer.read_until(DOWN_HINT)
    peer.send(QUIT + KILL + RESTART)
    assert b"Restarting" not in peer.read_eof()
    assert server.wait() == 0


def test_log_rotated_while_the_disk_is_full(lab: Lab, mounts: faults_mounts.Mounts) -> None:
    """The old name is full for ever; the new one, elsewhere by a rename, is written at once."""
    disk = mounts.tmpfs(1 << 20)
    log = lab.dir / "dir" / "log"
    log.parent.symlink_to(disk.root)
    server, peer = start_watched(lab, "-L", str(log), command=RAW_ECHO)
    disk.fill()
    peer.send(b"a" * 4096)
    peer.read_until(b"No space left on device")
    log.parent.unlink()
    log.parent.mkdir()
    server.signal(signal.SIGHUP)
    peer.send(b"b")
    peer.read_until(b"written again")
    server.await_file("dir/log", b"written again")


def test_daemon_started_without_standard_descriptors(lab: Lab) -> None:
    """What cron and careless launchers do: no socket may become somebody's stdout."""
    closed = 'exec "$@" <&- >&- 2>&-'
    command = [*lab.kind.argv, "-I", "info", "-P", "unix:ctl", *CAT]
    subprocess.run(
        ["/bin/sh", "-c", closed, "sh", *command],
        cwd=lab.dir,
        env=lab.environ({}),
        timeout=10,
        check=True,
    )
    pid = int((lab.dir / "info").read_text().split("\n")[0].removeprefix("pid:"))
    try:
        standard = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        assert standard == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
        processes.wait_gone(pid)


def test_terminal_of_another_user_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    """su(1) leaves people on a terminal that they cannot open by name."""
    terminal = Terminal()
    os.fchmod(terminal.slave, 0o600)
    tmp_path.chmod(0o777)
    lab.prefix = ("setpriv", "--reuid=65534", "--clear-groups")
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    server = lab.start(command=CAT, mode="terminal", terminal=terminal)
    server.await_file("stderr", b"cannot serve this terminal: Permission denied")
    server.greet()


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "no-such-host.invalid"])
def test_host_that_cannot_be_found_is_one_line(lab: Lab, host: str) -> None:
    ran = lab.run("-f", "-P", f"{host}:2000", *CAT)
    assert ran.returncode == errno.EADDRNOTAVAIL
    first, last = ran.stderr.splitlines()
    assert b"cannot open control endpoint " + host.encode() in first
    assert b"use an address or a name" in first
    assert last.endswith(b"Exiting with error code: 99")


def test_same_endpoint_twice_is_told_as_such(lab: Lab) -> None:
    ran = lab.run("-f", "-P", "unix:ctl", "-P", "unix:ctl", *CAT)
    assert ran.returncode == errno.EADDRINUSE
    assert b"stands before it on the same command line" in ran.stderr
    assert not (lab.dir / "ctl").exists()


def test_files_of_another_server_stay(lab: Lab) -> None:
    """The info file was overwritten by a server that was started later: it is that one's."""
    server = lab.start("-p", "pid", command=CAT)
    server.child()  # before it serves, TERM ends it with 1
    (lab.dir / "info").write_text("pid:1\nunix:ctl\n")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert (lab.dir / "info").exists()
    assert not (lab.dir / "pid").exists()


def test_daemon_outlives_a_shell_that_does_not_wait(lab: Lab) -> None:
    """Killed between the fork and the report, as by an impatient launcher's timeout."""
    busy = subprocess.Popen(["flock", ".", "sleep", "1"], cwd=lab.dir)
    shell = subprocess.Popen(
        [*lab.kind.argv, "-I", "info", "-P", "unix:ctl", *CAT],
        cwd=lab.dir,
        env=lab.environ({}),
        stderr=subprocess.DEVNULL,
    )
    processes.wait_for(lambda: processes.children(shell.pid), "the daemon's fork")
    shell.kill()
    shell.wait()
    busy.wait()
    processes.wait_for((lab.dir / "info").exists, "info file of the daemon")
    processes.wait_for(lambda: b"plus you" in _greeting(lab), "a greeting")
    pid = int((lab.dir / "info").read_text().split("\n")[0].removeprefix("pid:"))
    os.kill(pid, signal.SIGTERM)
    processes.wait_gone(pid)


def _greeting(lab: Lab) -> bytes:
    with Peer.unix(lab.dir / "ctl") as peer:
        return peer.read_until(b"plus you")
