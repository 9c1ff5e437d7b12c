"""kill -9 of the worker at any moment costs no line, no child and no noticeable time.

Cites performance.md "Crash safety" and reliability.md §4, row 1. CONSOLED_KILLS=200 makes it
the acceptance run; with -s it prints its numbers:

    CONSOLED_KILLS=200 .venv/bin/python -m pytest -s tests/e2e/crash/test_kill_worker.py
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support import processes
from support.survivors import Ledger, Station, kill, numbered

pytestmark = pytest.mark.xdist_group("flood")
"""Not two of these at a time: each takes what the machine has, and some look at the clock."""

KILLS = int(os.environ.get("CONSOLED_KILLS", "20"))
OUTAGE = 0.1
"""Seconds that half of all kills may cost at most, until the log grows again."""

_YOUNG = 1.05
"""Seconds after which a worker's end is no sign that it cannot live at all."""

STAMP = 22
"""Bytes of a stamp `[2024-01-31 12:00:00] `."""


def size(path: Path) -> int:
    """Bytes in a log."""
    return path.stat().st_size


def grow(paths: Sequence[Path], begun: float) -> float:
    """Wait until one of the logs grows; seconds since *begun*."""
    before = [size(path) for path in paths]
    processes.wait_for(
        lambda: any(size(path) != was for path, was in zip(paths, before, strict=True)),
        "growing logs",
    )
    return time.monotonic() - begun


def torment(station: Station, ledgers: dict[str, Ledger], busy: Sequence[str]) -> list[float]:
    """Kill worker after worker; the seconds that the logs of the *busy* consoles stood still.

    Most workers have lived for a second when they are killed; every fifth one is killed once
    more on its way up, which is not timed.
    """
    outages: list[float] = []
    chance = random.Random(KILLS)
    paths = [ledgers[name].path for name in busy]
    worker = station.worker
    for number in range(KILLS):
        alive_since = time.monotonic()
        for ledger in ledgers.values():
            ledger.advance()
        while time.monotonic() - alive_since < _YOUNG + chance.random() / 5:
            grow(paths, 0.0)
        starter = int(processes.status(worker, "PPid"))
        begun = kill(worker)
        if number % 5 == 4:
            processes.wait_for(lambda: processes.children(starter), "the next worker")  # noqa: B023
            pause = time.monotonic() + chance.random() / 20
            while time.monotonic() < pause:
                pass
            kill(processes.children(starter)[0])
            grow(paths, begun)
        else:
            outages.append(grow(paths, begun))
        worker = station.wait_worker(worker)
    return outages


def settle(station: Station, ledgers: dict[str, Ledger], pids: dict[str, int]) -> list[str]:
    """End all children; what is wrong with their logs."""
    assert station.children() == pids
    for name in ledgers:
        station.ask("stop", console=name)
    for ledger in ledgers.values():
        ledger.wait_end()
        ledger.advance()
    return [verdict for ledger in ledgers.values() if (verdict := ledger.verdict())]


def tell(what: str, outages: Sequence[float], ledgers: dict[str, Ledger]) -> None:
    """Numbers for whoever runs it with -s."""
    lines = sum(ledger.lines for ledger in ledgers.values())
    median, longest = statistics.median(outages) * 1e3, max(outages) * 1e3
    late = sorted(outages)[int(len(outages) * 0.95)] * 1e3
    print(
        f"\n{what}: {KILLS} kills, {lines} lines;"
        f" outage p50 {median:.0f} ms, p95 {late:.0f} ms, max {longest:.0f} ms"
    )


@pytest.mark.slow
def test_flat_out_and_a_crowd(station: Station, patient: Callable[[float], None]) -> None:
    """Two children flat out and twenty at 2000 lines a second: not one line is wrong."""
    patient(60 + 3 * KILLS)
    busy = ["flood0", "flood1"]
    rates = dict.fromkeys(busy, (0, 128)) | {f"slow{n}": (2000, 64) for n in range(20)}
    for name, (rate, width) in rates.items():
        station.console(name, numbered(rate, width), restart="off")
    station.start()
    pids = station.children()
    ledgers = {n: Ledger(station.log_path(n), width) for n, (_, width) in rates.items()}
    for name in ledgers:
        station.wait_log(name, b"0000000000")
    outages = torment(station, ledgers, busy)
    wrong = settle(station, ledgers, pids)
    tell("flat out and a crowd", outages, ledgers)
    assert wrong == []
    assert statistics.median(outages) <= OUTAGE


@pytest.mark.slow
def test_stamped_lines(station: Station, patient: Callable[[float], None]) -> None:
    """A log with line stamps goes on in the middle of its line; a stamp never comes twice."""
    patient(60 + 3 * KILLS)
    log = {"timestamp": "[%Y-%m-%d %H:%M:%S] "}
    station.console("stamped", numbered(0, 1024), restart="off", log=log)
    station.start()
    pids = station.children()
    ledgers = {"stamped": Ledger(station.log_path("stamped"), 1024, STAMP)}
    station.wait_log("stamped", b"0000000000")
    outages = torment(station, ledgers, ["stamped"])
    wrong = settle(station, ledgers, pids)
    tell("stamped", outages, ledgers)
    assert wrong == []
