"""W4: very many consoles, each with its log and its UNIX socket."""

import os
import time
from functools import partial

from .. import children, procfs
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Peer
from ..site import Site

TITLE = "many consoles"
METRICS = (
    Metric("all up", "s"),
    Metric("PSS per console, idle", "kB"),
    Metric("PSS per console after 64 KiB of output each", "kB"),
    Metric("idle CPU", "% of a core"),
)
SETTLE, WATCH = 6.0, 10.0
"""Seconds until a server counts as idle, and seconds for which its idleness is measured."""


def cases(scale: Scale) -> list[Case]:
    """Return one case for each number of consoles."""
    return [
        Case("W4", f"{count} consoles", METRICS, partial(run, count=count), transport="unix")
        for count in scale.consoles
    ]


def run(peer: Peer, site: Site, *, count: int) -> Outcome:
    """Start them all, look at the servers while nothing happens, then let each child talk."""
    names = [f"c{number}" for number in range(count)]
    consoles = [children.talker(name, site.muster.path, site.log(name)) for name in names]
    begun = time.perf_counter()
    farm = site.start(peer, consoles, "unix")
    up = time.perf_counter() - begun
    time.sleep(SETTLE)
    pids = farm.pids()
    idle = procfs.memory(pids)[1]
    before = procfs.cpu_seconds(pids)
    time.sleep(WATCH)
    cpu = procfs.cpu_seconds(pids) - before
    for name in names:
        attachment = farm.enter(name)
        attachment.sock.sendall(b"go\n")
        attachment.sock.close()
    site.muster.take("done", count, farm.check)
    time.sleep(SETTLE / 2)
    outcome = Outcome(
        {
            "all up": up,
            "PSS per console, idle": idle * 1000 / count,
            "PSS per console after 64 KiB of output each": procfs.memory(pids)[1] * 1000 / count,
            "idle CPU": 100 * cpu / WATCH,
        }
    )
    incomplete = [name for name in names if os.stat(site.log(name)).st_size < 65536]
    if incomplete:
        outcome.faults.append(f"{len(incomplete)} logs are not complete: {incomplete[0]} ...")
    return outcome
