"""Command line of the benchmarks: ``python -m tests.bench``, from the root of the repository."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import machine, report
from .outcome import FULL, QUICK
from .peers import PEERS
from .peers.ours import Ours
from .runner import Plan, measure
from .workloads import WORKLOADS

HOW = """\
Made by `python -m tests.bench {arguments}`: alternating runs (A B C A B C ...), medians of
{repeats} repeats after {warm_ups} discarded, in brackets min..max. Ratios are of medians and mean
something only inside one table. Servers' CPU and memory are without the consoles' children.
conserver listens on TCP only, so only the tcp rows are like for like with it. Every client
checked every byte against the stream that the child writes."""


def main(argv: Sequence[str]) -> int:
    """Measure, print, write; return 1 if a healthy client did not get the right bytes."""
    options = _parse(argv)
    peers = []
    for name in options.peers:
        if why := PEERS[name].missing():
            print(f"{name} left out: {why}", file=sys.stderr)
        else:
            peers.append(PEERS[name])
    facts = machine.facts(peers, options.tmpfs, options.disk)
    for name, value in facts:
        print(f"{name:12} {value}")
    plan = Plan(options.repeats, 0 if options.quick else 1, options.tmpfs, options.disk)
    scale = QUICK if options.quick else FULL
    cases = [case for name in options.workload for case in WORKLOADS[name].cases(scale)]
    cases = [case for case in cases if options.case in case.label]
    results = measure(cases, peers, plan)

    shown = report.tables(results, [peer.name for peer in peers])
    wrong, notes = report.faults(results), report.remarks(results)
    print("", *(f"{table.plain()}\n" for table in shown), sep="\n")
    print(*notes, *(f"WRONG BYTES: {line}" for line in wrong), sep="\n")
    if options.out:
        how = HOW.format(arguments=" ".join(argv), repeats=plan.repeats, warm_ups=plan.warm_ups)
        options.out.write_text(report.markdown(facts, how, shown, wrong, notes))
    return 1 if wrong else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", allow_abbrev=False)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--case", default="", help="only cases whose label contains this")
    parser.add_argument("--repeats", type=int, help="counted repeats (default 5, quick 1)")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, no more")
    parser.add_argument("--peers", type=_names, default=list(PEERS), help="comma-separated")
    parser.add_argument("--ours", help="program to measure as `ours`", metavar="PROGRAM")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), metavar="DIR")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), metavar="DIR")
    parser.add_argument("--out", type=Path, help="write markdown here", metavar="FILE")
    options = parser.parse_args(argv)
    if options.repeats is None:
        options.repeats = 1 if options.quick else 5
    if options.repeats < 1:
        parser.error("--repeats: at least 1")
    if options.ours:
        Ours.program = options.ours
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}, there are {', '.join(PEERS)}")
    return names


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
