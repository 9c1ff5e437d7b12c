"""consoled as a procServ: a whole server with the one console that a command line asks for.

It is started by `consoled -c`, so that its keeper is the process that was started; the keeper
forks the child and the worker's starter, the worker talks to everybody.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import processes
from .servers import PROBE, Lab, Server
from .streams import PATIENCE, Peer, Terminal
from .translation import toml, translate

STARTER = b"consoled.server.starter"


def starter_of(keeper: int) -> int:
    """The process that starts a keeper's workers."""
    return _only([pid for pid in processes.children(keeper) if is_starter(pid)])


def worker_of(keeper: int) -> int:
    """The worker at work, while nobody replaces it."""
    return _only(processes.children(starter_of(keeper)))


def is_starter(pid: int) -> bool:
    """Whether a child of a keeper is no console's child."""
    try:
        return STARTER in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _only(pids: list[int]) -> int:
    (pid,) = pids
    return pid


def ask(run_dir: Path, verb: str, **more: object) -> dict[str, Any]:
    """One request to the control socket in this directory, and its answer."""
    with Peer.unix(run_dir / "control.sock") as peer:
        peer.send(json.dumps({"verb": verb, **more}).encode() + b"\n")
        return dict(json.loads(peer.read_until(b"\n")))


class OneOfMany(Server):
    """A console of consoled; `pid` is the keeper's, which is also what people are told."""

    @property
    def reader(self) -> int:
        return worker_of(self.pid)

    @property
    def endpoints(self) -> list[str]:
        """As the command line had them: the info file has absolute paths."""
        return [line.replace(f"unix:{self.dir}/", "unix:") for line in super().endpoints]

    def child(self) -> int:
        """The pid of the child, waiting until the worker knows of one.

        The keeper forks it; whoever attaches in that moment is told that the child is down.
        """
        found: list[int] = []

        def one() -> bool:
            (status,) = ask(self.dir, "list")["consoles"]
            found[:] = [status["pid"]] if status["state"] == "RUNNING" else []
            return bool(found)

        processes.wait_for(one, f"child of keeper {self.pid}")
        assert found[0] in processes.children(self.pid)
        return found[0]

    def quit(self) -> None:
        """^Q stops the console only; the server ends by a signal."""
        os.kill(self.pid, 15)


class ManyLab(Lab):
    """A lab for consoled: options become a configuration in its directory."""

    def run(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        raise AssertionError("consoled has no such command line: mark the case not_for_consoled")

    def start(
        self,
        *options: str,
        command: Sequence[str] = PROBE,
        endpoints: Sequence[str] = ("unix:ctl",),
        mode: str = "foreground",
        env: Mapping[str, str] | None = None,
        terminal: Terminal | None = None,
        compat: str | None = None,
    ) -> Server:
        """Start a server with one console and wait until it listens."""
        assert mode == "foreground", f"consoled has no {mode}: mark the case not_for_consoled"
        self.configure(options, endpoints, command)
        argv = [*self.prefix, *self.kind.argv, "-c", "consoled.toml"]
        with (self.dir / "stdout").open("wb") as out, (self.dir / "stderr").open("wb") as err:
            popen = subprocess.Popen(
                argv,
                cwd=self.dir,
                env=self.environ(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        server = OneOfMany(self.kind, self.dir, popen, None)
        self._servers.append(server)
        log = any(word in ("-l", "--logport") for word in options)
        server.await_info(self.dir / "info", len(endpoints) + log)
        return server

    def configure(
        self, options: Sequence[str], endpoints: Sequence[str], command: Sequence[str]
    ) -> None:
        """Write what these words mean; paths are relative to the lab's directory as ever."""
        console = translate(["-I", "info", *options], endpoints, command, self.dir)
        console.options["environment"] = {processes.MARK: self.mark}
        console.options["profile"] = self.kind.compat
        here = str(self.dir)
        server = {"run_dir": here, "state_dir": f"{here}/state", "log_dir": here}
        tables = {"server": server, f"console.{console.name}": console.options}
        (self.dir / "consoled.toml").write_text(toml(tables))

    def close(self) -> None:
        """The mark is in the environment of every process, the console's child included."""
        for server in self._servers:
            server.close()
        processes.end_all(self.mark)
        for server in self._servers:
            server.popen.wait(PATIENCE)
