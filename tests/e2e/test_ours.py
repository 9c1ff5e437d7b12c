"""What procServ has not: replay, raw endpoints, window sizes, the 2.8 profile, named signals."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import wait_for
from support.servers import (
    CAT,
    DOWN_HINT,
    KILL,
    QUIT,
    RESTART,
    STARS,
    TELNET_OFFER,
    TOGGLE,
    Lab,
    find_kind,
)
from support.streams import Peer, Terminal

SHOW_SIZE = ["/bin/sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done"]
COUNT = ["/bin/sh", "-c", "i=1; while [ $i -le 100 ]; do echo line $i; i=$((i+1)); done; exec cat"]


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(find_kind("ours"), tmp_path)
    yield lab
    lab.close()


def telnet_size(columns: int, rows: int) -> bytes:
    """WILL NAWS and a window size, as a client answers DO NAWS (RFC 1073)."""
    size = struct.pack(">HH", columns, rows).replace(b"\xff", b"\xff\xff")
    return b"\xff\xfb\x1f\xff\xfa\x1f" + size + b"\xff\xf0"


def test_replay_gives_a_newcomer_the_last_lines(ours: Lab) -> None:
    server = ours.start("--replay", "3", "-w", command=COUNT)
    first = server.connect()
    first.send(RESTART)
    first.read_until(b"line 100\r\n")
    late = server.connect()
    late.read_until(TELNET_OFFER)
    assert late.read_until(b"line 100\r\n") == b"line 98\r\nline 99\r\nline 100\r\n"
    late.send(b"and live\n")
    late.read_until(b"and live\r\n")


def test_replay_longer_than_history_gives_all_of_it(ours: Lab) -> None:
    server = ours.start("--replay", "100000", "-w", command=COUNT)
    first = server.connect()
    first.send(RESTART)
    first.read_until(b"line 100\r\n")
    late = server.connect()
    late.read_until(TELNET_OFFER)
    text = late.read_until(b"line 100\r\n")
    assert text.startswith(b"@@@ Restarting child")
    assert text.count(b"line ") == 100


def test_raw_endpoint_sends_no_telnet_and_takes_every_byte(ours: Lab) -> None:
    raw = ["/bin/sh", "-c", "stty raw -echo; echo ready; exec cat"]
    server = ours.start("-w", command=raw, endpoints=("unix:ctl,raw",))
    peer = server.connect()
    peer.send(RESTART)
    text = peer.read_until(b"ready\n")
    assert b"\xff" not in text
    every = bytes(b for b in range(256) if b not in KILL + TOGGLE)
    peer.send(every + b"END")
    assert peer.read_until(b"END") == every + b"END"
    assert server.running()


def test_size_of_a_telnet_window_reaches_the_child_and_the_latest_wins(ours: Lab) -> None:
    server = ours.start("-w", command=SHOW_SIZE, endpoints=("0",))
    peer = server.connect()
    peer.send(RESTART)
    peer.read_until(b"0 0\r\n")
    peer.send(b"\xff\xfd\x01")
    peer.read_until(b"\xff\xfd\x1f")
    peer.send(telnet_size(100, 40))
    peer.read_until(b"40 100\r\n")
    other = server.connect()
    other.send(telnet_size(255, 24))
    peer.read_until(b"24 255\r\n")
    peer.send(telnet_size(0xFFFF, 0xFFFF))
    peer.read_until(b"500 1000\r\n")


def test_size_is_given_to_the_next_child_too(ours: Lab) -> None:
    server = ours.start("-w", command=SHOW_SIZE, endpoints=("0",))
    peer = server.connect()
    peer.send(b"\xff\xfd\x01" + telnet_size(77, 33) + RESTART)
    peer.read_until(b"33 77\r\n")


def test_size_of_the_starting_terminal_follows_its_window(ours: Lab) -> None:
    terminal = Terminal(columns=90, lines=30)
    server = ours.start(command=SHOW_SIZE, mode="terminal", terminal=terminal)
    terminal.read_until(b"30 90\r\n")
    fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    terminal.read_until(b"20 60\r\n")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_both_loopbacks_on_one_port_with_ipv4_first_in_the_info_file(ours: Lab) -> None:
    server = ours.start("-l", "0", "--restrict", command=CAT, endpoints=("0", "unix:ctl"))
    log4, log6, unix, control4, control6 = server.info[1:]
    assert unix == "unix:ctl"
    for first, second in ((log4, log6), (control4, control6)):
        port = re.fullmatch(r"tcp:127\.0\.0\.1:(\d+)", first)
        assert port
        assert second == f"tcp:[::1]:{port[1]}"
        for host in ("127.0.0.1", "::1"):
            with Peer.tcp(host, int(port[1])) as peer:
                peer.read_until(TELNET_OFFER)


def test_2_8_speaks_its_own_words(ours: Lab) -> None:
    server = ours.start("-w", "-L", "log", command=CAT, compat="2.8")
    peer, lines = server.greet()
    assert lines[0].endswith(b"(procServ Process Server 2.8.0)")
    assert b"auto restart mode is ON, use ^T to toggle auto restart" in lines[1]
    assert b"@@@ Child log file: log" in lines
    for mode in (b"OFF", b"ONESHOT", b"ON"):
        peer.send(TOGGLE)
        peer.read_until(b"\r\n@@@ Toggled auto restart mode to %s\r\n" % mode)


@pytest.mark.parametrize(
    ("command", "code"), [("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)]
)
def test_2_8_oneshot_tells_the_truth_about_the_child(ours: Lab, command: str, code: int) -> None:
    server = ours.start("-o", "-w", command=["/bin/sh", "-c", command], compat="2.8")
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(b"@@@ Child process is shutting down, oneshot mode: server will exit\r\n")
    assert server.wait() == code


def test_default_stamp_of_2_8_is_bracketed(ours: Lab) -> None:
    ours.start("-L", "log", "--logstamp", "--timefmt", "%Y", compat="2.8").await_file(
        "log", re.compile(rb"^\[\d{4}\] @@@ Restarting child", re.MULTILINE)
    )


def test_kill_signal_by_name_runs_the_childs_handler(ours: Lab) -> None:
    polite = ["/bin/sh", "-c", "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.1; done"]
    server = ours.start("-w", "--killsig", "TERM", command=polite)
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(b"up\r\n")
    peer.send(KILL)
    peer.read_until(b"bye\r\n")
    peer.read_until(b"Normal exit status = 4\r\n")


def test_kill_then_quit_always_ends_the_server(ours: Lab) -> None:
    """The window: with --holdoff 0 a new child would be there before anybody can type ^Q."""
    server = ours.start("--holdoff", "0", command=CAT)
    peer = server.attach()
    server.child()
    peer.send(KILL)
    peer.read_until(DOWN_HINT)
    peer.send(QUIT)
    assert server.wait() == 0
    assert not (ours.dir / "ctl").exists()


def test_window_does_not_hold_back_a_restart_that_is_asked_for(ours: Lab) -> None:
    server = ours.start("--holdoff", "0", command=CAT)
    peer = server.attach()
    server.child()
    peer.send(KILL)
    peer.read_until(DOWN_HINT)
    peer.send(RESTART)
    peer.read_until(STARS, timeout=1.0)


def test_line_stamp_is_the_time_of_the_first_byte(ours: Lab) -> None:
    """An open line keeps its stamp, however much later it is finished."""
    slow = ["/bin/sh", "-c", "printf begun; read x; date +now=%s; exec cat"]
    server = ours.start("-L", "log", "--logstamp=%s ", command=slow)
    peer = server.attach()
    server.await_file("log", b"begun")
    first = re.search(rb"(\d+) begun", (ours.dir / "log").read_bytes())
    assert first
    wait_for(lambda: _now() > int(first[1]) + 1, "the clock to move on")
    peer.send(b"\n")
    text = server.await_file("log", re.compile(rb"(\d+) now=(\d+)\r\n"))
    second = re.search(rb"(\d+) now=(\d+)\r\n", text)
    assert second
    assert second[1] == second[2]
    assert int(second[1]) > int(first[1])


def _now() -> int:
    return int(os.stat(os.memfd_create("clock")).st_mtime)


def test_help_and_version_need_nothing_else(ours: Lab) -> None:
    assert ours.run("--help").stdout.startswith(b"Usage: consoled-procserv")
    assert ours.run("-V").stdout == b"procServ Process Server 2.7.0\n"
    assert ours.run("--compat", "2.8", "-V").stdout == b"procServ Process Server 2.8.0\n"
