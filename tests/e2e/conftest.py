"""End-to-end tests: real servers, real sockets, a hard time limit for each."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import processes
from support.one_of_many import ManyLab
from support.servers import Lab, find_kind

TIME_LIMIT = 40
"""Seconds for one test; a test that needs this long has hung."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marker and start from default signals, whoever started pytest."""
    config.addinivalue_line("markers", "cites(*ids): statements of procserv.md this case checks")
    config.addinivalue_line("markers", "not_for(server, why): a case that one server cannot have")
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    processes.become_subreaper()


@pytest.fixture(autouse=True)
def _time_limit() -> Iterator[None]:
    """Interrupt a test that hangs; cleanup of its processes still happens."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback()
        raise TimeoutError(f"test ran longer than {TIME_LIMIT} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["procServ", "ours", "consoled", "consoled-2.8"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A directory and a server kind; consoled with the words of either version."""
    name, _, compat = request.param.partition("-")
    for mark in request.node.iter_markers("not_for"):
        if mark.args[0] == name:
            pytest.skip(f"{name}: {mark.kwargs['why']}")
    kind = find_kind(name, compat or "2.7")
    lab = ManyLab(kind, tmp_path) if kind.is_many else Lab(kind, tmp_path)
    yield lab
    lab.close()
