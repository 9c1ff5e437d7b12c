"""Servers under test: Debian's procServ and ours, started the same way.

A `Lab` is one test's directory, its processes and its peers. It starts servers, waits for what
they promise (the info file), and at the end leaves nothing behind whatever the test did.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from . import processes
from .streams import PATIENCE, Peer, Terminal

T = TypeVar("T")

CHILDREN = Path(__file__).parent / "children"
TELNET_OFFER = b"\xff\xfb\x01\xff\xfd\x22"
"""IAC WILL ECHO, IAC DO LINEMODE: what ends every greeting."""
STARS = b"@@@ @@@ @@@ @@@ @@@\r\n"
DOWN_HINT = b"@@@ ^R or ^X restarts the child, ^Q quits the server\r\n"
NEW_CHILD = re.compile(rb'@@@ The PID of new child "[^"\r\n]*" is: (\d+)\r\n' + re.escape(STARS))
KILL, RESTART, QUIT, TOGGLE = b"\x18", b"\x12", b"\x11", b"\x14"


def script(name: str, *args: str) -> list[str]:
    """The command line of one of our child programs; -S -E because start-up time counts here."""
    return [sys.executable, "-S", "-E", str(CHILDREN / f"{name}.py"), *args]


PROBE = script("probe")
RAW_ECHO = script("raw_echo")
CAT = ["/bin/cat"]


PROCSERV, DROP_IN, MANY = "procServ", "ours", "consoled"
"""Debian's procServ; consoled-procserv; and one console among the many of consoled."""


@dataclass(frozen=True)
class Kind:
    """One of the servers: how it is called and how it calls itself."""

    name: str
    argv: tuple[str, ...]
    prog: bytes
    compat: str = "2.7"

    @property
    def is_ours(self) -> bool:
        """Whether this is one of our two servers."""
        return self.name != PROCSERV

    @property
    def is_many(self) -> bool:
        """Whether this is consoled, the server of many consoles."""
        return self.name == MANY


def find_kind(name: str, compat: str = "2.7") -> Kind:
    """Locate a server; a missing one is a failure with its remedy, never a silent skip."""
    if name == PROCSERV:
        if shutil.which("procServ") is None:
            raise AssertionError("procServ 2.7.0 is not installed: apt install procserv")
        return Kind(name, ("procServ",), rb"procServ")
    if name == MANY:
        return Kind(name, (installed("consoled"),), rb"consoled", compat)
    called = rb"(?:\S*/)?(?:consoled-procserv|procServ)"
    return Kind(name, (installed("consoled-procserv"), "--compat", compat), called, compat)


def installed(program: str) -> str:
    """The path of one of our commands, beside the interpreter that runs the tests."""
    path = Path(sys.executable).parent / program
    if not path.exists():
        raise AssertionError(f"{path} is missing: {sys.executable} -m pip install -e .")
    return str(path)


class Server:
    """One running server, its files and its endpoints."""

    def __init__(
        self, kind: Kind, folder: Path, popen: subprocess.Popen[bytes], terminal: Terminal | None
    ) -> None:
        self.kind = kind
        self.dir = folder
        self.popen = popen
        self.terminal = terminal
        self.pid = popen.pid
        self.info: list[str] = []
        self._peers: list[Peer] = []

    def await_info(self, path: Path, endpoints: int) -> None:
        """Wait for the info file: the server listens then, and tells its real pid and ports."""

        def complete() -> bool:
            code = self.popen.poll()
            if code not in (None, 0):
                raise AssertionError(f"server ended with rc {code}: {self.err()!r}")
            text = path.read_text() if path.exists() else ""
            self.info = text.splitlines()
            return text.endswith("\n") and len(self.info) > endpoints

        processes.wait_for(complete, f"complete info file {path}")
        self.pid = int(self.info[0].removeprefix("pid:"))

    def out(self) -> bytes:
        """What the server wrote to stdout so far."""
        return (self.dir / "stdout").read_bytes()

    def err(self) -> bytes:
        """What the server wrote to stderr so far."""
        return (self.dir / "stderr").read_bytes()

    @property
    def endpoints(self) -> list[str]:
        """Endpoints of the info file in command-line order, our additional IPv6 lines left out."""
        lines = self.info[:0:-1]
        return [line for line in lines if not line.startswith("tcp:[")]

    def port(self, index: int = 0) -> int:
        """The TCP port of an endpoint, in the order of the command line, log endpoint last."""
        return int(self.endpoints[index].rpartition(":")[2])

    def connect(self, index: int = 0) -> Peer:
        """A new raw client of an endpoint, in the order of the command line, log last."""
        spec = self.endpoints[index]
        if spec.startswith("unix:@"):
            peer = Peer.unix(b"\0" + spec[6:].encode())
        elif spec.startswith("unix:"):
            peer = Peer.unix(self.dir / spec[5:])
        else:
            host, _, port = spec[4:].rpartition(":")
            peer = Peer.tcp("127.0.0.1" if host == "0.0.0.0" else host, int(port))
        self._peers.append(peer)
        return peer

    def greet(self, index: int = 0) -> tuple[Peer, list[bytes]]:
        """A new client and the lines of its greeting; the six telnet bytes are checked here."""
        peer = self.connect(index)
        text = peer.read_until(TELNET_OFFER)
        assert text.endswith(b"\r\n" + TELNET_OFFER), text
        return peer, text[: -len(TELNET_OFFER)].decode("latin-1").encode("latin-1").split(b"\r\n")

    def child(self) -> int:
        """The pid of the child, waiting until there is one."""
        found: list[int] = []

        def one() -> bool:
            found[:] = processes.children(self.pid)
            return bool(found)

        processes.wait_for(one, f"child of server {self.pid}")
        return found[0]

    def attach(self, index: int = 0) -> Peer:
        """A client that has read the greeting of a running child."""
        self.child()
        peer, lines = self.greet(index)
        assert not any(b"SHUT DOWN" in line for line in lines), lines
        return peer

    def talk(self, index: int = 0) -> Peer:
        """A client of a PROBE child that is known to be up and listening."""
        peer = self.attach(index)
        peer.send(b"ping\n")
        peer.read_until(b"pong\r\n")
        return peer

    def ask(self, peer: Peer, question: str) -> bytes:
        """Ask the PROBE child and return its answer without the tty's echo."""
        peer.send(question.encode() + b"\n")
        answer = peer.read_until(re.compile(rb"<<(.*?)>>\r?\n", re.DOTALL))
        return answer[answer.index(b"<<") + 2 : answer.rindex(b">>")]

    @property
    def reader(self) -> int:
        """The process that reads the child's terminal and writes the log."""
        return self.pid

    def signal(self, number: int) -> None:
        """Send a signal to the server itself."""
        os.kill(self.pid, number)

    def quit(self) -> None:
        """End a server without a child as its user would."""
        peer, _ = self.greet()
        peer.send(QUIT)
        peer.read_eof()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the server's end; its exit status, negative for a signal. Daemons too."""
        if self.pid == self.popen.pid:
            return self.popen.wait(timeout)
        self.popen.wait(timeout)  # until its launcher has gone a daemon is no child of ours
        processes.wait_gone(self.pid, timeout)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def running(self) -> bool:
        """Whether the server has not ended."""
        return processes.alive(self.pid)

    def await_file(self, name: str, pattern: bytes | re.Pattern[bytes]) -> bytes:
        """Wait until a file of the server matches *pattern*; its content then."""
        regex = re.compile(re.escape(pattern)) if isinstance(pattern, bytes) else pattern
        path = self.dir / name

        def matches() -> bool:
            return path.exists() and regex.search(path.read_bytes()) is not None

        try:
            processes.wait_for(matches, f"{regex.pattern!r} in {name}")
        except AssertionError as error:
            content = path.read_bytes() if path.exists() else None
            raise AssertionError(f"{error}; got {content!r}") from None
        return path.read_bytes()

    def close(self) -> None:
        """Forget peers and terminal; processes are ended by the lab."""
        for peer in self._peers:
            peer.close()
        if self.terminal is not None:
            self.terminal.close()


class Lab:
    """One test's directory and everything that it starts."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.dir = folder
        self.mark = uuid.uuid4().hex
        self.prefix: tuple[str, ...] = ()
        self._servers: list[Server] = []

    @property
    def ours(self) -> bool:
        """Whether the server under test is one of ours."""
        return self.kind.is_ours

    @property
    def many(self) -> bool:
        """Whether the server under test is consoled, which has many consoles."""
        return self.kind.is_many

    def differs(self, *, procserv: T, ours: T, why: str) -> T:
        """The expectation for the server under test, where we differ on purpose and say why."""
        assert why
        return ours if self.ours else procserv

    def among_many(self, *, alone: T, many: T, why: str) -> T:
        """The expectation where one console of many differs from a server of its own."""
        assert why
        return many if self.many else alone

    @property
    def quitting(self) -> bytes:
        """What ^Q does to a console that is down."""
        return self.among_many(
            alone=b"quits the server",
            many=b"keeps it down",
            why="the server has other consoles, it goes on",
        )

    def says(self, text: bytes) -> bytes:
        """Words of 2.7 as the version says them that the server under test follows."""
        if self.kind.compat == "2.7":
            return text
        longer = re.sub(rb"auto restart (?=(is|to) )", b"auto restart mode ", text)
        return longer.replace(rb"2\.7", rb"2\.8")

    def toggled(self, mode: bytes) -> bytes:
        """What everybody reads when the restart mode has changed."""
        return self.says(b"\r\n@@@ Toggled auto restart to %s\r\n" % mode)

    @property
    def ring(self) -> tuple[bytes, ...]:
        """The modes that the toggle key goes through, from ON on until it is ON again."""
        return (b"OFF", b"ON") if self.kind.compat == "2.7" else (b"OFF", b"ONESHOT", b"ON")

    def environ(self, extra: Mapping[str, str]) -> dict[str, str]:
        """A small known environment: no PROCSERV_* of the caller, fixed language and zone."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME") or "COV" in k}
        fixed = {"LC_ALL": "C", "TZ": "UTC", "TERM": "xterm", processes.MARK: self.mark}
        return {**kept, **fixed, **extra}

    def run(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the server's command line to its end, for usage errors and daemons' parents."""
        return subprocess.run(
            [*self.prefix, *self.kind.argv, *args],
            cwd=self.dir,
            env=self.environ(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

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
        """Start a server and wait until it listens. Modes: foreground, debug, daemon, terminal.

        One server per lab directory and info file; a second one needs another lab folder.
        """
        kind = self.kind if compat is None else find_kind(self.kind.name, compat)
        flags = {"foreground": ["-f"], "terminal": ["-f"], "debug": ["-d"], "daemon": []}[mode]
        info = self.dir / "info"
        controls = [word for spec in endpoints for word in ("-P", spec)]
        # a terminal must be the controlling one, or its ^C is no signal and a server that looks
        # whether it is in the foreground finds itself in the background
        ctty = terminal is not None and os.isatty(terminal.slave)
        session = ["setsid", "--ctty"] if ctty else []
        argv = [
            *session,
            *self.prefix,
            *kind.argv,
            *flags,
            "-I",
            "info",
            *options,
            *controls,
            *command,
        ]
        with (self.dir / "stdout").open("wb") as out, (self.dir / "stderr").open("wb") as err:
            popen = subprocess.Popen(
                argv,
                cwd=self.dir,
                env=self.environ(env or {}),
                stdin=subprocess.DEVNULL if terminal is None else terminal.slave,
                stdout=out,
                stderr=err,
                start_new_session=not ctty,
            )
        server = Server(kind, self.dir, popen, terminal)
        self._servers.append(server)
        log = any(word in ("-l", "--logport") or word.startswith("--logport=") for word in options)
        server.await_info(info, max(1, len(endpoints)) + log)
        return server

    def sibling(self, name: str) -> Lab:
        """A second lab beside this one for cases with two servers; ends with this one's mark."""
        folder = self.dir / name
        folder.mkdir()
        lab = type(self)(self.kind, folder)
        lab.mark = self.mark
        lab._servers = self._servers
        return lab

    def adopt(self, server: Server) -> None:
        """End *server* with this lab, wherever it was started."""
        self._servers.append(server)

    def close(self) -> None:
        """End every process and every connection of this test."""
        for server in self._servers:
            server.close()
            if server.popen.poll() is None:
                server.popen.send_signal(signal.SIGKILL)
                server.popen.wait(PATIENCE)
        processes.end_all(self.mark)
