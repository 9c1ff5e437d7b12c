"""The facts without which a figure means nothing: machine, kernel, versions, disk."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .peers import Peer

SYNCS = 50


def facts(peers: Sequence[Peer], tmpfs: Path, disk: Path) -> list[tuple[str, str]]:
    """Return (name, value) pairs; taken before the first run, so the load is not our own."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", f"{_processor()}, {os.cpu_count()} cores, {pages / 1e9:.0f} GB"),
        ("kernel", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("load before", " ".join(f"{load:.2f}" for load in os.getloadavg())),
        ("log on tmpfs", f"{tmpfs} ({_filesystem(tmpfs)})"),
        ("log on disk", f"{disk} ({_filesystem(disk)}), fsync of 4 KiB {_fsync_cost(disk)}"),
        *((peer.name, peer.version()) for peer in peers),
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(path: Path) -> str:
    """Return the type of the file system that holds `path`: the longest mount point wins."""
    target = path.resolve()
    best, kind = Path("/"), "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        mount, name = line.split()[1:3]
        if target.is_relative_to(mount) and len(mount) >= len(str(best)):
            best, kind = Path(mount), name
    return kind


def _fsync_cost(directory: Path) -> str:
    """Measure what procServ pays for each read of its child."""
    costs = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(4096))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            costs.append(time.perf_counter() - begun)
    return f"{statistics.median(costs) * 1e3:.2f} ms (worst of {SYNCS}: {max(costs) * 1e3:.1f})"
