"""Alternating runs: A B C A B C, so that a slow minute of the machine hits everyone."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .limits import PeerError, Stuck
from .outcome import Case, Outcome
from .peers import Peer
from .site import Site


@dataclass
class Series:
    """All runs of one peer in one case."""

    case: Case
    peer: str
    outcomes: list[Outcome] = field(default_factory=list)
    failure: str = ""
    faults: list[str] = field(default_factory=list)

    def values(self, metric: str) -> list[float]:
        """Return what the counted runs gave for one metric."""
        return [run.values[metric] for run in self.outcomes if metric in run.values]


@dataclass(frozen=True)
class Plan:
    """How often, and where files go."""

    repeats: int
    warm_ups: int
    tmpfs: Path
    disk: Path


def measure(cases: Sequence[Case], peers: Sequence[Peer], plan: Plan) -> list[Series]:
    """Run everything; a peer that fails in a case is not asked again in that case."""
    results: list[Series] = []
    for case in cases:
        series = {peer: Series(case, peer.name) for peer in peers if case.suits(peer)}
        for repeat in range(-plan.warm_ups, plan.repeats):
            for peer, runs in series.items():
                if not runs.failure:
                    _run_once(peer, runs, plan, counted=repeat >= 0)
        results += series.values()
    return results


def _run_once(peer: Peer, runs: Series, plan: Plan, *, counted: bool) -> None:
    """Run one peer once. Speed counts after the warm-up; wrong bytes count always."""
    try:
        with Site(plan.tmpfs, plan.disk) as site:
            outcome = runs.case.run(peer, site)
    except Stuck as error:
        runs.failure = f"stuck: {error}"
    except (PeerError, OSError) as error:
        runs.failure = f"failed: {error}"
    else:
        runs.faults += outcome.faults
        if counted:
            runs.outcomes.append(outcome)
    _tell(runs, counted)


def _tell(runs: Series, counted: bool) -> None:
    """Keep whoever waits for it informed."""
    said = runs.failure
    if not said and not counted:
        said = "warm-up"
    if not said:
        latest = runs.outcomes[-1]
        said = ", ".join(
            f"{metric.name} {latest.values[metric.name]:.4g} {metric.unit}"
            for metric in runs.case.metrics
            if metric.name in latest.values
        )
    if runs.faults:
        said += f" WRONG: {runs.faults[-1]}"
    case = runs.case
    print(f"{case.workload} {case.label:24} {runs.peer:10} {said}", file=sys.stderr, flush=True)
