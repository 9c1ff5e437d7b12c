"""TERM to the keeper ends all children in order, in parallel and in time; a second one at once.

Cites D10 and reliability.md §6 row 4.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from support import processes
from support.servers import CAT
from support.survivors import Station, kill

STUBBORN = ["/bin/sh", "-c", "trap '' TERM HUP INT; echo deaf; while :; do sleep 0.1; done"]
MANY = 10


def stubborn(station: Station, timeout: str) -> list[int]:
    """Many children that only SIGKILL ends, and an obedient one."""
    for number in range(MANY):
        station.console(f"s{number}", STUBBORN, stop_timeout=timeout)
    station.console("cat", CAT, tcp=True)
    station.start()
    for number in range(MANY):
        station.wait_log(f"s{number}", b"deaf")
    return list(station.children().values())


def nothing_left(station: Station, pids: list[int], sockets: list[Path]) -> None:
    """No child, no process of ours, no socket."""
    assert [pid for pid in pids if processes.alive(pid)] == []
    processes.wait_for(lambda: not list(processes.marked(station.mark)), "the end of all")
    assert [path for path in sockets if path.exists()] == []
    with pytest.raises(OSError, match="refused"):
        station.connect("cat", tcp=True)


def sockets_of(station: Station) -> list[Path]:
    """Every socket file there is."""
    found = [path for path in station.run.iterdir() if path.is_socket()]
    assert len(found) == MANY + 3  # consoles, cat, control, keeper
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stubborn_children(station: Station, number: int) -> None:
    """All wait their stop_timeout together, then are killed; exit code 0, nothing left."""
    pids = stubborn(station, "2s")
    sockets = sockets_of(station)
    keeper = station.keeper
    begun = time.monotonic()
    os.kill(keeper, number)
    assert station.popen is not None
    assert station.popen.wait(10) == 0
    took = time.monotonic() - begun
    assert 2 <= took < 4
    nothing_left(station, pids, sockets)


def test_second_signal(station: Station) -> None:
    """No more patience."""
    pids = stubborn(station, "60s")
    sockets = sockets_of(station)
    keeper = station.keeper
    os.kill(keeper, signal.SIGTERM)
    station.wait_log("cat", b"is shutting down")
    assert all(processes.alive(pid) for pid in pids[:MANY])
    begun = time.monotonic()
    os.kill(keeper, signal.SIGTERM)
    assert station.popen is not None
    assert station.popen.wait(10) == 0
    assert time.monotonic() - begun < 2
    nothing_left(station, pids, sockets)


def test_worker_dies_in_the_middle_of_it(station: Station) -> None:
    """The keeper goes on alone: TERM to all that are left, ten seconds later KILL."""
    pids = stubborn(station, "30s")
    before = station.ask("version")
    begun = time.monotonic()
    os.kill(before["keeper"], signal.SIGTERM)
    station.wait_log("cat", b"is shutting down")
    kill(before["worker"])
    assert station.popen is not None
    assert station.popen.wait(20) == 0
    assert 10 <= time.monotonic() - begun < 14
    assert [pid for pid in pids if processes.alive(pid)] == []
    processes.wait_for(lambda: not list(processes.marked(station.mark)), "the end of all")


@pytest.mark.parametrize("apart", [False, True], ids=["foreground", "apart"])
def test_no_worker_in_that_moment(station: Station, apart: bool) -> None:
    """A TERM while no worker lives, as when a machine goes down, still is TERM for the children."""
    clean = station.dir / "clean"
    last = f"sleep 0.5; echo done >{clean}; exit 0"
    tidy = f"trap '{last}' TERM; echo up; while :; do sleep 0.1; done"
    station.console("a", ["/bin/sh", "-c", tidy])
    if apart:
        worker = station.start_apart()
    else:
        station.start()
    station.wait_log("a", b"up")
    before = station.ask("version")
    if apart:
        worker.terminate()
        assert worker.wait(10) == 0
    else:
        os.kill(before["worker"], signal.SIGKILL)
    os.kill(before["keeper"], signal.SIGTERM)
    assert station.popen is not None
    assert station.popen.wait(10) == 0
    assert clean.exists()


def test_shutdown_by_request(station: Station) -> None:
    """The same, asked for by name; the log has the last words of all."""
    pids = stubborn(station, "1s")
    sockets = sockets_of(station)
    station.ask("shutdown")
    assert station.popen is not None
    assert station.popen.wait(10) == 0
    nothing_left(station, pids, sockets)
    for number in range(MANY):
        assert b"killed by signal 9" in station.log(f"s{number}")
