"""The words all workloads share: a case, its metrics, the outcome of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .peers.base import Peer
    from .site import Site


@dataclass(frozen=True)
class Metric:
    """One number that a run yields; `context` numbers are shown without ratios."""

    name: str
    unit: str
    context: bool = False


@dataclass
class Outcome:
    """What one run of one peer gave.

    `faults` are wrong bytes at a healthy client: they make the benchmark fail.
    `notes` are worth telling and fail nothing.
    """

    values: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One situation, run in turn by every peer that it suits."""

    workload: str
    label: str
    metrics: tuple[Metric, ...]
    run: Callable[[Peer, Site], Outcome]
    transport: str = ""
    """The transport that a peer has to have; empty if its own first choice will do."""
    replay: bool = False
    """Whether a peer has to replay old output to those who attach."""

    def suits(self, peer: Peer) -> bool:
        """Return whether this peer can take part."""
        if self.transport and self.transport not in peer.transports:
            return False
        return bool(peer.replay_options) or not self.replay


@dataclass(frozen=True)
class Scale:
    """How much of everything; `quick` values only show that the machinery works."""

    sizes: dict[int, int]
    """W1: megabytes that the child writes, by number of clients."""
    disk_size: int
    """W1: megabytes with the log on a real disk, where procServ does some 9 MB/s."""
    keys: int
    """W2: keystrokes per run."""
    stuck_size: int
    """W3: megabytes; enough to fill every buffer on the way to the stuck client."""
    consoles: tuple[int, ...]
    """W4: how many consoles at once."""
    children: int
    """W5: how many are killed at once."""
    knocks: int
    """W6: how often to attach."""


FULL = Scale({1: 128, 8: 64, 64: 32}, 32, 2000, 60, (100, 1000), 20, 100)
QUICK = Scale({1: 4, 8: 2, 64: 1}, 2, 200, 10, (10,), 4, 10)
