"""No process, no terminal: the server survives, says so, goes on trying, and does not spin.

Cites reliability.md §6 rows 25, 26, 27.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from support.faults_limits import ProcessLimit, few_terminals, take_terminal
from support.faults_users import PROMPT, cpu_seconds, greeting_time, start_watched, toggle_time
from support.servers import KILL, NEW_CHILD, RAW_ECHO, RESTART, Lab, Server
from support.streams import Peer

NO_PROCESS = b"@@@ The child could not be forked: "
NO_TERMINAL = b"@@@ No terminal for the child: "
holdoffs = pytest.mark.parametrize("holdoff", ["0", "1"])


@pytest.fixture
def groups(lab: Lab) -> Iterator[list[ProcessLimit]]:
    """Process limits to be removed once their server has ended."""
    groups: list[ProcessLimit] = []
    yield groups
    for group in groups:
        group.relax()
    lab.close()
    for group in groups:
        group.remove()


def assert_usable(server: Server, user: Peer) -> None:
    """A server that cannot start its child answers, and does not burn a processor."""
    cpu, begun = cpu_seconds(server.pid), time.monotonic()
    for _ in range(20):
        assert greeting_time(server) < PROMPT
    assert toggle_time(user) < PROMPT
    passed = time.monotonic() - begun
    assert cpu_seconds(server.pid) - cpu < max(0.5, passed), "the server spins"


@holdoffs
def test_no_process(lab: Lab, groups: list[ProcessLimit], holdoff: str) -> None:
    """fork(2) fails: told, tried again, up as soon as it works."""
    server, user = start_watched(lab, "--holdoff", holdoff, command=RAW_ECHO)
    group = ProcessLimit(server.pid)
    groups.append(group)
    user.send(KILL)
    user.read_until(b"@@@ Child process is shutting down")
    group.close_down()
    user.send(RESTART)
    user.read_until(NO_PROCESS, timeout=5)
    assert_usable(server, user)
    group.relax()
    begun = time.monotonic()
    user.read_until(NEW_CHILD)
    user.read_until(b"READY")
    assert time.monotonic() - begun < 3


@holdoffs
def test_no_terminal(lab: Lab, holdoff: str) -> None:
    """openpty(3) fails: told with the limit's name, tried again, up as soon as it works."""
    lab.prefix = few_terminals()
    server, user = start_watched(lab, "--holdoff", holdoff, command=RAW_ECHO)
    user.send(KILL)
    user.read_until(b"@@@ Child process is shutting down")
    fd = take_terminal(server.pid)
    try:
        user.send(RESTART)
        told = user.read_until(b"trying again", timeout=5)
        assert NO_TERMINAL in told
        assert b"kernel.pty.max" in told
        assert_usable(server, user)
    finally:
        os.close(fd)
    begun = time.monotonic()
    user.read_until(NEW_CHILD)
    user.read_until(b"READY")
    assert time.monotonic() - begun < 3


def test_quit_while_there_is_no_process(lab: Lab, groups: list[ProcessLimit]) -> None:
    """SIGTERM ends a server that is waiting for its next try."""
    server, user = start_watched(lab, "--holdoff", "1", command=RAW_ECHO)
    group = ProcessLimit(server.pid)
    groups.append(group)
    user.send(KILL)
    user.read_until(b"@@@ Child process is shutting down")
    group.close_down()
    user.send(RESTART)
    user.read_until(NO_PROCESS, timeout=5)
    server.signal(15)
    assert server.wait(3) == 0
