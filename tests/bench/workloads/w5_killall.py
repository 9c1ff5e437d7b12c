"""W5: all children are killed at once; how long until all are back?"""

import os
import signal
import time
from functools import partial

from .. import children, procfs
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Peer
from ..site import Site

TITLE = "kill -9 of all children at once"
METRICS = (Metric("all up again", "s"), Metric("server CPU", "s"))
WHOLE_SECONDS = 1.2
"""What a child has to outlive its holdoff by: procServ counts whole seconds of the wall clock."""


def cases(scale: Scale) -> list[Case]:
    """Return holdoff 0 and 1; in conserver, which has none, they do not differ."""
    return [
        Case(
            "W5",
            f"holdoff {holdoff}",
            METRICS,
            partial(run, count=scale.children, holdoff=holdoff),
        )
        for holdoff in (0, 1)
    ]


def run(peer: Peer, site: Site, *, count: int, holdoff: int) -> Outcome:
    """Kill children that are older than their holdoff, so that none of it is in the figure."""
    names = [f"c{number}" for number in range(count)]
    consoles = [children.sleeper(name, site.muster.path, site.log(name)) for name in names]
    farm = site.start(peer, consoles, peer.transports[0], holdoff=holdoff)
    if holdoff:
        time.sleep(holdoff + WHOLE_SECONDS)
    pids = farm.pids()
    cpu = procfs.cpu_seconds(pids)
    begun = time.perf_counter()
    for pid in list(site.muster.pids.values()):
        os.kill(pid, signal.SIGKILL)
    back = site.muster.take("ready", count, farm.check)
    outcome = Outcome(
        {
            "all up again": max(report.at for report in back) - begun,
            "server CPU": procfs.cpu_seconds(pids) - cpu,
        }
    )
    once = {report.name for report in back}
    if len(once) < count:
        outcome.notes.append(f"only {len(once)} of {count} children in {count} starts")
    return outcome
