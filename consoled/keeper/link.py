"""KeeperLink: the keeper process as a worker sees it.

Has the methods of a Keeper for the consoles, and gives the worker, once, everything that the
keeper holds. When the keeper is lost the link goes on by itself: exits are seen by pidfd, and
a keeper that comes anew is given all children, spools and sockets.

Owned by the worker, lives on its loop's thread.

Never true: an inventory that comes after a request of ours; a console told twice of one exit.
"""

import asyncio
import json
import os
import socket
import termios
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from consoled.config.model import SpawnSpec
from consoled.errors import KeeperError, SpawnError
from consoled.keeper.board import Board
from consoled.keeper.channel import Channel, Frame
from consoled.keeper.child import UNKNOWN_STATUS
from consoled.keeper.keeper import Owner
from consoled.keeper.outcome import collected, exit_status
from consoled.keeper.service import VERSION
from consoled.keeper.spool import Spool
from consoled.protocol import plain

_RETRY = 0.1
_encode = json.JSONEncoder(separators=(",", ":")).encode
_ZOMBIE_PATIENCE = 20
_BEAT = 0.25
"""Seconds between two beats; the watchdog waits for far more of them."""


@dataclass(frozen=True, slots=True)
class FoundConsole:
    """A console as the keeper holds it; ``status`` None while its child runs."""

    note: Any
    spool: int
    pid: int | None = None
    master: int = -1
    status: int | None = None
    failure: tuple[str, int] | None = None


@dataclass(slots=True)
class Inventory:
    """Everything that a predecessor has left; ``config`` is a memfd, -1 if there is none."""

    config: int = -1
    consoles: dict[str, FoundConsole] = field(default_factory=dict)
    sockets: dict[str, tuple[int, Any]] = field(default_factory=dict)
    news: list[Frame] = field(default_factory=list)


class Staff(Protocol):
    """The worker as its link sees it."""

    def take_over(self, inventory: Inventory) -> None:
        """It is ours: everything in the inventory, descriptors included."""

    def prepare(self, config: int) -> None:
        """Somebody is at work: get ready, and say so with ``ready``."""

    def hand_over(self, successor: int) -> None:
        """Stop reading and tell all, ending with ``detached``."""

    def leave(self) -> None:
        """The successor serves: nobody needs us any more."""

    def resume(self, why: str) -> None:
        """The successor has failed: go on."""

    def stop_all(self) -> None:
        """End all children in order, ending with ``stopped``."""

    def survivors(self, console: str, processes: Sequence[str]) -> None:
        """What could not be ended with a console's child."""

    def refused(self, why: str) -> None:
        """The keeper wants nothing of us."""

    def note_of(self, console: str) -> Any:
        """What the keeper was last told of a console."""

    def keeper_lost(self) -> None: ...

    def keeper_back(self, pid: int) -> None: ...


class _Tenant:
    """A console of ours, with what a new keeper would need of it."""

    def __init__(self, spool: Spool, owner: Owner | None) -> None:
        self.spool = spool
        self.owner = owner
        self.pid: int | None = None
        self.master = -1
        self.pidfd = -1


def _text(note: Any) -> str:
    """Notes travel and are kept as text: the keeper has no use for what is in them."""
    return _encode(note)


def connect(path: str) -> socket.socket:
    """A connection to the keeper; KeeperError says what to do when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        reason = os.strerror(error.errno or 0)
        raise KeeperError(
            f"no keeper at {path}: {reason}; start consoled-keeper.service, or run"
            " consoled --foreground, which is both"
        ) from error
    return connection


class KeeperLink:
    """The worker's end. Descriptors of children and spools stay open here until released."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str, staff: Staff) -> None:
        self._loop = loop
        self._path = path
        self._staff = staff
        self._tenants: dict[str, _Tenant] = {}
        self._sockets: dict[str, tuple[int, str]] = {}
        self._inventory = Inventory()
        self._channel: Channel | None = None
        self._config = -1
        self._beating = False
        self.board = Board()
        self.keeper_pid = 0
        self.keeper_started = 0.0
        """When the keeper began, in seconds of the wall clock."""
        self.lost = False

    # -- coming and going -----------------------------------------------------------------

    def begin(self, *, replace: bool) -> None:
        """Ask for the work; ``replace``: even if somebody else is doing it."""
        self._open_channel()
        self._send({"do": "hello", "version": VERSION, "pid": os.getpid(), "replace": replace})

    def ready(self) -> None:
        """We can take over."""
        self._send({"do": "ready"})

    def serving(self) -> None:
        """Everything that was handed over is served."""
        self._send({"do": "serving"})

    def detached(self) -> None:
        """We read no more, and have told everything."""
        self._send({"do": "detached"})

    def stopped(self) -> None:
        """All children have ended."""
        self._send({"do": "stopped"})

    def stop_everything(self) -> None:
        """Ask the keeper for the end of all."""
        self._send({"do": "stop"})

    def reexec(self) -> None:
        """Ask the keeper to become its newest version."""
        self._send({"do": "reexec"})

    def run(self, argv: Sequence[str], environment: dict[str, str], output: int) -> None:
        """Let the keeper start a program whose output goes to this descriptor."""
        frame = {"do": "run", "argv": list(argv), "environment": environment}
        self._send(frame, (output,))

    def keep_config(self, config: int) -> None:
        """Leave the configuration that is in force, a memfd of ours, to whoever comes."""
        if self._config not in (-1, config):
            os.close(self._config)
        self._config = config
        self._send({"do": "config"}, (config,))

    def has_said_all(self) -> bool:
        """Whether all that was said is on its way."""
        return self._channel is None or self._channel.idle

    def disconnect(self) -> None:
        """Leave; the keeper takes it that all has been said."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def abandon(self) -> None:
        """Leave, and close what we were lent: this process goes on as somebody else."""
        self.disconnect()
        for tenant in self._tenants.values():
            os.close(tenant.spool.fd)
            if tenant.pidfd >= 0:
                os.close(tenant.pidfd)
        self._tenants.clear()

    def _open_channel(self) -> None:
        connection = connect(self._path)
        self._channel = Channel(self._loop, connection, self._receive, self._on_end)

    def _send(self, frame: Frame, fds: Sequence[int] = ()) -> None:
        if self._channel is not None:
            self._channel.send(frame, fds)

    def _beat(self) -> None:
        self.board.tap()
        self._loop.call_later(_BEAT, self._beat)

    # -- what the keeper says -------------------------------------------------------------

    def _receive(self, frame: Frame, fds: list[int]) -> None:
        match frame["do"]:
            case "welcome":
                self._welcome(frame, fds)
            case "config":
                self._inventory.config = self._config = fds[0]
            case "prepare":
                self._staff.prepare(self._inventory.config)
            case "console":
                self._found(frame, fds)
            case "held":
                self._inventory.sockets[frame["key"]] = (fds[0], json.loads(frame["note"]))
                self._sockets[frame["key"]] = (fds[0], frame["note"])
            case "go":
                self._go(frame)
            case "spawned":
                self._spawned(frame, fds)
            case "failed":
                reason = os.strerror(frame["errno"])
                error = SpawnError(frame["step"], frame["errno"], reason)
                self._owner(frame["console"]).failed(error)
            case "exited":
                self._exited(frame["console"], frame["status"])
            case "survivors":
                self._staff.survivors(frame["console"], frame["processes"])
            case "detach":
                self._staff.hand_over(frame["for"])
            case "leave":
                self._staff.leave()
            case "resume":
                self._staff.resume(frame["why"])
            case "stop":
                self._staff.stop_all()
            case "refused":
                self._staff.refused(frame["why"])

    def _welcome(self, frame: Frame, fds: list[int]) -> None:
        self.keeper_pid, self.keeper_started = frame["pid"], frame["started"]
        if self.lost:
            os.close(fds[0])
            self._give_all()
            return
        self.board = Board(fds[0])

    def _found(self, frame: Frame, fds: list[int]) -> None:
        name, child = frame["console"], frame["child"]
        note = None if frame["note"] is None else json.loads(frame["note"])
        found = FoundConsole(note, fds[0])
        if child is not None:
            failure = child["failure"]
            found = FoundConsole(
                note,
                fds[0],
                child["pid"],
                fds[1],
                child["status"],
                None if failure is None else (failure[0], failure[1]),
            )
        self._inventory.consoles[name] = found
        tenant = self._tenants[name] = _Tenant(Spool(fd=fds[0]), None)
        if child is not None:
            tenant.pid, tenant.master = child["pid"], fds[1]
            tenant.pidfd = fds[2] if len(fds) > 2 else -1

    def _go(self, frame: Frame) -> None:
        if self.lost:
            self.lost = False
            self._staff.keeper_back(self.keeper_pid)
            return
        if not self._beating:
            self._beating = True
            self._beat()
        self._inventory.news = frame["news"]
        inventory, self._inventory = self._inventory, Inventory()
        self._staff.take_over(inventory)

    def _spawned(self, frame: Frame, fds: list[int]) -> None:
        tenant = self._tenants[frame["console"]]
        tenant.pid = frame["pid"]
        tenant.master, tenant.pidfd = fds
        self._owner(frame["console"]).spawned(frame["pid"], tenant.master)

    def _exited(self, console: str, status: int) -> None:
        tenant = self._tenants[console]
        if tenant.pidfd >= 0:
            if self.lost:
                self._loop.remove_reader(tenant.pidfd)
            os.close(tenant.pidfd)
            tenant.pidfd = -1
        self._owner(console).exited(status)

    def _owner(self, console: str) -> Owner:
        owner = self._tenants[console].owner
        assert owner is not None
        return owner

    # -- what consoles ask for ------------------------------------------------------------

    def spool_of(self, console: str) -> Spool:
        """The spool of a console that was found."""
        return self._tenants[console].spool

    def open(self, console: str, spool: Spool, owner: Owner) -> None:
        """A console is there; one that was found is only given its owner."""
        tenant = self._tenants.get(console)
        if tenant is not None:
            tenant.owner = owner
            return
        self._tenants[console] = _Tenant(spool, owner)
        self._send({"do": "open", "console": console}, (spool.fd,))

    def close(self, console: str) -> None:
        """A console without a child is no more."""
        del self._tenants[console]
        self._send({"do": "close", "console": console})

    def spawn(self, console: str, spec: SpawnSpec) -> None:
        """Ask for a child; its owner hears ``spawned`` or ``failed`` later."""
        if self.lost:
            self._loop.call_soon(self._refuse_spawn, console)
            return
        frame = {"do": "spawn", "console": console, "spec": plain.dump(spec)}
        self._send(frame)

    def _refuse_spawn(self, console: str) -> None:
        self._owner(console).failed(SpawnError("keeper", 0, "the keeper is gone"))

    def signal(self, console: str, number: int) -> None:
        """Signal the child and all its kin."""
        self._send({"do": "signal", "console": console, "number": number})

    def resize(self, console: str, rows: int, columns: int) -> None:
        """Set the window size of the child's terminal, before anything else is typed at it."""
        master = self._tenants[console].master
        if master >= 0:
            termios.tcsetwinsize(master, (rows, columns))
        else:
            self._send({"do": "resize", "console": console, "rows": rows, "columns": columns})

    def release(self, console: str) -> None:
        """All of an ended child's output is read; its owner has closed the master.

        Said after what the owner notes of it in this turn: whoever comes after a kill in
        between finds the child once more, and not a console that has lost it unawares.
        """
        tenant = self._tenants[console]
        if tenant.pidfd < 0:
            tenant.pid, tenant.master = None, -1
        self._loop.call_soon(self._send, {"do": "release", "console": console})

    def note(self, console: str, note: Any) -> None:
        """What a successor has to know of a console."""
        self._send({"do": "note", "console": console, "note": _text(note)})

    # -- sockets that outlive us ----------------------------------------------------------

    def hold(self, key: str, note: Any, fd: int) -> None:
        """Let the keeper hold a socket that stays ours to use and to close."""
        self._sockets[key] = (fd, _text(note))
        self._send({"do": "hold", "key": key, "note": _text(note)}, (fd,))

    def renote(self, key: str, note: Any) -> None:
        """Another note for a socket that is held."""
        self._sockets[key] = (self._sockets[key][0], _text(note))
        self._send({"do": "hold", "key": key, "note": _text(note)})

    def drop(self, key: str) -> None:
        """The socket is no more."""
        if self._sockets.pop(key, None) is not None:
            self._send({"do": "drop", "key": key})

    # -- a lost keeper --------------------------------------------------------------------

    def _on_end(self) -> None:
        self._channel = None
        if not self.lost:
            self.lost = True
            for name, tenant in self._tenants.items():
                if tenant.pidfd >= 0:
                    self._loop.add_reader(tenant.pidfd, self._on_orphan_exit, name)
            self._staff.keeper_lost()
        self._loop.call_later(_RETRY, self._try_again)

    def _on_orphan_exit(self, console: str, tries: int = _ZOMBIE_PATIENCE) -> None:
        pidfd = self._tenants[console].pidfd
        if not self.lost or pidfd < 0:
            return
        status = exit_status(pidfd)
        if status is None and not collected(pidfd) and tries:
            self._loop.remove_reader(pidfd)
            self._loop.call_later(_RETRY, self._on_orphan_exit, console, tries - 1)
            return
        self._exited(console, UNKNOWN_STATUS if status is None else status)

    def _try_again(self) -> None:
        try:
            self._open_channel()
        except KeeperError:
            self._loop.call_later(_RETRY, self._try_again)
            return
        running = {n: t.pid for n, t in self._tenants.items() if t.pidfd >= 0}
        hello = {"do": "hello", "version": VERSION, "pid": os.getpid(), "children": running}
        self._send(hello, (self.board.fd,))

    def _give_all(self) -> None:
        """A new keeper: give it what the lost one had."""
        if self._config >= 0:
            self._send({"do": "config"}, (self._config,))
        for name, tenant in self._tenants.items():
            frame: Frame = {"do": "open", "console": name}
            frame["note"] = _text(self._staff.note_of(name))
            fds = [tenant.spool.fd]
            if tenant.pidfd >= 0:
                self._loop.remove_reader(tenant.pidfd)
                frame["pid"] = tenant.pid
                fds += [tenant.master, tenant.pidfd]
            self._send(frame, fds)
        for key, (fd, note) in self._sockets.items():
            self._send({"do": "hold", "key": key, "note": note}, (fd,))
        self.serving()
