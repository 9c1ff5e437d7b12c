"""procServ: one process per console, UNIX socket or telnet port, shared writing."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .. import wire
from ..children import Console
from ..wire import Address, Attachment
from .base import Farm, Peer, first_line

GREETING_END = b"\xff\xfb\x01\xff\xfd\x22"
"""IAC WILL ECHO, IAC DO LINEMODE: procServ's last bytes to a new client."""


class ProcServFarm(Farm):
    """As many procServ processes as there are consoles."""

    def __init__(self, directory: Path, program: str) -> None:
        super().__init__(directory)
        self._program = program
        self._addresses: dict[str, Address] = {}

    def start(
        self, consoles: Sequence[Console], transport: str, holdoff: int, options: Sequence[str]
    ) -> None:
        for console in consoles:
            address, endpoint = self._endpoint(console.name, transport)
            self._addresses[console.name] = address
            self.launch(
                console.name,
                (
                    *(self._program, "-f", "-q", "-n", console.name, "--holdoff", str(holdoff)),
                    *("-L", str(console.log), *options, "-P", endpoint, *console.argv),
                ),
            )

    def _endpoint(self, name: str, transport: str) -> tuple[Address, str]:
        if transport == "unix":
            path = str(self.dir / f"{name}.sock")
            return path, f"unix:{path}"
        port = wire.free_port()
        return ("127.0.0.1", port), str(port)

    def address(self, console: str) -> Address:
        return self._addresses[console]

    def enter(self, console: str) -> Attachment:
        begun = time.perf_counter()
        sock = wire.connect(self.address(console))
        data = wire.receive(sock, "greeting")
        first = time.perf_counter()
        data = wire.receive_until(sock, GREETING_END, "end of the greeting", data)
        usable = time.perf_counter()
        rest = data.partition(GREETING_END)[2]
        return Attachment(sock, rest, first - begun, usable - begun)


class ProcServ(Peer):
    """The C original."""

    name = "procserv"
    transports = ("unix", "tcp")
    program = "procServ"

    def missing(self) -> str:
        return "" if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self) -> str:
        return first_line((self.program, "--version"), "")

    def farm(self, directory: Path) -> ProcServFarm:
        return ProcServFarm(directory, self.program)
