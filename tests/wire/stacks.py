"""Our stack on a socket pair: as much of it as a recording needs to be played to.

`Stack` is a session with its codec and the keys, cheap enough to be made for every way to cut
a stream. `Site` is a whole console with its frontend; only the child is not a process.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import tty
from collections.abc import Awaitable
from typing import Final, NamedTuple

from consoled.config.model import RestartPolicy, SpawnSpec
from consoled.console.console import Console
from consoled.console.session import Role, Session
from consoled.frontends.attach import AttachFrontend
from consoled.keeper.keeper import Keeper, Owner
from consoled.keeper.spool import Spool
from consoled.protocol.keys import KeyCommand, KeyFilter, KeyMap
from consoled.protocol.notices import PROFILES, Facts
from consoled.protocol.telnet import TelnetCodec
from consoled.transports.listener import Room

from .recording import CHILD, CHILD_PID, DATE, DIRECTORY, SERVER_PID

PATIENCE: Final = 5.0
_ACTING: Final = (KeyCommand.KILL, KeyCommand.TOGGLE)

FACTS: Final = Facts(
    profile=PROFILES["2.7"],
    program="procServ",
    name="ioc",
    titled=True,
    command=CHILD,
    argv0=CHILD,
    server_pid=SERVER_PID,
    server_directory=DIRECTORY,
    child_directory=DIRECTORY,
    log=None,
    kill_key="^X",
    toggle_key="^T",
    logout_key=None,
    server_started=DATE,
)
"""The server of the recordings, in their normal form."""


class Outcome(NamedTuple):
    """What became of one client's stream."""

    typed: bytes
    commands: list[KeyCommand]
    replies: list[bytes]
    windows: list[tuple[int, int]]


class Stack:
    """A session whose host keeps what it is told; it is also the session's host."""

    def __init__(self, loop: asyncio.AbstractEventLoop, spool: Spool) -> None:
        self._loop = loop
        self._keys = KeyFilter(KeyMap())
        self._typed = b""
        self._commands: list[KeyCommand] = []
        self._windows: list[tuple[int, int]] = []
        server, self._client = socket.socketpair()
        for sock in (server, self._client):
            sock.setblocking(False)
        codec = TelnetCodec()
        self._session = Session(
            server, loop, spool, self, Role.WRITER, codec=codec, guarded=True, start=spool.head
        )
        self._session.begin(b"", b"")

    def play(self, parts: list[bytes]) -> Outcome:
        """Send the parts, each read alone; one turn of the loop reads what lies in a socket."""
        for part in parts:
            self._client.send(part)
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
        assert self._session.open
        self._session.close()
        with self._client:
            said = self._client.recv(65536)
        replies = re.findall(rb"\xff([\xfb-\xfe].)", said, re.DOTALL)
        assert b"".join(b"\xff" + reply for reply in replies) == said, said
        return Outcome(self._typed, self._commands, replies, self._windows)

    def typed(self, session: Session, data: bytes) -> None:
        """What the console does with keys, as long as its child is up."""
        self._commands += [key for key in self._keys.commands(data) if key in _ACTING]
        self._typed += self._keys.strip(data)

    def resized(self, rows: int, columns: int) -> None:
        self._windows.append((rows, columns))

    def half_closed(self, session: Session) -> None: ...

    def paused(self, session: Session, paused: bool) -> None: ...

    def fell_behind(self, session: Session) -> None: ...

    def moved(self, session: Session) -> None: ...

    def negotiated(self, session: Session) -> None: ...

    def skipped(self, count: int) -> None: ...

    def left(self, session: Session) -> None: ...


class ShownInput(Keeper):
    """A keeper whose child is no process but does on its pty what the recorded one did."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._loop = loop
        self.master = self._slave = -1

    def open(self, console: str, spool: Spool, owner: Owner) -> None:
        self._owner = owner

    def spawn(self, console: str, spec: SpawnSpec) -> None:
        self.master, self._slave = os.openpty()
        os.set_blocking(self.master, False)
        tty.setraw(self._slave)
        self._loop.add_reader(self._slave, self._show)
        self._owner.spawned(CHILD_PID, self.master)
        os.write(self._slave, b"READY\r\n")

    def _show(self) -> None:
        os.write(self._slave, b"".join(b"<%02x>" % key for key in os.read(self._slave, 4096)))

    def signal(self, console: str, number: int) -> None:
        """Die of it: the wait status of a killed process is the signal's number."""
        self.close()
        self._owner.exited(number)

    def resize(self, console: str, rows: int, columns: int) -> None: ...

    def release(self, console: str) -> None: ...

    def close(self) -> None:
        """Let go of the terminal, which is all that the child had."""
        if self._slave >= 0:
            self._loop.remove_reader(self._slave)
            os.close(self._slave)
            self._slave = -1


class Site:
    """A console with one user, as a server makes it; owns its loop."""

    def __init__(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        self._keeper = ShownInput(loop)
        policy = RestartPolicy(holdoff=0.0, kill_window=0.0)
        spec = SpawnSpec((CHILD.encode(),), (CHILD.encode(),), {})
        keys = KeyFilter(KeyMap())
        self._console = Console(
            loop, self._keeper, FACTS, lambda: spec, policy, keys, lambda _: DATE, loop.stop
        )
        frontend = AttachFrontend(loop, self._console, Room(), 0, lambda: None)
        self._console.begin()
        self._await(self._ready())
        server, self._client = socket.socketpair()
        for sock in (server, self._client):
            sock.setblocking(False)
        frontend.user(server, raw=False)

    def _await(self, what: Awaitable[None]) -> None:
        self._loop.run_until_complete(asyncio.wait_for(what, PATIENCE))

    async def _ready(self) -> None:
        spool = self._console.spool
        while b"READY" not in spool.read(0, spool.head):
            await asyncio.sleep(0)

    def say(self, data: bytes) -> None:
        """Speak as the client."""
        self._client.send(data)

    def leave(self) -> None:
        """Say nothing more, but read on."""
        self._client.shutdown(socket.SHUT_WR)

    def hear(self, count: int) -> bytes:
        """What the client hears next: so many bytes, or what came of them in time."""
        heard = bytearray()

        async def listen() -> None:
            while len(heard) < count:
                heard.extend(await self._loop.sock_recv(self._client, count - len(heard)))

        try:
            self._await(listen())
        except TimeoutError:
            pass
        return bytes(heard)

    def close(self) -> None:
        """Let go of everything, the terminal after the loop that watches it."""
        for session in self._console.roster:
            session.close()
        self._client.close()
        self._keeper.close()
        self._loop.close()
        os.close(self._keeper.master)
