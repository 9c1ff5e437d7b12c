"""W3: one of four clients never reads; what do the others notice?"""

from functools import partial

from .. import children, procfs
from ..children import stream
from ..clients import logfile
from ..clients.swarm import Swarm
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Peer
from ..site import Site

TITLE = "one client of 4 never reads, child at 20 MB/s"
METRICS = (
    Metric("longest stall of the others", "s"),
    Metric("server RSS growth", "MB", context=True),
    Metric("server PSS growth", "MB", context=True),
    Metric("whole flow", "s", context=True),
)
HEALTHY = 3
RATE = 20.0


def cases(scale: Scale) -> list[Case]:
    """Return UNIX and TCP, whose socket buffers differ by some megabytes."""
    return [
        Case(
            "W3",
            transport,
            METRICS,
            partial(run, transport=transport, size=stream.megabytes(scale.stuck_size)),
            transport,
        )
        for transport in ("unix", "tcp")
    ]


def run(peer: Peer, site: Site, *, transport: str, size: int) -> Outcome:
    """Keep the stuck client attached until memory has been read: that is where it shows."""
    console = children.flood("flood", site.muster.path, site.log("flood"), size=size, rate=RATE)
    expected = stream.whole("blocks", size)
    farm = site.start(peer, [console], transport)
    swarm = Swarm([farm.attach(console.name) for _ in range(HEALTHY)], expected)
    farm.attach(console.name)
    pids = farm.pids()
    preface = logfile.size(console.log)
    rss, pss = procfs.memory(pids)
    flow = swarm.run(lambda: bool(site.muster.arrived("done")))
    rss_after, pss_after = procfs.memory(pids)
    logfile.await_size(console.log, preface + len(expected))
    farm.check()
    complaint = logfile.check(console.log, expected)
    return Outcome(
        {
            "longest stall of the others": flow.gap,
            "server RSS growth": rss_after - rss,
            "server PSS growth": pss_after - pss,
            "whole flow": flow.seconds,
        },
        flow.faults,
        [complaint or "log complete"],
    )
