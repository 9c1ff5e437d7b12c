"""W6: attaching to a console that has written 1 MiB already."""

import re
import statistics
import time
from functools import partial

from .. import children
from ..children import stream
from ..clients.swarm import Swarm
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Farm, Peer
from ..site import Site
from ..wire import connect, receive

TITLE = "attach after 1 MiB of output"
FIRST = Metric("first byte", "ms")
USABLE = Metric("end of greeting", "ms")
REPLAYED = Metric("replay received", "ms")
LENGTH = Metric("replay", "MB", context=True)
OUTPUT = 1 << 20
CONSOLE = "pages"
LINE_START = re.compile(rb"\d{6}" + re.escape(stream.line(0)[6:]))


def cases(scale: Scale) -> list[Case]:
    """Return the plain attach for all, and the attach with replay for those who have one."""
    plain = [
        Case(
            "W6",
            f"{transport} attach",
            (FIRST, USABLE),
            partial(run, transport=transport, knocks=scale.knocks),
            transport,
        )
        for transport in ("unix", "tcp")
    ]
    replay = [
        Case(
            "W6",
            f"{transport} attach with replay",
            (FIRST, REPLAYED, LENGTH),
            partial(run_replay, transport=transport, knocks=scale.knocks),
            transport,
            replay=True,
        )
        for transport in ("unix", "tcp")
    ]
    return plain + replay


def run(peer: Peer, site: Site, *, transport: str, knocks: int) -> Outcome:
    """Attach and leave, again and again."""
    farm, faults = _prepare(peer, site, transport, ())
    firsts, usables = [], []
    for _ in range(knocks):
        visit = farm.enter(CONSOLE)
        visit.sock.close()
        firsts.append(visit.first * 1e3)
        usables.append(visit.usable * 1e3)
    medians = {FIRST.name: statistics.median(firsts), USABLE.name: statistics.median(usables)}
    return Outcome(medians, faults)


def run_replay(peer: Peer, site: Site, *, transport: str, knocks: int) -> Outcome:
    """Attach, read to the last byte of the output, check what was replayed."""
    farm, faults = _prepare(peer, site, transport, peer.replay_options)
    firsts, wholes, length = [], [], 0
    for _ in range(knocks):
        first, whole, data = _visit(farm)
        firsts.append(first * 1e3)
        wholes.append(whole * 1e3)
        length, fault = _check(data)
        if fault:
            faults.append(fault)
            break
    values = {
        FIRST.name: statistics.median(firsts),
        REPLAYED.name: statistics.median(wholes),
        LENGTH.name: length / 1e6,
    }
    return Outcome(values, faults)


def _prepare(
    peer: Peer, site: Site, transport: str, options: tuple[str, ...]
) -> tuple[Farm, list[str]]:
    console = children.pages(CONSOLE, site.muster.path, site.log(CONSOLE), size=OUTPUT)
    farm = site.start(peer, [console], transport, options=options)
    swarm = Swarm([farm.attach(CONSOLE)], stream.whole("lines", OUTPUT))
    flow = swarm.run(lambda: bool(site.muster.arrived("done")))
    return farm, flow.faults


def _visit(farm: Farm) -> tuple[float, float, bytes]:
    """Attach and read to the end marker; any peer's greeting may come before or between."""
    begun = time.perf_counter()
    with connect(farm.address(CONSOLE)) as sock:
        data = bytearray(receive(sock, "first byte"))
        first = time.perf_counter() - begun
        while stream.END not in data[-4096:]:
            data += receive(sock, "end of the replay", 1 << 18)
        return first, time.perf_counter() - begun, bytes(data)


def _check(data: bytes) -> tuple[int, str]:
    """Return the length of the replay and what is wrong with it: it has to be one suffix."""
    everything = stream.whole("lines", OUTPUT)
    replayed = data[: data.index(stream.END) + len(stream.END)]
    first = LINE_START.search(replayed)
    if not first:
        return 0, "replay without a whole line of the output"
    replayed = replayed[first.start() :]
    if everything.endswith(replayed):
        return len(replayed), ""
    return len(replayed), f"replay of {len(replayed)} bytes is not how the output ended"
