"""Nobody of a console's child gets away, and nobody else is hit."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consoled.keeper import kin
from support import processes

from .conftest import WIPED, Family, no_descriptors

SCATTER = f"""
set -m; sleep 1000 & echo job $!; set +m
nohup sleep 1000 >/dev/null 2>&1 & echo nohup $!
setsid sleep 1000 & echo away $!
(setsid sleep 1000 >/dev/null & echo orphan $!)
({WIPED} setsid sleep 1000 >/dev/null & echo wiped $!)
(sleep 1000 >/dev/null & echo heir $!)
"""
NAMES = 6

SWARM = """
import os, signal, sys
reading, told = os.pipe()
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        os.close(told)
        os.close(0)
        os.close(1)
        signal.pause()
os.close(told)
os.read(reading, 1)
print("ready", flush=True)
sys.stdin.read()
"""

ADOPT = """
import os, subprocess
from consoled.keeper import kin
kin.become_subreaper()
orphan = subprocess.check_output(["sh", "-c", "sleep 1000 >/dev/null & echo $!"])
print(kin.look(int(orphan)).ppid == os.getpid())
"""

HALF_DEAD = """
import ctypes, threading
threading.Thread(target=threading.Event().wait).start()
print("half-dead", __import__("os").getpid(), flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""

Make = Callable[..., Family]


def find(*families: tuple[str, Family]) -> dict[str, list[kin.Process]]:
    scan = kin.scan()
    leaders = {console: one.leader for console, one in families}
    marks = kin.read_marks(scan, leaders, os.getpid())
    return kin.kin_by_console(scan, leaders, os.getpid(), marks)


def pids(found: list[kin.Process]) -> set[int]:
    return {process.pid for process in found}


def scattered(family: Make, console: str) -> Family:
    """A child all of whose processes are where they wanted to go."""
    one = family(console, SCATTER, NAMES)

    def gone_where_they_wanted() -> bool:
        own = all(one.process(n).session == one.pids[n] for n in ("away", "orphan", "wiped"))
        orphans = (one.process(n).ppid == os.getpid() for n in ("orphan", "wiped", "heir"))
        return own and all(orphans) and one.process("wiped").comm == b"sleep"

    processes.wait_for(gone_where_they_wanted, "sessions and orphans")
    return one


def test_all_kinds_are_found_and_ended(family: Make) -> None:
    """All but the one that left parent, session and environment behind: that is a stray."""
    one, two = scattered(family, "one"), scattered(family, "two")
    found = find(("one", one), ("two", two))
    for console, its in (("one", one), ("two", two)):
        assert pids(found[console]) == {pid for n, pid in its.pids.items() if n != "wiped"}
    stray = pids(kin.strays(kin.scan(), found, os.getpid()))
    assert {one.pids["wiped"], two.pids["wiped"]} <= stray

    assert kin.signal_all(found["one"], signal.SIGKILL) == []
    for pid in pids(found["one"]):
        processes.wait_gone(pid)
    again = find(("one", one), ("two", two))
    assert again["one"] == []
    assert pids(again["two"]) == pids(found["two"])


def test_after_the_leader_was_collected(family: Make) -> None:
    one = scattered(family, "one")
    one.leave()
    left = {one.pids[name] for name in ("job", "nohup", "away", "orphan", "heir")}
    processes.wait_for(lambda: pids(find(("one", one))["one"]) == left, "all of them as orphans")


def test_comm_that_looks_like_the_end_of_comm(family: Make, tmp_path: Path) -> None:
    path = tmp_path / "a) (b\nS 1 2"
    path.symlink_to(shutil.which("sleep") or "")
    one = family("one", f"'{path}' 1000 & echo named $!", 1)
    processes.wait_for(lambda: one.process("named").comm != b"bash", "the exec")
    process = one.process("named")
    assert process.comm == b"a) (b\nS 1 2"
    assert (process.ppid, process.session) == (one.leader.pid, one.leader.pid)
    assert process.name == "a) (b?S 1 2"
    assert pids(find(("one", one))["one"]) == {one.leader.pid, process.pid}


def test_first_thread_that_ended_before_the_others(mark: str) -> None:
    environment = os.environ | {processes.MARK: mark}
    child = subprocess.Popen(
        [sys.executable, "-c", HALF_DEAD], env=environment, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()

        def half_dead() -> bool:
            process = kin.look(child.pid)
            return process is not None and process.state == "Z"

        processes.wait_for(half_dead, "end of the first thread")
        process = kin.look(child.pid)
        assert process is not None
        assert not process.ended
        assert kin.signal_all([process], signal.SIGKILL) == []
        assert child.wait(10) == -signal.SIGKILL
    finally:
        child.kill()
        child.communicate()


def test_recycled_pid_is_not_signalled(family: Make) -> None:
    one = family("one")
    process = one.process("leader")
    earlier = process._replace(started=process.started - 1)
    assert kin.signal_all([earlier], signal.SIGKILL) == []
    assert kin.signal_all([process], signal.SIGTERM) == []
    assert one.shell.wait(10) == -signal.SIGTERM


def test_the_ended_and_ourselves_are_passed_over(family: Make) -> None:
    one = family("one")
    process = one.process("leader")
    one.leave()
    own = kin.look(os.getpid())
    assert own is not None
    init = kin.look(1)
    assert init is not None
    assert kin.signal_all([process, own, init], signal.SIGKILL) == []


def test_refusals_are_reported(family: Make) -> None:
    """Whoever runs the tests: root drops its rights for it, others ask of a stranger."""
    process = family("one").process("leader")
    if os.geteuid() != 0:
        uid = os.geteuid()
        strangers = (p for p in kin.scan() if p.pid != 1)
        process = next(p for p in strangers if os.stat(f"/proc/{p.pid}").st_uid != uid)
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            os._exit(kin.signal_all([process], 0) != [(process.pid, errno.EPERM)])
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_subreaper(mark: str) -> None:
    environment = os.environ | {processes.MARK: mark}
    argv = [sys.executable, "-c", ADOPT]
    assert subprocess.check_output(argv, env=environment, timeout=20) == b"True\n"


def test_processes_that_vanish_meanwhile(family: Make) -> None:
    """A scan amid forks and ends is whole for those who stay."""
    one = family("one", "(while :; do (:); done) & echo busy $!", 1)
    for _ in range(30):
        found = pids(find(("one", one))["one"])
        assert {one.leader.pid, one.pids["busy"]} <= found


def test_a_thousand_consoles_in_one_scan(
    mark: str, record_property: Callable[[str, object], None]
) -> None:
    environment = os.environ | {processes.MARK: mark, kin.MARK.decode(): "swarm"}
    swarm = subprocess.Popen(
        [sys.executable, "-c", SWARM, "1000"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert swarm.stdout is not None
        assert swarm.stdout.readline() == b"ready\n"
        times = [time.perf_counter()]
        scan = kin.scan()
        times.append(time.perf_counter())
        leaders = {str(p.pid): p.identity for p in scan if p.ppid == swarm.pid}
        assert len(leaders) == 1000
        times.append(time.perf_counter())
        marks = kin.read_marks(scan, leaders, os.getpid())
        found = kin.kin_by_console(scan, leaders, os.getpid(), marks)
        times.append(time.perf_counter())
        everybody = [process for family in found.values() for process in family]
        assert kin.signal_all(everybody, signal.SIGKILL) == []
        times.append(time.perf_counter())
        assert {console: str(*pids(family)) for console, family in found.items()} == {
            console: console for console in leaders
        }
        scanned, assigned, signalled = (
            round(1000 * (times[stop] - times[stop - 1]), 1) for stop in (1, 3, 4)
        )
        report = f"scan {scanned} ms, assign {assigned} ms, signal {signalled} ms"
        record_property("thousand", report)
        print(f"{len(scan)} processes, 1000 consoles: {report}")
        assert scanned + assigned < 1000
    finally:
        swarm.kill()
        swarm.communicate()


@pytest.mark.parametrize("number", [0, -1, 2**40])
def test_no_such_process(number: int) -> None:
    assert kin.look(number) is None


def test_out_of_descriptors_is_not_nobody(family: Make) -> None:
    process = family("one").process("leader")
    errors = []
    with no_descriptors():
        for blind in (kin.scan, lambda: kin.look(process.pid)):
            try:
                blind()
            except OSError as error:
                errors.append(error.errno)
        refused = kin.signal_all([process], signal.SIGKILL)
    assert errors == [errno.EMFILE, errno.EMFILE]
    assert refused == [(process.pid, errno.EMFILE)]
