"""Section 4: the log file."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from support import processes
from support.servers import Lab

from .helpers import cites, read_death

DATE = rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"


@cites("4/contents", "4/no greetings or input")
def test_what_the_log_holds_and_what_not(lab: Lab) -> None:
    """Child output as the pty made it, and broadcasts; no greeting, no coming and going."""
    server = lab.start("-n", "ioc", "-L", "log")
    peer = server.talk()
    other, _ = server.greet()
    other.close()
    peer.send(b"\x14")
    peer.read_until(b"OFF\r\n")
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    content = server.await_file(
        "log", re.compile(rb"(?s)sigChild.*" + lab.quitting + rb"|server.*sigCh")
    )
    for text in (b"ping\r\npong\r\n", lab.toggled(b"OFF")):
        assert text in content
    for text in (b"Welcome", b"PID:", b"connected", b"\x14", b"\xff"):
        assert text not in content


@cites("4/append")
def test_log_is_opened_for_appending(lab: Lab) -> None:
    server = lab.start("-L", "log")
    server.talk()
    server.await_file("log", b"pong")
    path = str(lab.dir / "log")
    fds = [fd for fd, name in processes.open_files(server.reader).items() if name == path]
    flags = Path(f"/proc/{server.reader}/fdinfo/{fds[0]}").read_text()
    found = re.search(r"flags:\s+(\d+)", flags)
    assert found
    assert int(found[1], 8) & os.O_APPEND


@cites("4/copytruncate", "4/unbuffered")
def test_truncated_log_goes_on_from_the_start(lab: Lab) -> None:
    server = lab.start("-L", "log")
    peer = server.talk()
    server.await_file("log", b"pong\r\n")
    os.truncate(lab.dir / "log", 0)
    peer.send(b"ping\n")
    assert server.await_file("log", b"pong\r\n") == b"ping\r\npong\r\n"


@cites("4/rotation", "3/SIGHUP")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=["HUP", "USR2"])
def test_signal_reopens_the_log(lab: Lab, number: signal.Signals) -> None:
    """USR2 is ours; procServ dies of it like any program that did not ask for it."""
    server = lab.start("-L", "log")
    peer = server.talk()
    child = server.child()
    server.await_file("log", b"pong\r\n")
    (lab.dir / "log").rename(lab.dir / "old")
    server.signal(number)
    if number == signal.SIGUSR2 and not lab.ours:
        assert server.wait() == -signal.SIGUSR2
        return
    processes.wait_for((lab.dir / "log").exists, "new log file")
    peer.send(b"out second-part\n")
    server.await_file("log", b"\r\nsecond-part")
    assert b"second-part" not in (lab.dir / "old").read_bytes()
    assert server.child() == child


@cites("4/rotation keeps line state")
def test_new_file_goes_on_in_the_middle_of_a_line(lab: Lab) -> None:
    server = lab.start("-L", "log", "--logstamp=<S>")
    peer = server.talk()
    server.ask(peer, "raw")
    peer.send(b"out half\n")
    peer.read_until(b"half")
    server.await_file("log", b"half")
    (lab.dir / "log").rename(lab.dir / "old")
    server.signal(signal.SIGHUP)
    processes.wait_for((lab.dir / "log").exists, "new log file")
    peer.send(rb"out -line\nnext\n" + b"\n")
    assert server.await_file("log", b"next\n") == b"-line\n<S>next\n"


@cites("4/logstamp every line", "4/logstamp empty line", "4/logstamp no separator")
def test_default_stamp_at_the_start_of_every_line(lab: Lab) -> None:
    """The 2.7 default has neither brackets nor a blank behind it."""
    date = lab.among_many(
        alone=DATE, many=rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", why="a stamp that sorts"
    )
    server = lab.start("-n", "ioc", "-L", "log", "--logstamp")
    peer = server.talk()
    peer.send(rb"out a\n\nb" + b"\n")
    content = server.await_file("log", re.compile(rb"b\Z"))
    lines = re.split(rb"\r\n|\n", content)
    assert all(re.match(date, line) for line in lines)
    rest = [re.sub(rb"\A" + date, b"", line) for line in lines]
    assert rest[0] == b'@@@ Restarting child "ioc"'
    assert rest[-3:] == [b"a", b"", b"b"]


@cites("4/logstamp partial line")
def test_stamp_and_a_message_on_an_open_line(lab: Lab) -> None:
    """A message that begins with CRLF ends the open line and gets its own stamp."""
    server = lab.start("-L", "log", "--logstamp=<S>")
    peer = server.talk()
    server.ask(peer, "raw")
    peer.send(b"out par\n")
    peer.read_until(b"par")
    peer.send(b"\x14")
    content = server.await_file("log", b"OFF\r\n")
    assert content.endswith(b"\n<S>par\r\n<S>" + lab.toggled(b"OFF").lstrip())


@cites("4/logstamp truncated")
def test_long_stamps(lab: Lab) -> None:
    server = lab.start("-n", "ioc", "-L", "log", "--logstamp=" + 80 * "s")
    server.talk()
    content = server.await_file("log", b"pong\r\n")
    match = re.match(rb'(s+)@@@ Restarting child "ioc"\r\n', content)
    assert match
    assert len(match[1]) == lab.differs(procserv=62, ours=80, why="not cut")


@cites("4/files at exit")
def test_log_stays_after_a_clean_exit(lab: Lab) -> None:
    server = lab.start(*([] if lab.many else ["-w"]), "-L", "log")
    if lab.many:  # which opens it when there is something to write
        server.await_file("log", b"Restarting")
    server.quit()
    server.wait()
    assert (lab.dir / "log").exists()


@cites("0/log fd")
def test_child_does_not_hold_the_log_open(lab: Lab) -> None:
    """A rotated log would keep its disk space; fixed in procServ after 2.8."""
    server = lab.start("-L", "log")
    server.talk()
    held = str(lab.dir / "log") in processes.open_files(server.child()).values()
    assert held == lab.differs(procserv=True, ours=False, why="fds 0-2 only")
