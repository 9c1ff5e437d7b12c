"""One worker after another, one keeper after another, and users who notice nothing.

Cites D3, D10 and reliability.md §6 row 3. After a graceful change a user's stream is the
child's output to the byte. After kill -9 what was under way may come twice, but never is
there a gap.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable

import pytest

from support import processes
from support.faults_users import Watcher
from support.servers import CAT
from support.survivors import BORN, Station, kill, numbered

pytestmark = pytest.mark.xdist_group("flood")
"""Not two of these at a time: each takes what the machine has, and some look at the clock."""

_LATE_READER = """
import os, signal, tty
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
tty.setraw(0)
print("up", flush=True)
signal.sigwait([signal.SIGUSR1])
got = b""
while len(got) < 30000:
    got += os.read(0, 65536)
print("same" if got == b"".join(b"%05d" % n for n in range(6000)) else "other")
"""
_LINE = re.compile(rb"\n(\d{10}) x+(?=\n)")


def upgrade(station: Station) -> None:
    """A newer worker beside the old one."""
    worker = station.worker
    station.ask("upgrade")
    station.wait_worker(worker)


def terminate(station: Station) -> None:
    """TERM to the worker: it leaves everything to the next one."""
    worker = station.worker
    os.kill(worker, signal.SIGTERM)
    station.wait_worker(worker)


def murder(station: Station) -> None:
    """No last words."""
    worker = station.worker
    kill(worker)
    station.wait_worker(worker)


def reexec(station: Station) -> None:
    """The keeper becomes its newest version."""
    told = station.errors().count("executed anew")
    station.ask("upgrade-keeper")
    processes.wait_for(lambda: station.errors().count("executed anew") > told, "the new keeper")


CHANGES: list[Callable[[Station], None]] = [upgrade, terminate, reexec]


def watched(station: Station) -> list[Watcher]:
    """A numbered stream, and users by TCP and by UNIX socket who see it from its first byte."""
    station.console("a", numbered(2000), restart="off", autostart=False, tcp=True)
    station.start()
    users = [Watcher(station.connect("a", tcp=tcp)) for tcp in (True, True, False, False)]
    station.ask("start", console="a")
    for user in users:
        user.wait_for(b"0000000000")
    return users


def press(users: list[Watcher], number: int) -> None:
    """A key of each user reaches the child, and all see its answer."""
    for place, user in enumerate(users):
        key = b"%c" % (48 + (4 * number + place) % 70)
        answers = [one.data().count(b"<%02x>" % key[0]) for one in users]
        user.peer.send(key)
        for one, before in zip(users, answers, strict=True):
            processes.wait_for(
                lambda one=one, before=before: one.data().count(b"<%02x>" % key[0]) > before,  # noqa: B023
                f"the answer to {key!r}",
            )


def settle(station: Station, users: list[Watcher]) -> bytes:
    """End the child; the log, which is all that it has said."""
    station.ask("stop", console="a")
    station.wait_state("a", "STOPPED")
    log = station.wait_log("a", b"is shutting down")
    for user in users:
        user.wait_for(b"is shutting down")
        user.wait_for(log[-40:])
        user.finish()
    assert log.count(BORN) == 1
    return log


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_graceful_change_is_not_seen(station: Station, change: Callable[[Station], None]) -> None:
    """Five changes of one kind: same child, same connections, the stream is the log."""
    users = watched(station)
    pids = station.children()
    for number in range(5):
        change(station)
        press(users, number)
    assert station.children() == pids
    log = settle(station, users)
    for user in users:
        assert since_birth(user) == log


def since_birth(user: Watcher) -> bytes:
    """What a user was shown after the greeting."""
    data = user.data()
    return data[data.index(b"@@@ Restarting child") :]


def repeats(stream: bytes, log: bytes) -> int:
    """How often a stream goes back in the log; never must it jump ahead, or say what is not there.

    ``shift`` is where the stream's beginning would be in the log for the piece at hand.
    """
    count, at, shift = 0, 0, 0
    while True:
        piece = stream[at:]
        there = log[at + shift : at + shift + len(piece)]
        if there == piece:
            return count
        both = zip(there + b"\0", piece + b"\1", strict=False)
        at += next(n for n, (a, b) in enumerate(both) if a != b)
        again = _LINE.search(stream, at)
        assert again is not None, stream[at : at + 200]
        line, place = again.start(), log.index(again[0])
        while line > 0 and place > 0 and stream[line - 1] == log[place - 1]:
            line, place = line - 1, place - 1
        assert line <= at, f"{stream[at:line]!r} is not in the log"
        assert place - line < shift, f"a gap of {place - line - shift} bytes at {at}"
        count, shift = count + 1, place - line


@pytest.mark.slow
def test_twenty_workers_and_five_keepers(
    station: Station, patient: Callable[[float], None]
) -> None:
    """Any mix: users stay, nothing is left out, keys arrive after each, the child is the same."""
    patient(120)
    users = watched(station)
    pids = station.children()
    changes = [upgrade, terminate, murder, upgrade, terminate] * 4 + [reexec] * 5
    random.Random(7).shuffle(changes)
    for number, change in enumerate(changes):
        change(station)
        press(users, number)
    assert station.children() == pids
    log = settle(station, users)
    murders = changes.count(murder)
    for user in users:
        assert repeats(since_birth(user), log) <= murders


def test_exit_while_no_worker_lives(station: Station) -> None:
    """The next worker tells how it ended, and what it had said before."""
    command = ["/bin/sh", "-c", "echo up; read line; echo last words; exit 42"]
    station.console("a", command, restart="off")
    worker = station.start_apart()
    user = station.connect("a")
    user.read_until(b"up\r\n")
    child, at_work = station.child("a"), station.worker
    os.kill(worker.pid, signal.SIGSTOP)
    kill(at_work)
    station.wait_errors("standing in for it")
    user.send(b"go\n")
    os.kill(child, signal.SIGTERM)
    processes.wait_for(lambda: not processes.alive(child), "the child's end")
    os.kill(worker.pid, signal.SIGCONT)
    user.read_until(b"The process was killed by signal 15")
    assert station.status("a")["last_status"] == 15


@pytest.mark.parametrize("change", [upgrade, terminate, reexec, murder])
def test_half_typed_line(station: Station, change: Callable[[Station], None]) -> None:
    """What is on the line when the change comes is part of the line afterwards."""
    station.console("a", CAT, restart="off", tcp=True)
    station.start()
    user = station.connect("a", tcp=True)
    station.child("a")
    user.send(b"half a ")
    user.read_until(b"half a ")
    change(station)
    user.send(b"line\n")
    user.read_until(b"line\r\nhalf a line\r\n")


@pytest.mark.parametrize("change", [upgrade, terminate, reexec])
def test_keys_that_wait(station: Station, change: Callable[[Station], None]) -> None:
    """What a child has not read yet reaches it after the change, whole and in order."""
    station.console("a", ["/usr/bin/env", "python3", "-c", _LATE_READER], restart="off", tcp=True)
    station.start()
    user = station.connect("a", tcp=True)
    user.read_until(b"up")
    child = station.child("a")
    user.send(b"".join(b"%05d" % n for n in range(6000)))
    processes.wait_for(lambda: station.status("a")["input_waiting"] > 1000, "keys that wait")
    change(station)
    os.kill(child, signal.SIGUSR1)
    assert user.read_until(re.compile(rb"same|other")).endswith(b"same")


def test_outage_of_a_graceful_change(station: Station) -> None:
    """An upgrade is not felt at the keys: the longest echo is a fraction of a second."""
    station.console("a", numbered(100), restart="off", tcp=True)
    station.start()
    user = station.connect("a", tcp=True)
    for change in CHANGES:
        change(station)
        begun = time.monotonic()
        user.send(b"k")
        user.read_until(b"<6b>")
        assert time.monotonic() - begun < 0.5, change.__name__
