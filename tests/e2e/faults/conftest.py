"""What the fault cases share: our server only, mounts, and a longer leash for a few."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import faults_mounts
from support.servers import Lab, find_kind


@pytest.fixture
def mounts() -> Iterator[faults_mounts.Mounts]:
    """File systems to freeze and fill; taken down after the servers that use them."""
    mounts = faults_mounts.Mounts()
    yield mounts
    mounts.close()


@pytest.fixture
def lab(tmp_path: Path, mounts: faults_mounts.Mounts) -> Iterator[Lab]:
    """A directory for our server; procServ is known to fail these cases."""
    lab = Lab(find_kind("ours"), tmp_path)
    yield lab
    mounts.thaw()
    lab.close()


@pytest.fixture
def patient() -> None:
    """Two minutes for a case that is long by its nature."""
    signal.setitimer(signal.ITIMER_REAL, 120)


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
