"""What a child is given: a clean process, and nothing of the server's that it could hold on to.

Cites reliability.md §6 rows 1, 2, 59, 60 and decision D5.
"""

from __future__ import annotations

import json
import signal

from support import processes
from support.faults_mounts import Mounts
from support.faults_users import greeting_time
from support.servers import KILL, NEW_CHILD, PROBE, RAW_ECHO, RESTART, Lab
from support.streams import Peer

LOGOUT = b"\x1a"


def test_clean_process(lab: Lab) -> None:
    """Descriptors 0 to 2, no blocked or ignored signal, the shell's own limits, its own tty."""
    lab.prefix = ("prlimit", "--nofile=256:4096")
    server = lab.start("-L", "log", "-l", "unix:watch", endpoints=["unix:ctl", "0"])
    crowd = [server.attach() for _ in range(5)]
    peer = server.talk()
    child = server.child()
    fds = json.loads(server.ask(peer, "fds"))
    assert sorted(int(fd) for fd in fds if "/proc/" not in fds[fd]) == [0, 1, 2]
    assert len({target for target in fds.values() if target.startswith("/dev/pts/")}) == 1
    for field in ("SigBlk", "SigIgn"):
        assert processes.signal_set(child, field) <= {signal.SIGPIPE, signal.SIGXFSZ}, field
    with open(f"/proc/{child}/limits") as limits:
        [line] = [line for line in limits if line.startswith("Max open files")]
    assert line.split()[3:5] == ["256", "4096"]
    modes = json.loads(server.ask(peer, "modes"))
    assert modes["leader"]
    assert modes["foreground"]
    info = json.loads(server.ask(peer, "env PROCSERV_INFO"))
    assert info.startswith(f"PID={server.pid};LOG=unix:watch;")
    assert info.endswith(";CTL=unix:ctl")
    assert len(crowd) == 5


def test_signals_are_not_ignored_by_a_shell(lab: Lab) -> None:
    """Python itself ignores SIGPIPE, so a program that does not: all masks are empty."""
    lab.prefix = ("env", "--ignore-signal=PIPE,XFSZ,USR1", "--block-signal=USR2,TERM")
    server = lab.start(command=["/bin/sleep", "600"])
    child = server.child()
    processes.wait_for(
        lambda: processes.status(child, "Name") == "sleep", "the child is its program"
    )
    for field in ("SigBlk", "SigIgn", "SigCgt"):
        assert processes.signal_set(child, field) == set(), field


def test_orphan_holds_nothing(lab: Lab) -> None:
    """After kill -9 of the server a child that stays is in nobody's way."""
    deaf = ["/bin/sh", "-c", "trap '' HUP; echo READY; exec sleep 600"]
    server = lab.start("-L", "log", command=deaf, endpoints=["0", "unix:ctl"])
    port = server.port()
    orphan = server.child()
    server.await_file("log", b"READY")
    server.signal(signal.SIGKILL)
    server.wait()
    assert processes.alive(orphan)
    (lab.dir / "info").unlink()
    again = lab.start(endpoints=[str(port), "unix:ctl"])
    assert again.port() == port
    assert greeting_time(again, 0) < 1.0
    assert greeting_time(again, 1) < 1.0


def test_child_gone_with_its_server(lab: Lab) -> None:
    """An ordinary child does not outlive a killed server: its terminal hangs up."""
    server = lab.start(command=RAW_ECHO)
    child = server.child()
    server.attach().read_until(b"READY")
    server.signal(signal.SIGKILL)
    server.wait()
    processes.wait_gone(child)


def test_hung_child_holds_no_high_descriptor(lab: Lab, mounts: Mounts) -> None:
    """Nor the connections beyond the limit that the server was started with.

    The server raises its limit; a child that hangs before its exec must have closed them all.
    """
    lab.prefix = ("prlimit", "--nofile=64:1024")
    disk = mounts.fuse()
    folder = disk.root / "work"
    folder.mkdir()
    options = ("--holdoff", "0", "-x", "^Z", "--chdir", str(folder))
    server = lab.start(*options, command=RAW_ECHO)
    crowd: list[Peer] = [server.attach() for _ in range(100)]
    disk.freeze()
    first, last = crowd[0], crowd[-1]
    first.send(KILL)
    first.read_until(b"The process was killed by signal 9")
    first.send(RESTART)
    first.read_until(NEW_CHILD)
    assert max(processes.open_files(server.pid)) > 100
    for peer in (first, last):
        peer.send(LOGOUT)
        peer.read_eof(timeout=2)


def test_closed_terminal_is_kept(lab: Lab) -> None:
    """A child that closes its tty and works on is left alone, and costs no processor time."""
    server = lab.start(command=PROBE)
    peer = server.talk()
    child = server.child()
    peer.send(b"closetty\n")
    peer.read_until(b"closetty\r\n")
    processes.wait_for(lambda: 1 not in processes.open_files(child), "tty closed")
    for _ in range(30):
        assert greeting_time(server) < 1.0
    assert server.child() == child
    peer.send(KILL)
    peer.read_until(b"The process was killed by signal 9")
