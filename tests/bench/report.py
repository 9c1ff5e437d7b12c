"""Series in, tables out: plain columns for the eye, markdown for RESULTS.md."""

import itertools
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .goals import GOALS, Goal
from .outcome import Case, Metric
from .runner import Series
from .workloads import WORKLOADS

BASE = "procserv"
OURS = "ours"


@dataclass(frozen=True)
class Table:
    """One workload's figures, as text."""

    title: str
    header: list[str]
    rows: list[list[str]]

    def plain(self) -> str:
        """Return columns padded with blanks."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (self.header, *self.rows)
        ]
        return "\n".join((self.title, *lines))

    def markdown(self) -> str:
        """Return the same as a markdown table."""
        rule = ["---"] * len(self.header)
        rows = (f"| {' | '.join(row)} |" for row in (self.header, rule, *self.rows))
        return "\n".join((f"## {self.title}", "", *rows))


def tables(results: Sequence[Series], peers: Sequence[str]) -> list[Table]:
    """Return one table per workload that was run."""
    return [
        _table(workload, list(series), peers)
        for workload, series in itertools.groupby(results, lambda item: item.case.workload)
    ]


def _table(workload: str, results: list[Series], peers: Sequence[str]) -> Table:
    ratios = [
        (above, below)
        for above, below in (
            (OURS, BASE),
            ("consoled", BASE),
            (OURS, "conserver"),
            ("conserver", BASE),
        )
        if above in peers and below in peers
    ]
    header = ["case", "metric", "unit", *peers]
    header += [f"{above}/{below}" for above, below in ratios]
    if {OURS, "consoled"} & {*peers}:
        header.append("goal")
    rows = []
    for case, group in itertools.groupby(results, lambda item: item.case):
        by_peer = {item.peer: item for item in group}
        rows += [_row(case, metric, by_peer, peers, ratios) for metric in case.metrics]
    return Table(f"{workload} {WORKLOADS[workload].TITLE}", header, rows)


def _row(
    case: Case,
    metric: Metric,
    by_peer: dict[str, Series],
    peers: Sequence[str],
    ratios: Sequence[tuple[str, str]],
) -> list[str]:
    medians = {
        name: statistics.median(values)
        for name, series in by_peer.items()
        if (values := series.values(metric.name))
    }
    row = [case.label, metric.name, metric.unit]
    row += [_cell(by_peer.get(name), metric) for name in peers]
    for above, below in ratios:
        shown = not metric.context and medians.get(below) and above in medians
        row.append(_ratio(medians[above] / medians[below]) if shown else "-")
    if {OURS, "consoled"} & {*peers}:
        right = not any(series.faults for series in by_peer.values())
        row.append(_goals(case, metric, medians if right else {}))
    return row


def _cell(series: Series | None, metric: Metric) -> str:
    """Return "median [min..max]"; "-" where the peer has no such case."""
    if series is None:
        return "-"
    values = series.values(metric.name)
    if not values:
        return series.failure.partition(":")[0] or "-"
    mark = " WRONG" if series.faults else f" {series.failure.partition(':')[0]}".rstrip()
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:.3g}{mark}"
    return f"{middle:.3g} [{low:.3g}..{high:.3g}]{mark}"


def _ratio(value: float) -> str:
    return f"{value:.2f}x" if value >= 0.1 else f"{value:.2g}x"


def _goals(case: Case, metric: Metric, medians: dict[str, float]) -> str:
    """Return the goals with verdicts; without medians (wrong bytes void a speed) just the goals."""
    goals = GOALS.get((case.workload, case.label, metric.name), ())
    return "; ".join(_verdict(goal, medians) for goal in goals) or "-"


def _verdict(goal: Goal, medians: dict[str, float]) -> str:
    whose = goal.whose
    if whose not in medians or (goal.versus and not medians.get(goal.versus)):
        return str(goal)
    value = medians[whose] / medians[goal.versus] if goal.versus else medians[whose]
    return f"{goal} {'met' if goal.met(value) else 'MISSED'}"


def faults(results: Sequence[Series]) -> list[str]:
    """Return every wrong byte at a healthy client: what the exit status is about."""
    return [
        f"{series.case.workload} {series.case.label}, {series.peer}: {fault}"
        for series in results
        for fault in series.faults
    ]


def remarks(results: Sequence[Series]) -> list[str]:
    """Return failures, and notes with the number of runs they apply to."""
    lines = []
    for series in results:
        where = f"{series.case.workload} {series.case.label}, {series.peer}"
        if series.failure:
            lines.append(f"{where}: {series.failure}")
        for note, count in Counter(n for run in series.outcomes for n in run.notes).items():
            if note != "log complete":
                lines.append(f"{where}: {note} ({count} of {len(series.outcomes)} runs)")
    logs = [note for series in results for run in series.outcomes for note in run.notes]
    if logs:
        lines.append(f"log complete and byte-exact in {logs.count('log complete')} runs")
    return lines


def markdown(
    facts: Sequence[tuple[str, str]],
    how: str,
    shown: Sequence[Table],
    wrong: Sequence[str],
    notes: Sequence[str],
) -> str:
    """Return the whole of RESULTS.md."""
    parts = ["# Benchmark results", how]
    parts.append("\n".join(("| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts))))
    parts += [table.markdown() for table in shown]
    parts.append("## Bytes")
    parts.append("\n".join(f"- WRONG: {line}" for line in wrong) or "Every byte was right.")
    if notes:
        parts.append("## Remarks")
        parts.append("\n".join(f"- {line}" for line in notes))
    return "\n\n".join(parts) + "\n"
