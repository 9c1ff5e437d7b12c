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
from support.servers import Lab, find_kind

TIME_LIMIT = 40
"""Seconds for one test; a test that needs this long has hung."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marker and start from default signals, whoever started pytest."""
    config.addinivalue_line("markers", "cites(*ids): statements of procserv.md this case checks")
    config.addinivalue_line("markers", "only(name): a case that makes sense for one server only")
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


@pytest.fixture(params=["procServ", "ours"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A directory and a server kind, once for each of the two servers."""
    lab = Lab(find_kind(request.param), tmp_path)
    yield lab
    lab.close()
