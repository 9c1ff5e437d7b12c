"""Section 2.6: the terminal of a server in the foreground."""

from __future__ import annotations

import os
import re
import signal
import termios
from types import SimpleNamespace
from typing import cast

import pytest

from support import processes
from support.servers import CAT, QUIT, TELNET_OFFER, Lab, Server
from support.streams import Terminal

from .helpers import cites
from .scope import not_for_consoled

STARTED = re.compile(rb"is: \d+\r+\n@@@ @@@ @@@ @@@ @@@\r+\n")


def on_terminal(lab: Lab, *options: str) -> tuple[Server, Terminal]:
    """A foreground server on a terminal; ours may already have started the child."""
    terminal = Terminal()
    server = lab.start("-n", "ioc", *options, mode="terminal", terminal=terminal)
    return server, terminal


def ping(server: Server, terminal: Terminal) -> None:
    """Type to a child that is known to exist: what is typed earlier is lost."""
    server.child()
    terminal.type(b"ping\r")
    terminal.read_until(re.compile(rb"pong\r+\n"))


def local_modes(terminal: Terminal) -> dict[str, bool]:
    iflag, _, _, lflag = cast(list[int], terminal.modes()[:4])
    return {
        "icanon": bool(lflag & termios.ICANON),
        "echo": bool(lflag & termios.ECHO),
        "isig": bool(lflag & termios.ISIG),
        "ixon": bool(iflag & termios.IXON),
    }


@not_for_consoled("no terminal")
@cites("2.6/client on stdin", "2.6/greeting", "2.6/CR CR LF")
def test_terminal_is_a_control_client(lab: Lab) -> None:
    """procServ greets too early, without the identity lines, and with raw telnet bytes."""
    server, terminal = on_terminal(lab)
    if lab.ours:
        text = terminal.read_until(re.compile(rb"connected \(plus you\)\r*\n"))
        assert b"\xff" not in text
        assert b"@@@ procServ server PID: %d" % server.pid in text
        assert b"@@@ Server startup directory: " in text
    else:
        text = terminal.read_until(TELNET_OFFER)
        lines = text.removesuffix(TELNET_OFFER).split(b"\r\r\n")
        assert [line[:24] for line in lines] == [
            b"@@@ Welcome to procServ ",
            b"@@@ Use ^X to kill the c",
            b"@@@ procServ server star",
            b"@@@ 0 user(s) and 0 logg",
            b"@@@ ^R or ^X restarts th",
            b"",
        ]
        terminal.read_until(STARTED)
    ping(server, terminal)


@not_for_consoled("no terminal")
@cites("2.6/modes", "2.6/restored")
@pytest.mark.parametrize("end", ["quit", "SIGTERM"])
def test_terminal_modes_while_serving_and_after(lab: Lab, end: str) -> None:
    server, terminal = on_terminal(lab, "-w" if end == "quit" else "-q")
    processes.wait_for(lambda: not local_modes(terminal)["icanon"], "terminal set")
    assert local_modes(terminal) == {"icanon": False, "echo": False, "isig": True, "ixon": False}
    if end == "quit":
        terminal.type(QUIT)
    else:
        ping(server, terminal)
        server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert local_modes(terminal) == {"icanon": True, "echo": True, "isig": True, "ixon": True}


@not_for_consoled("no terminal")
@cites("2.6/^C swallowed", "1/-f signals ignored")
def test_interrupt_key_does_nothing(lab: Lab) -> None:
    server, terminal = on_terminal(lab)
    ping(server, terminal)
    child = server.child()
    terminal.type(b"\x03\x1cping\r")
    assert b"^C" not in terminal.read_until(re.compile(rb"pong\r+\n"))
    assert server.child() == child
    assert {signal.SIGINT, signal.SIGQUIT} <= processes.signal_set(
        server.pid, "SigIgn"
    ) | processes.signal_set(server.pid, "SigCgt")


@not_for_consoled("no terminal")
@cites("2.1/terminal counts")
def test_terminal_counts_as_a_user(lab: Lab) -> None:
    server, terminal = on_terminal(lab, "-w")
    terminal.read_until(b"connected (plus you)")
    assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in server.greet()[1]


@not_for_consoled("no terminal")
@cites("2.6/logout on the terminal")
def test_logout_on_the_terminal_leaves_the_server_running(lab: Lab) -> None:
    server, terminal = on_terminal(lab, "-x", "q", "-w")
    terminal.read_until(b"connected (plus you)")
    terminal.type(b"q")

    def nobody() -> bool:
        peer, lines = server.greet()
        peer.close()
        return b"@@@ 0 user(s) and 0 logger(s) connected (plus you)" in lines

    processes.wait_for(nobody, "terminal gone")
    assert server.running()
    # procServ leaves the terminal without echo until it ends; ours gives it back
    assert local_modes(terminal)["echo"] == lab.ours


@not_for_consoled("no terminal")
@cites("2.6/hangup")
def test_server_survives_the_hangup_of_its_terminal(lab: Lab) -> None:
    server, terminal = on_terminal(lab)
    ping(server, terminal)
    child = server.child()
    terminal.close()
    processes.wait_for(
        lambda: b"@@@ 0 user(s) and 0 logger(s) connected (plus you)" in first_lines(server),
        "terminal gone",
    )
    server.talk()
    assert server.child() == child


def first_lines(server: Server) -> list[bytes]:
    """The greeting of a client that leaves at once."""
    peer, lines = server.greet()
    peer.close()
    return lines


@cites("2.6/stdin is /dev/null", "2.6/nothing printed")
def test_without_terminal_nothing_is_printed(lab: Lab) -> None:
    server = lab.start("-n", "ioc", "-L", "log")
    peer = server.talk()
    assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in server.greet()[1]
    peer.send(b"\x14")
    peer.read_until(b"OFF\r\n")
    assert (server.out(), server.err()) == (b"", b"")


@not_for_consoled("no terminal")
@cites("2.6/not with -L -")
def test_terminal_is_left_alone_when_the_log_goes_to_stdout(lab: Lab) -> None:
    server, terminal = on_terminal(lab, "-L", "-")
    peer = server.talk()
    assert local_modes(terminal)["icanon"]
    assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in server.greet()[1]
    peer.send(b"out x\n")
    server.await_file("stdout", b"\r\nx")


@not_for_consoled("no terminal")
@cites("2.6/stdin is a pipe")
def test_server_survives_a_pipe_as_stdin(lab: Lab) -> None:
    """procServ drops this client at the first output, and its input with it."""
    read, write = os.pipe()
    stdin = SimpleNamespace(slave=read, close=lambda: None)
    try:
        server = lab.start(mode="terminal", terminal=cast(Terminal, stdin), command=CAT)
        os.write(write, b"hello\n")
        server.attach()
        peer, lines = server.greet()
        if not lab.ours:
            assert b"@@@ 1 user(s) and 0 logger(s) connected (plus you)" in lines
        peer.send(b"still here\n")
        peer.read_until(b"still here\r\nstill here\r\n")
    finally:
        os.close(read)
        os.close(write)
