"""kill and stop take all that a child has started, wherever it has gone; its own end does not.

Cites reliability.md §6 rows 5 and 6, D5.
"""

from __future__ import annotations

import re

import pytest

from support import processes
from support.survivors import Station

_FAMILY = """
sleep 1000 >/dev/null & echo plain $!
set -m; sleep 1001 >/dev/null & echo job $!; set +m
nohup sleep 1002 >/dev/null 2>&1 & echo nohup $!
setsid sleep 1003 >/dev/null 2>&1 & echo session $!
(setsid sleep 1004 >/dev/null 2>&1 & echo orphan $!)
(setsid sh -c 'trap "" TERM HUP; sleep 1005 & echo grandchild $!; wait; sleep 1006') &
setsid sh -c 'trap "" TERM HUP INT; echo deaf $$; while :; do sleep 1007; done' </dev/null &
echo leader $$
"""
_NAMES = {"plain", "job", "nohup", "session", "orphan", "grandchild", "deaf", "leader"}


def family(station: Station, after: str, **options: object) -> dict[str, int]:
    """A console's child and what it has started, by name."""
    station.console("a", ["/bin/bash", "-c", _FAMILY + after], restart="off", **options)
    station.start()
    found: dict[str, int] = {}

    def complete() -> bool:
        path = station.log_path("a")
        log = path.read_bytes().decode() if path.exists() else ""
        found.update({name: int(pid) for name, pid in re.findall(r"(\w+) (\d+)\r\n", log)})
        return found.keys() >= _NAMES

    processes.wait_for(complete, "the whole family")
    assert all(processes.alive(found[name]) for name in _NAMES)
    return {name: found[name] for name in _NAMES}


@pytest.mark.parametrize("verb", ["kill", "stop"])
@pytest.mark.parametrize("deaf", [False, True], ids=["obedient", "deaf"])
def test_nobody_is_left(station: Station, verb: str, deaf: bool) -> None:
    """Jobs, nohup, setsid, orphans and those that ignore TERM, whether the leader does or not."""
    after = "trap '' TERM; while :; do sleep 1; done" if deaf else "read for_ever"
    pids = family(station, after, stop_timeout="1s")
    station.ask(verb, console="a")
    for name, pid in pids.items():
        processes.wait_for(lambda pid=pid: not processes.alive(pid), f"the end of {name}", 5)
    station.wait_state("a", "STOPPED" if verb == "stop" else "EXITED")


def test_shutdown_leaves_nobody(station: Station) -> None:
    """The end of the server is the end of all families."""
    pids = family(station, "read for_ever", stop_timeout="1s")
    station.ask("shutdown")
    for pid in pids.values():
        processes.wait_gone(pid, 5)
    assert station.popen is not None
    assert station.popen.wait(10) == 0


def test_own_end_leaves_daemons_alone(station: Station) -> None:
    """A child that ends by itself takes its group; what it has set free runs on."""
    pids = family(station, "read once")
    user = station.connect("a")
    user.send(b"go\n")
    user.read_until(b"Normal exit status")
    processes.wait_gone(pids["plain"])
    processes.wait_gone(pids["nohup"])
    station.wait_state("a", "EXITED")
    for name in ("session", "orphan", "deaf", "job"):
        assert processes.alive(pids[name]), name


def test_next_child_is_spared(station: Station) -> None:
    """A restart ends the old family and not a process of the new one."""
    old = family(station, "read for_ever", stop_timeout="1s")
    seen = len(station.log("a"))
    station.ask("restart", console="a")
    found: dict[str, int] = {}

    def complete() -> bool:
        log = station.log("a")[seen:].decode()
        found.update({name: int(pid) for name, pid in re.findall(r"(\w+) (\d+)\r\n", log)})
        return found.keys() >= _NAMES

    processes.wait_for(complete, "the next family")
    for name, pid in old.items():
        processes.wait_for(lambda pid=pid: not processes.alive(pid), f"the end of {name}", 5)
    station.ask("version")
    assert [name for name in _NAMES if not processes.alive(found[name])] == []
