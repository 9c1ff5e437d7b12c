"""A ``consoled`` whose processes tests end one by one, and the books that prove what survived.

A `Station` is one test's server: keeper, starter, worker and children, in a directory of its
own. A `Ledger` reads the log of a child that counts (children/numbered.py) while it grows and
knows of every byte whether it had to be there.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import processes
from .servers import TELNET_OFFER, script
from .streams import PATIENCE, Peer

BIN = Path(sys.executable).parent / "consoled"
BORN = b"@@@ The PID of new child"
GAP = re.compile(rb"\r\n@@@ (\d+) bytes of output are missing here\r\n")
END = re.compile(rb"END lines=(\d+) longest=(\d+)\n")
_PIECE = 256 * 1024
_PUNCH = 0x01 | 0x02
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE (fallocate(2)): memory back, size as before."""


def numbered(rate: int, size: int = 64) -> list[str]:
    """A child that counts, so many lines a second, 0 for as many as it can."""
    return script("numbered", str(rate), str(size))


def free_port() -> int:
    """A TCP port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def toml(value: object) -> str:
    """A value as TOML writes it; what JSON and TOML write alike is left to JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


class Station:
    """One server, its files and its processes."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.dir = Path(tempfile.mkdtemp(prefix="crash-"))
        self.dir.chmod(0o755)
        self.run, self.logs = self.dir / "run", self.dir / "log"
        self.logs.mkdir()
        self.config = self.dir / "c.toml"
        self.popen: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        self._peers: list[Peer] = []
        self._errors = (self.dir / "stderr").open("wb")
        self._consoles: dict[str, dict[str, object]] = {}
        self.ports: dict[str, int] = {}

    # -- before it runs -------------------------------------------------------------------

    def console(self, name: str, command: Sequence[str], **options: object) -> None:
        """Configure a console; ``tcp=True`` gives it a telnet port."""
        if options.pop("tcp", False):
            self.ports[name] = free_port()
            options["listen"] = [f"tcp:{self.ports[name]}"]
        environment = {processes.MARK: self.mark, "PATH": os.environ["PATH"]}
        self._consoles[name] = {"command": command, "environment": environment, **options}

    def write_config(self) -> None:
        """Write the file; the server is not told."""
        lines = ["[server]"]
        for key, folder in (("run_dir", self.run), ("log_dir", self.logs)):
            lines.append(f"{key} = {toml(folder)}")
        lines.append(f"state_dir = {toml(self.dir / 'state')}")
        for name, options in self._consoles.items():
            lines.append(f'\n[console."{name}"]')
            lines += [f"{key} = {toml(value)}" for key, value in options.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """A small known environment with the mark of this test."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME") or "COV" in k}
        return {**kept, "LC_ALL": "C", "TZ": "UTC", processes.MARK: self.mark, **(extra or {})}

    def spawn(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start ``consoled`` with these arguments."""
        popen = subprocess.Popen(
            [str(BIN), *argv],
            cwd=self.dir,
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        self._others.append(popen)
        return popen

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        """Start it in the foreground and wait until it serves."""
        self.write_config()
        self.popen = self.spawn("-c", str(self.config), *options, env=env)
        self.ask("version")

    def start_apart(self) -> subprocess.Popen[bytes]:
        """Start the keeper alone, then a worker, as two units of systemd would."""
        self.write_config()
        self.popen = self.spawn("--keeper", "--run-dir", str(self.run))
        processes.wait_for(lambda: (self.run / "keeper.sock").exists(), "the keeper's socket")
        worker = self.spawn("--worker", "--run-dir", str(self.run), "-c", str(self.config))
        self.ask("version")
        return worker

    # -- while it runs --------------------------------------------------------------------

    def ask(self, verb: str, timeout: float = PATIENCE, **more: object) -> dict[str, Any]:
        """One request; asked again while no worker answers."""
        deadline = time.monotonic() + timeout
        while True:
            answer = self._ask_once({"verb": verb, **more}, deadline)
            if answer is not None:
                assert answer["ok"], answer
                return answer
            if self.popen is not None and self.popen.poll() not in (None, -9):
                raise AssertionError(f"it ended with {self.popen.returncode}: {self.errors()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer to {verb} in {timeout} s: {self.errors()}")
            time.sleep(0.003)

    def _ask_once(self, request: dict[str, object], deadline: float) -> dict[str, Any] | None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection.connect(str(self.run / "control.sock"))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile() as lines:
                    line = lines.readline()
            except OSError:
                return None
        return dict(json.loads(line)) if line else None

    @property
    def worker(self) -> int:
        """The process at work."""
        return int(self.ask("version")["worker"])

    @property
    def keeper(self) -> int:
        """The process that holds the children, as the worker knows it."""
        return int(self.ask("version")["keeper"])

    @property
    def starter(self) -> int:
        """The process that forks the workers."""
        return int(processes.status(self.worker, "PPid"))

    def wait_worker(self, other_than: int, timeout: float = PATIENCE) -> int:
        """Another worker than that one, once it serves."""
        found = [other_than]

        def changed() -> bool:
            found[0] = self.worker
            return found[0] != other_than

        processes.wait_for(changed, f"a worker other than {other_than}", timeout)
        return found[0]

    def status(self, console: str) -> dict[str, Any]:
        """What is known of one console."""
        return dict(self.ask("status", console=console)["consoles"][0])

    def child(self, console: str) -> int:
        """The pid of a running child."""
        found: list[int] = []

        def running() -> bool:
            status = self.status(console)
            found[:] = [status["pid"]] if status["state"] == "RUNNING" else []
            return bool(found)

        processes.wait_for(running, f"a child of {console}")
        return found[0]

    def children(self) -> dict[str, int]:
        """The pids of all children."""
        return {name: self.child(name) for name in self._consoles}

    def wait_state(self, console: str, state: str, timeout: float = PATIENCE) -> None:
        """Wait until a console is in that state."""
        seen = ""

        def reached() -> bool:
            nonlocal seen
            seen = self.status(console)["state"]
            return bool(seen == state)

        processes.wait_for(reached, f"{console} {state}", timeout)

    def connect(self, console: str, *, tcp: bool = False) -> Peer:
        """A user who has read the greeting."""
        peer = (
            Peer.tcp("127.0.0.1", self.ports[console])
            if tcp
            else Peer.unix(self.run / f"{console}.sock")
        )
        self._peers.append(peer)
        peer.read_until(TELNET_OFFER if tcp else b"(plus you)\r\n")
        return peer

    def log_path(self, console: str) -> Path:
        """Where a console's log is."""
        return self.logs / f"{console}.log"

    def log(self, console: str) -> bytes:
        """What is in a console's log."""
        return self.log_path(console).read_bytes()

    def wait_log(self, console: str, text: bytes, timeout: float = PATIENCE) -> bytes:
        """Wait until the log has this text; all of the log."""

        def there() -> bool:
            path = self.log_path(console)
            return path.exists() and text in path.read_bytes()

        processes.wait_for(there, f"{text!r} in the log of {console}", timeout)
        return self.log(console)

    def errors(self) -> str:
        """What all our processes have said so far."""
        return (self.dir / "stderr").read_text(errors="replace")

    def wait_errors(self, text: str, timeout: float = PATIENCE) -> str:
        """Wait until somebody says this."""
        processes.wait_for(lambda: text in self.errors(), f"{text!r} on stderr", timeout)
        return self.errors()

    # -- the end --------------------------------------------------------------------------

    def close(self) -> None:
        """End every process of this test and remove its files."""
        for peer in self._peers:
            peer.close()
        processes.end_all(self.mark)  # all at once: a starter replaces a keeper that is killed
        for popen in self._others:
            popen.wait(PATIENCE)
        self._errors.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def kill(pid: int) -> float:
    """Kill a process for good and wait until it is dead; when it was killed."""
    pidfd = os.pidfd_open(pid)
    begun = time.monotonic()
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    try:
        processes.wait_for(lambda: not processes.alive(pid), f"death of {pid}")
    finally:
        os.close(pidfd)
    return begun


class Ledger:
    """Checks the log of one numbered child, piece by piece.

    ``lost``, ``doubled`` and ``torn`` count lines; ``births`` the children that the log tells
    of. Memory of what was checked is given back to the file system, the size stays.
    """

    def __init__(self, path: Path, size: int = 64, stamp: int = 0) -> None:
        self.path = path
        self._size, self._stamp = size, stamp
        self._pad = b" " + b"x" * (size - 12) + b"\n"
        self._next = 0
        self._offset = 0
        self._rest = b""
        self.lost = self.doubled = self.torn = self.births = 0
        self.marked = 0
        self.end: tuple[int, int] | None = None
        self.notes: list[bytes] = []

    @property
    def lines(self) -> int:
        """Lines checked so far."""
        return self._next

    def advance(self) -> None:
        """Check what has come."""
        with self.path.open("r+b") as file:
            file.seek(self._offset)
            while piece := file.read(_PIECE):
                self._offset += len(piece)
                self._check(self._rest + piece)
            _punch(file.fileno(), self._offset)

    def _check(self, data: bytes) -> None:
        """Whole lines are compared in bulk, what differs one by one."""
        width, stamp = self._stamp + self._size, data[: self._stamp]
        count = len(data) // width
        numbers = range(self._next, self._next + count)
        if count and data.startswith(b"".join([stamp + b"%010d" % n + self._pad for n in numbers])):
            self._next += count
            data = data[count * width :]
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._take(line[self._stamp :] + b"\n")

    def _take(self, line: bytes) -> None:
        if END.fullmatch(line):
            self.end = tuple(int(n) for n in END.fullmatch(line).groups())  # type: ignore
        elif line[10:] == self._pad and line[:10].isdigit():
            number = int(line[:10])
            self.lost += max(0, number - self._next)
            self.doubled += max(0, self._next - number)
            self._next = number + 1
        elif found := re.match(rb"@@@ (\d+) bytes of output are missing here", line):
            self.marked += int(found[1])
        elif line.startswith(BORN):
            self.births += 1
        elif line.strip() and not line.startswith(b"@@@") and not line.startswith(b"<"):
            self.torn += 1
            self.notes.append(line[:200])

    def wait_end(self, timeout: float = PATIENCE) -> None:
        """Go on until the child's last line is there."""
        deadline = time.monotonic() + timeout
        while self.end is None:
            self.advance()
            assert time.monotonic() < deadline, f"no END in {self.path.name}: {self.verdict()}"

    def verdict(self) -> str:
        """Empty if every line that was printed is there once and in order."""
        wrong = {"lost": self.lost, "doubled": self.doubled, "torn": self.torn}
        wrong["marked"] = self.marked
        wrong["births"] = self.births - 1
        if self.end is None or self.end[0] != self._next:
            wrong["end"] = -1 if self.end is None else self.end[0] - self._next
        told = ", ".join(f"{count} {what}" for what, count in wrong.items() if count)
        return f"{self.path.name}: {told} {self.notes[:3]}" if told else ""


def _punch(fd: int, length: int) -> None:
    """Free the beginning of a file whose size stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    whole = length // 4096 * 4096
    if whole:
        libc.fallocate(fd, _PUNCH, ctypes.c_long(0), ctypes.c_long(whole))
