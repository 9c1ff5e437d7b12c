"""How a process ended that somebody else has collected."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consoled.keeper import kin
from consoled.keeper.outcome import collected, exit_status, still_running
from support import processes

from .conftest import Family

TELLS = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)
pytestmark = pytest.mark.skipif(not TELLS, reason="the kernel tells since Linux 6.15")

BY_ITS_PARENT = "sh -c 'kill -STOP $$; exit 7' & echo it $!; wait; wait"
BY_THE_SUBREAPER = "(sh -c 'kill -STOP $$; exit 7' >/dev/null & echo it $!)"

Make = Callable[..., Family]


@pytest.fixture(params=[BY_ITS_PARENT, BY_THE_SUBREAPER])
def stopped(request: pytest.FixtureRequest, family: Make) -> Iterator[tuple[int, int]]:
    """Pid and pidfd of a stopped process that is not, or not by birth, our child."""
    one = family("one", request.param, 1)
    processes.wait_for(lambda: one.process("it").state == "T", "the stop")
    if request.param == BY_THE_SUBREAPER:
        processes.wait_for(lambda: one.process("it").ppid == os.getpid(), "the adoption")
    pidfd = os.pidfd_open(one.pids["it"])
    yield one.pids["it"], pidfd
    os.close(pidfd)


def await_collection(pidfd: int) -> None:
    """The hang-up is an event: nobody has to ask again and again."""
    poll = select.epoll()
    poll.register(pidfd, 0)
    process = select.poll()
    process.register(pidfd, select.POLLIN)
    assert process.poll(10_000)
    processes.reap_orphans()
    assert poll.poll(10) == [(pidfd, select.EPOLLHUP)]
    poll.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGCONT, 7), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_status_of_a_process_of_others(stopped: tuple[int, int], number: int, code: int) -> None:
    pid, pidfd = stopped
    assert still_running(pidfd)
    assert not collected(pidfd)
    assert exit_status(pidfd) is None
    os.kill(pid, number)
    await_collection(pidfd)
    assert not still_running(pidfd)
    assert collected(pidfd)
    status = exit_status(pidfd)
    assert status is not None
    assert os.waitstatus_to_exitcode(status) == code
    assert kin.look(pid) is None


def test_zombie_is_not_told_about() -> None:
    child = subprocess.Popen(["false"])
    pidfd = os.pidfd_open(child.pid)
    try:
        processes.wait_for(lambda: not still_running(pidfd), "its end")
        assert exit_status(pidfd) is None
        assert not collected(pidfd)
        child.wait(10)
        assert exit_status(pidfd) == 1 << 8
        assert collected(pidfd)
    finally:
        os.close(pidfd)


def test_what_is_no_pidfd_has_no_outcome(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert exit_status(file.fileno()) is None
    assert exit_status(10**6) is None
    with pytest.raises(OSError, match="closed"):
        still_running(10**6)
