"""No worker for a while: the keeper reads on, the child does not wait, the log knows the gap.

Cites D3 and performance.md §8. CONSOLED_NO_WORKER is how long, 60 for the acceptance run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from support import processes
from support.faults_users import account
from support.servers import CAT
from support.survivors import BORN, END, GAP, Station, kill, numbered

pytestmark = pytest.mark.xdist_group("flood")
"""Not two of these at a time: each takes what the machine has, and some look at the clock."""

SECONDS = float(os.environ.get("CONSOLED_NO_WORKER", "8"))
RING = 1 << 20
PATIENCE = 1.0
"""Seconds that the child may wait once, by default."""

_LINE = 128
_RATE = 8192
"""Lines a second: 1 MiB."""


def leave(station: Station, worker: subprocess.Popen[bytes]) -> None:
    """End starter and worker; nobody starts others."""
    at_work = station.worker
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    kill(at_work)
    station.wait_errors("standing in for it")


def come_back(station: Station) -> subprocess.Popen[bytes]:
    """A worker again."""
    worker = station.spawn("--worker", "--run-dir", str(station.run), "-c", str(station.config))
    station.ask("version")
    return worker


def test_gap_is_known_to_the_byte(station: Station, patient: Callable[[float], None]) -> None:
    """1 MB/s and no reader: the longest write is the patience, and all bytes are accounted for."""
    patient(40 + 2 * SECONDS)
    station.console("a", numbered(_RATE, _LINE), restart="off")
    worker = station.start_apart()
    child = station.child("a")
    station.wait_log("a", b"0000000000")
    leave(station, worker)
    alone = time.monotonic() + SECONDS
    processes.wait_for(lambda: time.monotonic() > alone, "the end of it", SECONDS + 1)
    come_back(station)
    assert station.child("a") == child
    station.ask("stop", console="a")
    log = station.wait_log("a", b"END lines=")
    found = END.search(log)
    assert found is not None
    lines, longest = int(found[1]), int(found[2]) / 1e6
    text = log[log.index(b"0000000000") : found.start()]
    printed = b"".join(b"%010d " % n + b"x" * (_LINE - 12) + b"\n" for n in range(lines))
    gaps = account(text, printed)
    print(f"\n{SECONDS:.0f} s: {len(printed)} bytes, gaps {gaps}, longest write {longest:.3f} s")
    assert len(gaps) == 1
    assert sum(gaps) + len(GAP.sub(b"", text)) == len(printed)
    assert longest < PATIENCE + 0.5
    assert log.count(BORN) == 1
    # what the ring can hold is there: the gap is what had been overwritten and no more
    assert len(text) - text.rindex(b"are missing here") >= RING * 0.9


def test_short_absence_costs_nothing(station: Station) -> None:
    """Less output than the ring holds: not a byte is missing, and nobody has waited."""
    station.console("a", numbered(1000, _LINE), restart="off")
    worker = station.start_apart()
    station.wait_log("a", b"0000000000")
    leave(station, worker)
    alone = time.monotonic() + 3
    processes.wait_for(lambda: time.monotonic() > alone, "the end of it")
    come_back(station)
    station.ask("stop", console="a")
    log = station.wait_log("a", b"END lines=")
    found = END.search(log)
    assert found is not None
    text = log[log.index(b"0000000000") : found.start()]
    printed = b"".join(b"%010d " % n + b"x" * (_LINE - 12) + b"\n" for n in range(int(found[1])))
    assert account(text, printed) == []
    assert int(found[2]) / 1e6 < 0.2


def test_broken_configuration(station: Station) -> None:
    """The last good one is served, and stderr says where the file is wrong."""
    station.console("a", CAT, tcp=True)
    station.console("b", numbered(10))
    worker = station.start_apart()
    user, pids = station.connect("a", tcp=True), station.children()
    os.kill(worker.pid, signal.SIGTERM)
    worker.wait(10)
    with station.config.open("a") as file:
        file.write("\n[console.b]\nholdof = 3\n")
    line = station.config.read_text().splitlines().index("[console.b]") + 1
    come_back(station)
    station.wait_errors(f"{station.config}:{line}")
    user.send(b"as before\n")
    user.read_until(b"as before\r\nas before\r\n")
    assert station.children() == pids
    assert "nothing was changed" in station.errors()
