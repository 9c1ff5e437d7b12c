"""Which statements about procServ have no meaning for `consoled`, and why: a table of reasons.

A case that is marked with one of them is skipped for `consoled` and shown with its reason at
the end of each run. What differs and can be said of `consoled` too is asserted on both sides
in the case itself, by `lab.among_many(...)`.
"""

from __future__ import annotations

import pytest

REASONS = {
    "command line": "options stand in a file there; tests/unit/loader has their errors",
    "no daemon": "it stays in the foreground and writes no pid file: a service manager has it",
    "no terminal": "its terminal is no client; users attach by sockets",
    "one child": "it lives on when the child of a console has ended, so no exit code is its own",
    "names": "a console always has a name, of at most 64 characters",
    "any port": "a configuration names its ports, and nothing but loopback unless allowed",
    "refused": "a configuration with such a value is refused as a whole: tests/unit/loader",
    "short paths": "all its sockets are below run_dir, which must not be longer than they can be",
    "stdout": "a log is a file; its own words go to stderr, for the journal",
    "goes on": "what cannot be bound or executed is told and tried again, and ends no server",
    "signals": "INT ends it as TERM does: tests/e2e/consoled; USR1 is an upgrade",
    "crash": "children are looked after when one of its processes dies: tests/e2e/crash",
}


def not_for_consoled(reason: str) -> pytest.MarkDecorator:
    """Keep a case, or all of a module, to procServ and the drop-in."""
    return pytest.mark.not_for("consoled", why=REASONS[reason])
