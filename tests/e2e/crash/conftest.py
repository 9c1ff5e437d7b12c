"""What the crash cases share: a server whose processes are ended one by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from support import faults_mounts
from support.survivors import Station


@pytest.fixture
def station() -> Iterator[Station]:
    """A server of many processes; nothing of it outlives the test."""
    station = Station()
    yield station
    station.close()


@pytest.fixture
def mounts() -> Iterator[faults_mounts.Mounts]:
    """File systems to freeze; taken down after the servers that use them."""
    mounts = faults_mounts.Mounts()
    yield mounts
    mounts.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A machine that cannot mount must say so by itself; else it is a failure."""
    try:
        return (yield)
    except faults_mounts.MountError as error:
        if os.environ.get(faults_mounts.ALLOWED_TO_MISS) != "1":
            raise AssertionError(
                f"{error}. This fault is NOT tested on this machine; to accept that set"
                f" {faults_mounts.ALLOWED_TO_MISS}=1"
            ) from error
        return pytest.skip(f"{item.name}: {error}")


@pytest.fixture
def patient() -> Callable[[float], None]:
    """Another time limit for a case that is long by its nature."""
    return lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
