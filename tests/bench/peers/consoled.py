"""consoled: one server for all consoles, in its processes keeper, starter and worker."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import procfs
from ..children import Console
from .base import Farm, first_line
from .procserv import ProcServ, ProcServFarm


class ConsoledFarm(ProcServFarm):
    """One configuration with all consoles, each with its log and one telnet endpoint."""

    def start(
        self, consoles: Sequence[Console], transport: str, holdoff: int, options: Sequence[str]
    ) -> None:
        lines = [
            "[server]",
            *(f"{key} = {_quote(self.dir / key)}" for key in ("run_dir", "state_dir", "log_dir")),
            "[defaults]",
            f'holdoff = "{holdoff}s"',
            f"replay = {options[1] if options else 0}",
            'chdir = "/"',
        ]
        for console in consoles:
            address, endpoint = self._endpoint(console.name, transport)
            self._addresses[console.name] = address
            at = endpoint if transport == "unix" else f"tcp:127.0.0.1:{endpoint}"
            lines += [
                f"[console.{_quote(console.name)}]",
                f"command = [{', '.join(_quote(word) for word in console.argv)}]",
                f'listen = ["none", {_quote(at)}]',
                f"log.file = {_quote(console.log)}",
            ]
        config = self.dir / "consoled.toml"
        config.write_text("\n".join(lines) + "\n")
        self.launch("consoled", (self._program, "--config", str(config)))

    def pids(self) -> list[int]:
        """Keeper, and starter and worker, which have a session of their own."""
        keepers = [server.pid for server in self._servers.values()]
        return [
            pid for keeper in keepers for pid in (keeper, *procfs.descendants(keeper, "starter"))
        ]


def _quote(value: object) -> str:
    return json.dumps(str(value))


class Consoled(ProcServ):
    """What this repository builds for a whole host."""

    name = "consoled"
    program = os.environ.get("CONSOLED_BENCH") or str(Path(sys.prefix) / "bin" / "consoled")
    replay_options = ("--replay", "100000")

    def missing(self) -> str:
        return "" if Path(self.program).exists() else f"{self.program} is not installed"

    def version(self) -> str:
        return first_line((self.program, "--version"), "consoled")

    def farm(self, directory: Path) -> Farm:
        return ConsoledFarm(directory, self.program)
