"""kill -9 of the keeper: alone it costs nothing but exit statuses; with its worker, the children.

Cites D3, D5 and reliability.md §6 rows 1 and 2.
"""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from support import processes
from support.servers import CAT, NEW_CHILD
from support.survivors import Ledger, Station, kill, numbered

_ADOPTED = "has taken over all children"
DEAF = "import signal,time;signal.signal(signal.SIGHUP,signal.SIG_IGN);print('deaf',flush=True)\n"
"""A child that survives its terminal."""

DEAF_CHILD = ["/usr/bin/env", "python3", "-c", DEAF + "while 1: time.sleep(60)"]


def say(station: Station, peer: object, word: bytes) -> None:
    """A line to a CAT child and back."""
    peer.send(word + b"\n")  # type: ignore[attr-defined]
    peer.read_until(word + b"\r\n" + word + b"\r\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "zombie"])
def test_new_keeper_adopts(station: Station, reaped: bool) -> None:
    """Children, users and log go on; a new keeper comes, and after it all is as before.

    Also when whoever has started the old one does not look after it: it stays a zombie.
    """
    station.console("a", CAT, restart="on", holdoff="0s", tcp=True)
    station.console("n", numbered(2000), restart="off")
    station.start()
    user, pids, keeper = station.connect("a", tcp=True), station.children(), station.keeper
    begun = time.monotonic()
    kill(keeper)
    if reaped:
        assert station.popen is not None
        station.popen.wait()
    say(station, user, b"alone")
    station.wait_errors(_ADOPTED)
    assert time.monotonic() - begun < 2
    assert station.children() == pids
    assert station.keeper != keeper
    say(station, user, b"adopted")

    kill(station.worker)
    say(station, user, b"and another worker")
    assert station.children() == pids

    kill(pids["a"])
    user.read_until(b"Received a sigChild for process %d." % pids["a"])
    born = re.search(NEW_CHILD, user.read_until(NEW_CHILD))
    assert born is not None
    assert int(born[1]) == station.child("a")
    say(station, user, b"a new child")

    station.ask("stop", console="n")
    ledger = Ledger(station.log_path("n"))
    ledger.wait_end()
    assert ledger.verdict() == ""

    child, worker, new = station.child("a"), station.worker, station.keeper
    station.ask("shutdown")
    for pid in (child, worker, new):
        processes.wait_gone(pid)
    processes.wait_for(lambda: not list(processes.marked(station.mark)), "the end of all")


def test_exit_while_no_keeper_lives(station: Station) -> None:
    """A child that ends with nobody to collect it is seen to end, whatever can be told of it."""
    station.console("a", CAT, restart="on", holdoff="0s")
    station.console("b", CAT, restart="on", holdoff="0s")
    worker = station.start_apart()
    child = station.children()["a"]
    user, other = station.connect("a"), station.connect("b")
    assert station.popen is not None
    kill(station.keeper)
    station.popen.wait()
    kill(child)
    user.read_until(b"Received a sigChild for process %d." % child)
    say(station, other, b"meanwhile")
    assert worker.poll() is None
    station.popen = station.spawn("--keeper", "--run-dir", str(station.run))
    station.wait_errors(_ADOPTED)
    user.read_until(NEW_CHILD)
    say(station, user, b"again")
    say(station, other, b"as before")


def end_both(station: Station) -> None:
    """Kill keeper, starter and worker at once."""
    before = station.ask("version")
    starter = station.starter
    for pid in (starter, before["keeper"], before["worker"]):
        os.kill(pid, signal.SIGKILL)
    for pid in (starter, before["keeper"], before["worker"]):
        processes.wait_gone(pid)
    assert station.popen is not None
    station.popen.wait()


def test_both_killed(station: Station) -> None:
    """Children lose their terminal as with procServ; the next server starts them anew."""
    station.console("a", CAT, tcp=True)
    station.start()
    child = station.child("a")
    end_both(station)
    processes.wait_gone(child)
    station.start()
    assert station.child("a") != child
    say(station, station.connect("a", tcp=True), b"again")


def test_survivor_is_ended_first(station: Station) -> None:
    """A child that ignores SIGHUP never becomes one of two; console and stderr tell of its end."""
    station.console("a", DEAF_CHILD, tcp=True)
    station.start()
    child = station.child("a")
    station.wait_log("a", b"deaf")
    end_both(station)
    assert processes.alive(child)
    station.start()
    told = f"A child of an earlier server, process {child}, has been killed"
    station.wait_errors(told)
    assert not processes.alive(child)
    log = station.wait_log("a", told.encode())
    assert log.index(told.encode()) > 0
    processes.wait_for(lambda: station.log("a").count(b"deaf") == 2, "the next child")
    assert station.child("a") != child


def test_both_killed_but_the_starter(station: Station) -> None:
    """Whatever the starter makes of it: never two children, and a start by hand works."""
    station.console("a", DEAF_CHILD)
    station.start()
    child, before = station.child("a"), station.ask("version")
    station.wait_log("a", b"deaf")
    for pid in (before["keeper"], before["worker"]):
        os.kill(pid, signal.SIGKILL)
    assert station.popen is not None
    station.popen.wait()
    station.popen = None
    processes.wait_for(lambda: station.log("a").count(b"deaf") == 2, "the starter to begin anew", 5)
    assert not processes.alive(child)
