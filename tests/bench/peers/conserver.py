"""conserver: one master for all consoles, a helper per 16 of them, TCP only in Debian's build."""

import shlex
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from .. import wire
from ..children import Console
from ..limits import PeerError, until
from ..wire import Address, Attachment
from .base import Farm, Peer, first_line

CONFIG = """\
config * {{ sslrequired no; }}
default * {{ master 127.0.0.1; rw *; options autoreinit; }}
access * {{ trusted 127.0.0.1; }}
{consoles}
"""
CONSOLE = 'console {name} {{ type exec; exec "exec {command}"; logfile {log}; }}'


class ConserverFarm(Farm):
    """One conserver with all consoles."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._master: Address = ("127.0.0.1", 0)
        self._groups: dict[str, Address] = {}

    def start(
        self, consoles: Sequence[Console], transport: str, holdoff: int, options: Sequence[str]
    ) -> None:
        config = self.dir / "conserver.cf"
        lines = (
            CONSOLE.format(name=item.name, command=shlex.join(item.argv), log=item.log)
            for item in consoles
        )
        config.write_text(CONFIG.format(consoles="\n".join(lines)))
        port = wire.free_port()
        self._master = ("127.0.0.1", port)
        self.launch(
            "conserver",
            ("conserver", "-E", "-C", str(config), "-M", "127.0.0.1", "-p", str(port)),
        )

    def address(self, console: str) -> Address:
        """Return the helper's port; the master is asked once, as a client would cache it."""
        if console not in self._groups:
            until(self._listening, "listening conserver")
            sock = wire.connect(self._master)
            with sock:
                _expect(sock, b"ok")
                _ask(sock, b"login bench", b"ok")
                sock.sendall(b"call " + console.encode() + b"\r\n")
                answer = wire.receive_until(sock, b"\n", "answer to call").strip()
            if not answer.isdigit():
                raise PeerError(f"conserver answers {answer!r} to call {console}")
            self._groups[console] = ("127.0.0.1", int(answer))
        return self._groups[console]

    def _listening(self) -> bool:
        self.check()
        try:
            wire.connect(self._master).close()
        except ConnectionRefusedError:
            return False
        return True

    def enter(self, console: str) -> Attachment:
        """Enter as the stock client does, less its optional questions.

        The last answer takes 40 ms: conserver writes "[" and "connected]" apart, without
        TCP_NODELAY, so the second waits for the delayed ACK of the first (0.5 ms if the
        client sets TCP_QUICKACK, which we leave as the system has it).
        """
        address = self.address(console)
        begun = time.perf_counter()
        sock = wire.connect(address)
        data = wire.receive(sock, "greeting")
        first = time.perf_counter()
        if b"ok" not in data:
            raise PeerError(f"conserver greets with {data!r}")
        _ask(sock, b"login bench", b"ok")
        _ask(sock, b"call " + console.encode(), b"attached", b"spy")
        sock.sendall(b"\x05c;")
        data = wire.receive_until(sock, b"[connected]\r\n", "[connected]")
        usable = time.perf_counter()
        rest = data.partition(b"[connected]\r\n")[2]
        return Attachment(sock, rest, first - begun, usable - begun)


def _ask(sock: socket.socket, line: bytes, *answers: bytes) -> None:
    sock.sendall(line + b"\r\n")
    _expect(sock, *answers)


def _expect(sock: socket.socket, *answers: bytes) -> None:
    line = wire.receive_until(sock, b"\n", f"answer {answers[0]!r}")
    if line.strip().strip(b"[]") not in answers:
        raise PeerError(f"conserver says {line!r} instead of {answers[0]!r}")


class Conserver(Peer):
    """The C console server for many consoles."""

    name = "conserver"
    transports = ("tcp",)

    def missing(self) -> str:
        return "" if shutil.which("conserver") else "conserver is not installed"

    def version(self) -> str:
        return first_line(("conserver", "-V"), "version").removeprefix("conserver: ")

    def farm(self, directory: Path) -> ConserverFarm:
        return ConserverFarm(directory)
