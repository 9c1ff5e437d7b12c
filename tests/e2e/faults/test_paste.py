"""Much typed at once: nothing is lost unsaid, and a child that does not read stalls nobody.

Cites reliability.md §3 and §6 rows 20, 51, 52, 53; both peers hang for good in these cases.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading

import pytest

from support import processes
from support.faults_users import (
    PROMPT,
    Watcher,
    greeting_time,
    resident,
    start_watched,
    toggle_time,
)
from support.servers import KILL, NEW_CHILD, RESTART, Lab, Server, script
from support.streams import Peer

LINES = [b"%078d\n" % number for number in range(3277)]
PASTE = b"".join(LINES)
DEAF = ["/bin/sh", "-c", "stty -echo; echo READY; exec sleep 600"]
HELD_BACK = re.compile(rb"@@@ The child does not read its input: (\d+) bytes wait")
MIB = 1 << 20


def send_in_background(peer: Peer, data: bytes) -> threading.Thread:
    """Paste as a terminal does: all of it, waiting when the server does not take it."""

    def send() -> None:
        try:
            peer.send(data)
        except OSError:  # the test is over and has closed the socket
            pass

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def assert_prompt(server: Server, user: Peer) -> None:
    """Others are greeted and answered at once."""
    assert greeting_time(server) < PROMPT
    assert toggle_time(user) < PROMPT


@pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])
def test_lines_into_cat_come_back(lab: Lab, endpoint: str) -> None:
    """256 KiB of lines with echo: every line comes back whole.

    Once at least: the kernel itself throws echo away when much is typed (N_TTY's echo buffer
    of 4 KiB; seen without any server too), what `cat` repeats it never does.
    """
    command = ["/bin/sh", "-c", "cat; echo DONE; exec sleep 600"]
    server = lab.start(command=command, endpoints=[endpoint])
    watcher = Watcher(server.attach())
    send_in_background(watcher.peer, PASTE + b"\x04")
    watcher.wait_for(b"DONE")
    shown = watcher.data()
    broken = [line for line in LINES if line[:-1] not in shown]
    assert not broken, f"{len(broken)} lines broken, first {broken[0]!r}"
    assert b"@@@" not in shown, "the paste is interrupted by a notice, though its child reads"


def test_lines_into_cat_without_echo_are_exact(lab: Lab) -> None:
    """Without echo the stream is the paste itself, and the log says the same."""
    command = ["/bin/sh", "-c", "stty -echo -onlcr; echo READY; exec cat"]
    _, peer = start_watched(lab, command=command)
    peer.read_until(b"\n")
    send_in_background(peer, PASTE)
    assert peer.read_exactly(len(PASTE), timeout=20) == PASTE


def test_child_that_never_reads_stalls_nobody(lab: Lab) -> None:
    """1 MiB for a deaf child: the paster is told, the others do not notice, ^X helps."""
    server, paster = start_watched(lab, "--holdoff", "0", command=DEAF)
    user = server.attach()
    before = resident(server.pid)
    send_in_background(paster, PASTE * 4)
    told = HELD_BACK.search(paster.read_until(HELD_BACK))
    assert told is not None
    assert int(told[1]) >= 65536
    for _ in range(20):
        assert_prompt(server, user)
    assert resident(server.pid) - before < MIB
    user.send(KILL)
    user.read_until(b"The process was killed by signal 9")
    user.read_until(NEW_CHILD)
    assert_prompt(server, user)


def fill(peer: Peer, data: bytes) -> int:
    """Send until the server takes no more; how much it took."""
    peer.sock.setblocking(False)
    sent = 0
    try:
        while sent < len(data):
            sent += peer.sock.send(data[sent : sent + 4096])
    except BlockingIOError:
        pass
    peer.sock.setblocking(True)
    return sent


@pytest.mark.parametrize("endpoint", ["unix:ctl", "0"])
def test_paster_who_leaves_is_gone(lab: Lab, endpoint: str) -> None:
    """Five who paste more than fits and hang up leave neither a descriptor nor a user behind."""
    server = lab.start("-w", command=DEAF, endpoints=[endpoint])
    user, _ = server.greet()
    user.send(RESTART)
    user.read_until(b"READY")
    before = len(processes.open_files(server.pid))
    for _ in range(5):
        with server.attach() as paster:
            fill(paster, PASTE)
            assert_prompt(server, user)
    processes.wait_for(
        lambda: len(processes.open_files(server.pid)) <= before, "connections closed", 5
    )
    _, lines = server.greet()
    assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in lines


def test_every_paster_is_told(lab: Lab) -> None:
    """Also who pastes at a child that others already wait for."""
    server, first = start_watched(lab, command=DEAF)
    second = server.attach()
    for paster in (first, second):
        fill(paster, PASTE)
        paster.read_until(HELD_BACK)


@pytest.mark.parametrize("mode", ["raw", "lines"])
def test_late_reader_loses_nothing(lab: Lab, mode: str) -> None:
    """64 KiB typed before the child begins to read arrive whole."""
    data = os.urandom(65536).replace(b"\xff", b"a").translate(None, b"\x18\x14")
    data = data if mode == "raw" else PASTE[: 79 * 829]
    server, peer = start_watched(lab, command=script("late_reader", mode, str(len(data))))
    watcher = Watcher(peer)
    thread = send_in_background(peer, data)
    other = server.attach()
    for _ in range(5):
        assert_prompt(server, other)
    os.kill(server.child(), signal.SIGUSR1)
    watcher.wait_for(b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode()))
    thread.join()


def test_line_too_long_for_the_terminal(lab: Lab) -> None:
    """16 KiB without an end: its writer is told what is lost, and the console goes on."""
    server = lab.start()
    writer, other = server.talk(), server.attach()
    writer.send(b"x" * 16384)
    text = writer.read_until(re.compile(rb"@@@ Input line too long[^\r]*\r\n"))
    assert b"4095" in text
    assert_prompt(server, other)
    writer.send(b"\nping\n")
    writer.read_until(b"pong\r\n")
