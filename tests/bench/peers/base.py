"""What every kind of server offers to the workloads."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from .. import procfs
from ..children import Console
from ..limits import PeerError, happens
from ..wire import Address, Attachment

GRACE = 3.0
"""Seconds that a server may take to end by itself before it is killed."""


class Farm(ABC):
    """The running servers of one peer: one process per console, or one for all."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._attached: list[Attachment] = []

    @abstractmethod
    def start(
        self, consoles: Sequence[Console], transport: str, holdoff: int, options: Sequence[str]
    ) -> None:
        """Start what serves these consoles; not yet awaited."""

    @abstractmethod
    def address(self, console: str) -> Address:
        """Return where a user of this console connects."""

    @abstractmethod
    def enter(self, console: str) -> Attachment:
        """Connect as a user and read the whole greeting."""

    def attach(self, console: str) -> Attachment:
        """Enter and stay: the connection is closed with the farm at the latest."""
        attachment = self.enter(console)
        self._attached.append(attachment)
        return attachment

    def launch(self, name: str, argv: Sequence[str]) -> None:
        """Start one server as leader of its own session (see `procfs.session`)."""
        env = {key: value for key, value in os.environ.items() if "PROCSERV" not in key}
        with open(self.dir / f"{name}.out", "wb") as out:
            self._servers[name] = subprocess.Popen(
                argv,
                cwd=self.dir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """Return all server processes, without the consoles' children."""
        return [pid for server in self._servers.values() for pid in procfs.session(server.pid)]

    def check(self) -> None:
        """Raise with the server's first and last words if one has ended."""
        for name, server in self._servers.items():
            if server.poll() is not None:
                said = (self.dir / f"{name}.out").read_text(errors="replace").strip()
                first, *more = said.splitlines() or ["silent"]
                words = f"{first} ... {more[-1].strip()}" if more else first
                raise PeerError(f"server ended with status {server.returncode}: {words}")

    def close(self) -> None:
        """End all servers: politely, then by force, helpers included."""
        for attachment in self._attached:
            attachment.sock.close()
        for server in self._servers.values():
            server.terminate()
        happens(self._all_ended, GRACE)
        for server in self._servers.values():
            for pid in procfs.session(server.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        happens(self._all_ended, GRACE)

    def _all_ended(self) -> bool:
        return all(server.poll() is not None for server in self._servers.values())


class Peer(ABC):
    """A kind of server that can be measured."""

    name: str
    transports: tuple[str, ...]
    replay_options: tuple[str, ...] = ()
    """What makes it replay its output to those who attach; empty if it cannot."""

    @abstractmethod
    def missing(self) -> str:
        """Return why this peer cannot run here, or nothing."""

    @abstractmethod
    def version(self) -> str:
        """Return the version line for the report."""

    @abstractmethod
    def farm(self, directory: Path) -> Farm:
        """Return a farm, not yet started, that keeps its files in `directory`."""


def first_line(argv: Sequence[str], word: str) -> str:
    """Return the first line with `word` that a command prints."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if word in line), "version unknown")
