"""Processes that stand still: a worker that hangs is replaced, a machine that slept is not.

Cites D3 (watchdog) and reliability.md §6 row 55.
"""

from __future__ import annotations

import os
import signal
import time

from support import processes
from support.survivors import Ledger, Station, numbered

WATCHDOG = (5.0, 8.0)
"""Seconds after which a hung worker is replaced: ten ticks of half a second, and some room."""

PAUSE = 8.0
"""Seconds of a machine's sleep: longer than the watchdog's time."""


def stopped(pid: int) -> bool:
    """Whether a process stands still."""
    return processes.status(pid, "State")[0] == "T"


def test_hung_worker_is_replaced(station: Station) -> None:
    """SIGSTOP: within the watchdog's time another one serves, the child runs on, all is logged."""
    station.console("a", numbered(2000), restart="off", tcp=True)
    station.start()
    pids, worker = station.children(), station.worker
    station.wait_log("a", b"0000000000")
    user = station.connect("a", tcp=True)
    begun = time.monotonic()
    os.kill(worker, signal.SIGSTOP)
    user.send(b"k")
    user.read_until(b"<6b>", 12)
    took = time.monotonic() - begun
    assert WATCHDOG[0] - 0.6 <= took <= WATCHDOG[1]
    assert not processes.alive(worker)
    assert f"worker {worker} hangs; killed, children run on" in station.errors()
    assert station.children() == pids
    station.ask("stop", console="a")
    ledger = Ledger(station.log_path("a"))
    ledger.wait_end()
    assert ledger.verdict() == ""


def test_sleep_of_the_machine(station: Station) -> None:
    """Keeper and worker stand still together for eight seconds: nobody is killed for that."""
    station.console("a", numbered(2000), restart="off", tcp=True)
    station.start()
    pids, before = station.children(), station.ask("version")
    user = station.connect("a", tcp=True)
    both = [before["keeper"], before["worker"]]
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    processes.wait_for(lambda: all(stopped(pid) for pid in both), "both stopped")
    awake = time.monotonic() + PAUSE
    processes.wait_for(lambda: time.monotonic() > awake, "end of the sleep")
    for pid in reversed(both):
        os.kill(pid, signal.SIGCONT)
    user.send(b"k")
    user.read_until(b"<6b>")
    # as long again as the watchdog would need to hold the sleep against somebody
    later = time.monotonic() + 2
    processes.wait_for(lambda: time.monotonic() > later, "a while")
    assert station.ask("version") == before
    assert station.children() == pids
    station.ask("stop", console="a")
    ledger = Ledger(station.log_path("a"))
    ledger.wait_end()
    assert ledger.verdict() == ""


def test_without_a_watchdog(station: Station) -> None:
    """--no-watchdog: a worker that stands still, for a debugger perhaps, is left alone."""
    station.console("a", numbered(100), restart="off")
    station.start("--no-watchdog")
    pid, worker = station.child("a"), station.worker
    os.kill(worker, signal.SIGSTOP)
    later = time.monotonic() + WATCHDOG[1]
    processes.wait_for(lambda: time.monotonic() > later, "the watchdog's time", WATCHDOG[1] + 1)
    assert processes.alive(worker)
    os.kill(worker, signal.SIGCONT)
    assert station.worker == worker
    assert station.child("a") == pid
