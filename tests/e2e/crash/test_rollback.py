"""A new version that does not come up changes nothing, and says why.

Cites D3 and reliability.md §4. The server runs from a copy of the package, in which the "new
version" is then installed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import consoled
from support import processes
from support.servers import CAT
from support.streams import Peer
from support.survivors import Station, numbered

ORIGINAL = Path(consoled.__file__).parent
_BODY = re.compile(r'(    def take_over\(.*?\n        """.*?"""\n)', re.DOTALL)


class Installation:
    """A server that runs from a copy of the package, and a user of it."""

    def __init__(self, station: Station, patient: Callable[[float], None]) -> None:
        patient(60)
        self.station = station
        self.package = station.dir / "lib" / "consoled"
        shutil.copytree(ORIGINAL, self.package)
        station.console("a", CAT, restart="off", tcp=True)
        station.console("n", numbered(1000), restart="off")
        station.start(env={"PYTHONPATH": str(self.package.parent)})
        self.user = station.connect("a", tcp=True)
        self.pids = station.children()
        self.versions = station.ask("version")

    def change(self, module: str, edit: Callable[[str], str]) -> None:
        """Install another version of a module."""
        path = self.package / module
        before = path.read_text()
        text = edit(before)
        assert text != before
        path.write_text(text)

    def restore(self) -> None:
        """Install the version that works."""
        shutil.copy(ORIGINAL / "server/worker.py", self.package / "server")

    def serves(self, word: bytes) -> None:
        """Everybody is where they were."""
        echo(self.user, word)
        assert self.station.children() == self.pids


def echo(peer: Peer, word: bytes) -> None:
    """A line to the child and back."""
    peer.send(word + b"\n")
    peer.read_until(word + b"\r\n" + word + b"\r\n", 20)


@pytest.fixture
def installation(station: Station, patient: Callable[[float], None]) -> Installation:
    """A server whose code can be broken."""
    return Installation(station, patient)


def break_syntax(text: str) -> str:
    """No Python at all."""
    return text + "\n\ndef broken(:\n"


def break_take_over(text: str) -> str:
    """Comes up, says that it is ready, and fails with what it gets."""
    return _BODY.sub(r'\1        raise RuntimeError("cannot take over")\n', text)


def hang_in_take_over(text: str) -> str:
    """Comes up, says that it is ready, and does no more."""
    return _BODY.sub(r"\1        import time\n        time.sleep(600)\n", text)


def test_version_that_is_no_python(installation: Installation) -> None:
    """The worker at work never stops for it."""
    station = installation.station
    installation.change("server/worker.py", break_syntax)
    station.ask("upgrade")
    station.wait_errors("SyntaxError")
    installation.serves(b"as before")
    assert station.ask("version") == installation.versions


@pytest.mark.parametrize(("edit", "limit"), [(break_take_over, 5.0), (hang_in_take_over, 15.0)])
def test_version_that_cannot_take_over(
    installation: Installation, edit: Callable[[str], str], limit: float
) -> None:
    """What the old worker has given away comes back to its code; users have waited, no more."""
    station = installation.station
    installation.change("server/worker.py", edit)
    begun = time.monotonic()
    station.ask("upgrade")
    station.wait_errors("going back to the version of worker", 20)
    installation.serves(b"back again")
    print(f"\n{edit.__name__}: back after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < limit
    assert station.ask("version")["keeper"] == installation.versions["keeper"]
    # and it can still be upgraded, once the new version is a good one
    installation.restore()
    worker = station.worker
    station.ask("upgrade")
    station.wait_worker(worker)
    installation.serves(b"at last")


def test_configuration_that_is_wrong(installation: Installation) -> None:
    """An upgrade reads the file; with one that cannot be used the old worker stays."""
    station = installation.station
    with station.config.open("a") as file:
        file.write("\n[console.a]\n")
    station.ask("upgrade")
    station.wait_errors("the new worker cannot start")
    installation.serves(b"as before")
    assert station.ask("version") == installation.versions


@pytest.mark.parametrize("module", ["keeper/process.py", "keeper/handover.py"])
def test_keeper_that_is_no_python(installation: Installation, module: str) -> None:
    """The rehearsal fails, the keeper stays; its reason is told."""
    station = installation.station
    installation.change(module, break_syntax)
    station.ask("upgrade-keeper")
    said = station.wait_errors("stays as it is: the new version does not come up: ")
    assert "SyntaxError" in said.rpartition("does not come up: ")[2]
    installation.serves(b"as before")
    assert station.ask("version") == installation.versions


def test_keeper_that_understands_other_tables(installation: Installation) -> None:
    """A version that cannot read what we hold is found out before it is executed."""
    station = installation.station
    installation.change(
        "keeper/handover.py", lambda text: text.replace("    lock: int\n", "    lok: int\n")
    )
    station.ask("upgrade-keeper")
    station.wait_errors("stays as it is: the new version does not come up: ")
    installation.serves(b"as before")


def test_worker_that_fails_as_it_begins(installation: Installation) -> None:
    """Told to go, it is followed by the newest version; if that fails it must not linger.

    The children run on, the failure is told again and again, and as soon as there is a version
    that works everything is served.
    """
    station = installation.station
    installation.change("server/worker.py", break_take_over)
    os.kill(station.worker, signal.SIGTERM)
    processes.wait_for(lambda: station.errors().count("cannot take over") >= 2, "two failures")
    installation.restore()
    installation.serves(b"at last")
