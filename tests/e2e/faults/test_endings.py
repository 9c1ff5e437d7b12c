"""Last words, restarts that nothing may delay, and an end that leaves nothing behind.

Cites reliability.md §6 rows 4, 5, 7, 9, 40 and decision D6, D7.
"""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from support import processes
from support.faults_users import PROMPT, Watcher, start_watched
from support.servers import KILL, NEW_CHILD, PROBE, RAW_ECHO, RESTART, Lab
from support.streams import PATIENCE

TEXT = 65536
SPEAKER = ["/bin/sh", "-c", f"head -c {TEXT} /dev/zero | tr '\\0' w; printf LAST-WORDS"]
DEATH = b"@@@ Child process is shutting down"


def test_last_words(lab: Lab) -> None:
    """64 KiB and an end mark right before the exit, five times: all of it shown and logged."""
    server = lab.start("-w", "--holdoff", "0", "--noautorestart", "-L", "log", command=SPEAKER)
    peer, _ = server.greet()
    watcher = Watcher(peer)
    for number in range(1, 6):
        peer.send(RESTART)
        processes.wait_for(lambda n=number: watcher.data().count(DEATH) == n, "death")  # type: ignore[misc]
    server.signal(signal.SIGTERM)
    shown = watcher.wait_eof()
    said = re.findall(rb"@@@\r\n(w*LAST-WORDS)\r\n@@@", shown)
    assert said == [b"w" * TEXT + b"LAST-WORDS"] * 5
    assert (lab.dir / "log").read_bytes() == shown


HOLDERS = {
    "own session": "setsid sleep 30 & echo READY; exit 0",
    "own session, ignoring": "setsid sh -c 'trap \"\" HUP; sleep 30' & echo READY; exit 0",
    "own session, writing": "setsid sh -c 'trap \"\" HUP; exec yes' & echo READY; exit 0",
    "two, writing": "setsid yes a & setsid yes b & echo READY; exit 0",
    "same group": "sleep 30 & echo READY; exit 0",
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_grandchild_holds_the_terminal(lab: Lab, holder: str) -> None:
    """The next child comes within a second, although somebody keeps the last one's pty."""
    command = ["/bin/sh", "-c", f"sleep .2; {holder}"]
    _, peer = start_watched(lab, "--holdoff", "0", command=command)
    watcher = Watcher(peer)
    begun = time.monotonic()
    watcher.wait_for(b"@@@ Restarting child", timeout=5)
    assert time.monotonic() - begun < 1.0


def test_clock_set_back_delays_no_restart(lab: Lab) -> None:
    """An hour back on the wall clock; holdoff runs on the monotonic one."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    stamp = lab.dir / "stamp"
    stamp.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    server = lab.start("--holdoff", "1", "--timefmt", "<%s>", command=PROBE, env=faked)
    peer = server.talk()
    stamp.write_text("-3600\n")
    begun = time.monotonic()
    peer.send(b"exit 0\n")
    told = peer.read_until(re.compile(rb"@@@ Current time: <\d+>"))
    wall = int(told.rpartition(b"<")[2][:-1])
    assert wall < time.time() - 3000, "the clock was not set back"
    peer.read_until(NEW_CHILD, timeout=5)
    assert time.monotonic() - begun < 2.0
    peer.send(KILL)
    peer.read_until(NEW_CHILD, timeout=5)


def test_terminated_child_runs_its_handler(lab: Lab) -> None:
    """SIGTERM to the server sends the kill signal and waits for the child's own end."""
    server = lab.start("--killsig", "TERM")
    peer = server.talk()
    server.ask(peer, f"trap 15 {lab.dir}/trapped")
    server.signal(signal.SIGTERM)
    assert server.wait(3) == 0
    assert (lab.dir / "trapped").read_text() == "15"


@pytest.mark.parametrize("twice", [False, True], ids=["grace passes", "second SIGTERM"])
def test_stubborn_child(lab: Lab, twice: bool) -> None:
    """A child that ignores SIGTERM has its grace period and no more; nothing stays behind."""
    grace = 10.0 if twice else 1.0
    options = ("--killsig", "15", "--grace-period", str(grace), "-p", "pid", "-L", "log")
    server = lab.start(*options, endpoints=["unix:ctl", "0"])
    peer = server.talk()
    server.ask(peer, "ignore 15")
    server.ask(peer, "fork")
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    if twice:
        peer.send(b"pid\n")
        peer.read_until(b"<<")
        server.signal(signal.SIGTERM)
    assert server.wait() == 0
    took = time.monotonic() - begun
    assert took < 1.0 if twice else grace <= took < grace + 1.0
    assert list(processes.marked(lab.mark)) == []
    left = {path.name for path in lab.dir.iterdir()} - {"stdout", "stderr"}
    assert left == {"log"}
    assert server.err() == b""


def test_console_works_during_the_grace(lab: Lab) -> None:
    """Users see the child's last words and may still end it with the kill key."""
    server = lab.start("--killsig", "15", "--grace-period", "10")
    peer = server.talk()
    server.ask(peer, "ignore 15")
    server.signal(signal.SIGTERM)
    begun = time.monotonic()
    peer.send(b"ping\n")
    peer.read_until(b"pong\r\n")
    assert time.monotonic() - begun < PROMPT
    peer.send(b"exit 3\n")
    peer.read_until(b"Normal exit status = 3")
    peer.read_eof(timeout=3)
    assert server.wait(3) == 0


def test_end_with_a_stuck_client(lab: Lab) -> None:
    """A client that reads nothing delays the end by a second at most."""
    command = ["/bin/sh", "-c", "echo READY; exec yes"]
    server = lab.start(command=command)
    deaf = server.connect()
    watcher = Watcher(server.attach())
    watcher.wait_size(3_000_000)
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait(PATIENCE) == 0
    assert time.monotonic() - begun < 2.5
    deaf.read_eof()


def test_kill_and_quit_in_a_hurry(lab: Lab) -> None:
    """^X, then ^Q after the death: the kill window makes it reliable even with holdoff 0 (D7)."""
    server, peer = start_watched(lab, "--holdoff", "0", command=RAW_ECHO)
    peer.send(KILL)
    peer.read_until(DEATH)
    peer.send(b"\x11")
    peer.read_eof()
    assert server.wait(3) == 0
