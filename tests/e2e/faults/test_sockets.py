"""Socket paths: not stolen, not lost, never open to the wrong people.

Cites reliability.md §6 rows 35, 36, 37, 62 and procserv.md §1.1.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from support import processes
from support.faults_users import greeting_time
from support.servers import RAW_ECHO, Lab, Server
from support.streams import PATIENCE

LOOKS_WITHIN = 6.0
"""Seconds until a deleted path is there again."""


def second(lab: Lab, path: Path) -> subprocess.CompletedProcess[bytes]:
    """Another server for the same path, which must refuse."""
    return lab.run("-f", "-P", f"unix:{path}", *RAW_ECHO)


def test_living_path_is_not_stolen(lab: Lab) -> None:
    """The second server says who holds it, starts no child, and harms nobody."""
    server = lab.start("--name", "first", command=RAW_ECHO)
    done = second(lab, lab.dir / "ctl")
    assert done.returncode == 98
    assert str(server.pid).encode() in done.stderr
    assert greeting_time(server) < 1.0
    assert (lab.dir / "ctl").exists()


def test_two_at_once_have_one_winner(lab: Lab) -> None:
    """Twelve servers started together for one path: one serves, eleven refuse."""
    argv = [*lab.kind.argv, "-f", "-P", "unix:ctl", *RAW_ECHO]
    started = [
        subprocess.Popen(
            argv,
            cwd=lab.dir,
            env=lab.environ({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(12)
    ]
    processes.wait_for(lambda: sum(p.poll() is None for p in started) <= 1, "one winner")
    assert sorted(str(popen.poll()) for popen in started) == ["98"] * 11 + ["None"]
    [winner] = [popen for popen in started if popen.poll() is None]
    server = Server(lab.kind, lab.dir, winner, None)
    lab.adopt(server)
    server.info = ["pid:0", "unix:ctl"]
    assert greeting_time(server) < 1.0


@pytest.mark.parametrize("what", ["file", "directory", "symlink"])
def test_what_is_no_socket_is_kept(lab: Lab, what: str) -> None:
    """A file at the path is somebody's data."""
    path = lab.dir / "ctl"
    {
        "file": lambda: path.write_text("precious"),
        "directory": path.mkdir,
        "symlink": lambda: path.symlink_to("/etc/passwd"),
    }[what]()
    before = os.lstat(path)
    done = second(lab, path)
    assert done.returncode != 0
    assert str(path).encode() in done.stderr
    assert os.lstat(path) == before


def test_stale_socket_is_used_again(lab: Lab) -> None:
    """What a killed server leaves behind is in nobody's way."""
    server = lab.start(command=RAW_ECHO)
    server.signal(signal.SIGKILL)
    server.wait()
    assert (lab.dir / "ctl").exists()
    (lab.dir / "info").unlink()
    assert greeting_time(lab.start(command=RAW_ECHO)) < 1.0


def test_deleted_path_comes_back(lab: Lab) -> None:
    """With its mode, and the users that were connected stay so."""
    server = lab.start(command=RAW_ECHO, endpoints=[f"unix:::0600:{lab.dir}/ctl"])
    server.info[-1] = "unix:ctl"
    user = server.attach()
    user.read_until(b"READY")
    (lab.dir / "ctl").unlink()
    processes.wait_for((lab.dir / "ctl").exists, "the socket's path", LOOKS_WITHIN)
    assert stat.S_IMODE((lab.dir / "ctl").stat().st_mode) == 0o600
    assert greeting_time(server) < 1.0
    user.send(b"x")
    user.read_until(b"<78>")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (lab.dir / "ctl").exists()


def test_end_of_one_leaves_the_other(lab: Lab) -> None:
    """Two servers in turn on one path: neither's end removes what is the other's."""
    first = lab.start(command=RAW_ECHO)
    (lab.dir / "ctl").unlink()
    (lab.dir / "info").unlink()
    other = lab.start(command=RAW_ECHO)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    assert greeting_time(other) < 1.0


def test_taken_path_is_left_to_its_new_owner(lab: Lab) -> None:
    """Who finds its path in other hands says so once and does not fight."""
    first = lab.start(command=RAW_ECHO)
    (lab.dir / "ctl").unlink()
    with socket.socket(socket.AF_UNIX) as intruder:
        intruder.bind(str(lab.dir / "ctl"))
        intruder.listen(5)
        first.await_file("stderr", b"held by another server")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        assert (lab.dir / "ctl").exists()


def test_locked_directory_delays_nobody_for_ever(lab: Lab) -> None:
    """Anybody may lock a directory such as /tmp; that must not keep servers from starting."""
    holder = subprocess.Popen(["flock", str(lab.dir), "sleep", "60"], env=lab.environ({}))
    processes.wait_for(lambda: processes.children(holder.pid), "lock held")
    server = lab.start(command=RAW_ECHO)
    assert greeting_time(server) < 1.0
    holder.kill()
    holder.wait(PATIENCE)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_never_open_in_between(lab: Lab) -> None:
    """Bound with no rights, owned, given its mode, and only then listened on."""
    lab.prefix = (
        "strace",
        "-f",
        "-qq",
        "-o",
        "trace",
        "-e",
        "trace=/f?chmod.*,/f?chown.*,bind,listen",
    )
    server = lab.start(command=RAW_ECHO, endpoints=["unix:nobody:nogroup:0660:ctl"])
    trace = (lab.dir / "trace").read_text()
    names = re.findall(r"^\d+ +(\w+)\(.* = 0$", trace, re.MULTILINE)
    steps = [re.sub("f?(chmod|chown).*", r"\1", name) for name in names]
    assert steps[:5] == ["chmod", "bind", "chown", "chmod", "listen"], trace
    status = (lab.dir / "ctl").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o660, 65534)
    assert greeting_time(server) < 2.0
