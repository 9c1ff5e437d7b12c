"""Aftermath: what an unclean end has left running is ended before anything is started again.

For the first worker of a keeper. Children that a surviving worker brings along are adopted;
all others that the run-files know are killed with their families.

Never true: a second child of a console while the first one lives, unless it cannot be killed
and has been named.
"""

import signal
import time
from collections.abc import Collection

from consoled.keeper import kin
from consoled.keeper.cgroup import Cgroups
from consoled.keeper.channel import Frame
from consoled.keeper.runfiles import RunFiles, Survivor

_PATIENCE = 2.0
_LOOK = 0.02


def clean_up(
    files: RunFiles, cgroups: Cgroups | None, adopted: Collection[str], others: Collection[int]
) -> list[Frame]:
    """End survivors but those of the consoles ``adopted``; what is to be told of each.

    ``others`` are processes that may have been started from within a console and are none of
    its kin: the worker. Waits up to two seconds, which only happens after an unclean end.
    """
    left = [one for one in files.survivors(others) if one.console not in adopted]
    deadline = time.monotonic() + _PATIENCE
    alive = left
    while alive and time.monotonic() < deadline:
        for survivor in alive:
            kin.signal_all(survivor.kin, signal.SIGKILL)
            if cgroups is not None:
                cgroups.kill(survivor.console)
        time.sleep(_LOOK)
        wanted = {survivor.console for survivor in alive}
        alive = [one for one in files.survivors(others) if one.console in wanted]
    hanging = {survivor.console for survivor in alive}
    return [_frame(survivor, survivor.console not in hanging) for survivor in left]


def _frame(survivor: Survivor, ended: bool) -> Frame:
    return {
        "do": "leftover",
        "console": survivor.console,
        "pid": survivor.leader.pid,
        "ended": ended,
    }
