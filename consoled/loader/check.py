"""``--check-config``: what is wrong with a configuration, for people, all at once.

Beside what makes it unusable there are warnings: what it names that is not on this machine
now, and may well be there when it is needed.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from consoled.config.locate import Path
from consoled.config.model import ConsoleConfig
from consoled.config.problem import Problem
from consoled.config.resolve import Resolved
from consoled.loader.assemble import Outcome, in_order

EX_CONFIG = 78


def check(outcome: Outcome) -> int:
    """Print problems and warnings to stderr, the verdict to stdout; returns the exit code."""
    warnings = in_order([*outcome.warnings, *surroundings(outcome)])
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    for warning in warnings:
        print(warning.as_warning(), file=sys.stderr)
    if outcome.site is None:
        print(f"{_count(len(outcome.problems), 'error')}: not usable")
        return EX_CONFIG
    consoles = _count(len(outcome.site.consoles), "console")
    groups = _count(len(outcome.site.groups), "group")
    print(f"{consoles}, {groups}: ok")
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def surroundings(outcome: Outcome) -> list[Problem]:
    """What consoles need and is not there."""
    own = outcome.site.server.own_log_dir if outcome.site is not None else None
    look = _Look({} if own is None else {own: True})  # the server makes it, if need be
    return [problem for each, config in outcome.consoles for problem in look.at(each, config)]


@dataclass(slots=True)
class _Look:
    """Looks at every path once: thousands of consoles share a few."""

    _known: dict[str, bool] = field(default_factory=dict)

    def at(self, console: Resolved, config: ConsoleConfig) -> Iterator[Problem]:
        def missing(path: Path, text: str) -> Problem:
            return console.merged.problem(path, text)

        if not self._is_directory(config.directory):
            yield missing(("chdir",), f"there is no directory {config.directory}")
        elif not any(map(self._is_program, _candidates(config))):
            key = "executable" if config.executable else "command"
            yield missing((key,), f"there is no program {config.executable or config.command[0]}")
        folder = os.path.dirname(config.log.file or "/")
        if folder not in self._known and not self._is_directory(folder):
            yield missing(("log", "file"), f"there is no directory {folder}")

    def _is_directory(self, path: str) -> bool:
        if path not in self._known:
            self._known[path] = os.path.isdir(path)
        return self._known[path]

    def _is_program(self, path: str) -> bool:
        if path not in self._known:
            self._known[path] = os.path.isfile(path) and os.access(path, os.X_OK)
        return self._known[path]


def _candidates(config: ConsoleConfig) -> list[str]:
    """The files an exec will try."""
    program = config.executable or config.command[0]
    if "/" in program:
        return [os.path.join(config.directory, program)]
    path = config.environment.get("PATH", "")
    folders = [os.path.join(config.directory, folder) for folder in path.split(":")]
    return [os.path.join(folder, program) for folder in folders]
