"""W1: a child writes flat out, n clients and the log take it all."""

from functools import partial

from .. import children, procfs
from ..children import stream
from ..clients import logfile
from ..clients.swarm import Swarm
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Peer
from ..site import Site

TITLE = "throughput, child flat out with 64 KiB writes on a raw tty"
SPEED = Metric("speed in", "MB/s")
DELIVERED = Metric("delivered", "MB/s")
CPU = (Metric("server CPU", "s/GB"), Metric("clients' CPU", "s/GB", context=True))
"""Per GB delivered: with 8 clients, one GB of the child's output makes eight."""


def cases(scale: Scale) -> list[Case]:
    """Return n = 1, 8, 64 with the log on tmpfs, and n = 1 with the log on a real disk."""
    plans = [(transport, n, False) for n in scale.sizes for transport in ("unix", "tcp")]
    plans += [(transport, 1, True) for transport in ("unix", "tcp")]
    return [_case(scale, transport, n, on_disk) for transport, n, on_disk in plans]


def _case(scale: Scale, transport: str, clients: int, on_disk: bool) -> Case:
    size = stream.megabytes(scale.disk_size if on_disk else scale.sizes[clients])
    return Case(
        "W1",
        f"{transport} n={clients} log on {'disk' if on_disk else 'tmpfs'}",
        (SPEED if clients == 1 else DELIVERED, *CPU),
        partial(run, transport=transport, clients=clients, size=size, on_disk=on_disk),
        transport,
    )


def run(
    peer: Peer, site: Site, *, transport: str, clients: int, size: int, on_disk: bool
) -> Outcome:
    """Attach everyone, say go, check every byte; CPU is read when the log is complete too."""
    console = children.flood(
        "flood", site.muster.path, site.log("flood", on_disk=on_disk), size=size
    )
    expected = stream.whole("blocks", size)
    farm = site.start(peer, [console], transport)
    swarm = Swarm([farm.attach(console.name) for _ in range(clients)], expected)
    pids = farm.pids()
    preface = logfile.size(console.log)
    cpu = procfs.cpu_seconds(pids)
    flow = swarm.run(lambda: bool(site.muster.arrived("done")))
    logfile.await_size(console.log, preface + len(expected))
    farm.check()
    cpu = procfs.cpu_seconds(pids) - cpu
    megabytes = len(expected) / 1e6
    gigabytes_out = megabytes * clients / 1e3
    complaint = logfile.check(console.log, expected)
    return Outcome(
        {
            SPEED.name: megabytes / flow.seconds,
            DELIVERED.name: megabytes * clients / flow.seconds,
            "server CPU": cpu / gigabytes_out,
            "clients' CPU": flow.cpu / gigabytes_out,
        },
        flow.faults,
        [complaint or "log complete"],
    )
