"""AttachFrontend: puts a connected peer straight onto a console.

Joins a peer (from any transport) to a session: greets it, starts it at the right place of the
spool, and lets go of what belongs to the transport when the session ends.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial

from consoled.console.console import Console
from consoled.console.logfile import render_stamped
from consoled.console.outlet import Peer
from consoled.console.session import Role, Session
from consoled.protocol import notices, telnet
from consoled.protocol.stamp import LineStamper
from consoled.transports.hangup import HangupWatch, probe_soon
from consoled.transports.listener import Room
from consoled.transports.terminal import TerminalPeer

_NO_OPERATION = b"\xff\xf1"


class AttachFrontend:
    """Makes sessions of one console; ``stamper`` makes the stamps of log endpoints."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        console: Console,
        room: Room,
        replay: int,
        stamper: Callable[[], LineStamper | None],
    ) -> None:
        self._loop = loop
        self._console = console
        self._room = room
        self._replay = replay
        self._stamper = stamper
        self._hangups = HangupWatch(loop)
        console.door = self
        self._sockets: dict[Session, socket.socket] = {}

    def user(self, peer: socket.socket, *, raw: bool) -> None:
        """Attach a peer of a control endpoint."""
        text = notices.greeting(self._console.facts, self._console.standing())
        session = self._session(peer, Role.WRITER, raw, guarded=peer.family != socket.AF_UNIX)
        self._sockets[session] = peer
        self._join(session, text, raw)

    def logger(self, peer: socket.socket, *, raw: bool) -> None:
        """Attach a peer of a log endpoint: it may only watch."""
        text = notices.logger_greeting(self._console.facts, self._console.standing())
        session = self._session(peer, Role.LOGGER, raw)
        self._sockets[session] = peer
        self._join(session, text, raw)

    def terminal(self, peer: TerminalPeer) -> None:
        """Attach the terminal the server was started on: plain bytes, true size."""
        text = notices.greeting(self._console.facts, self._console.standing())
        session = self._session(peer, Role.WRITER, raw=True)
        self._join(session, text, raw=True)
        self._console.resized(*peer.size())

    def _session(self, peer: Peer, role: Role, raw: bool, *, guarded: bool = False) -> Session:
        spool = self._console.spool
        return Session(
            peer,
            self._loop,
            spool,
            self._console,
            role,
            codec=None if raw else telnet.TelnetCodec(),
            render=self._render() if role is Role.LOGGER else None,
            guarded=guarded,
            start=spool.tail(self._replay),
        )

    def _render(self) -> Callable[[int, int], bytes] | None:
        """Output as a log endpoint shows it, each with an open line of its own."""
        stamper = self._stamper()
        if stamper is None:
            return None
        console = self._console

        def render(start: int, stop: int) -> bytes:
            data = console.spool.read(start, stop)
            return render_stamped(stamper, console.arrivals, data, start, stop)

        return render

    def _join(self, session: Session, text: bytes, raw: bool) -> None:
        self._console.roster.add(session)
        session.begin(text, b"" if raw else telnet.GREETING)

    def half_closed(self, session: Session) -> None:
        """Find out when a peer that sends no more has gone altogether."""
        peer = self._sockets.get(session)
        if peer is None:  # a terminal that has hung up is gone
            session.close()
            return
        probe_soon(peer)
        if session.speaks_telnet:
            session.probe(_NO_OPERATION)
        if session.open:
            self._hangups.watch(peer.fileno(), session.close)

    def paused(self, session: Session, paused: bool) -> None:
        """Nobody reads a paused peer, so somebody else has to see it go."""
        peer = self._sockets.get(session)
        if peer is not None and paused:
            probe_soon(peer)
            self._hangups.watch(peer.fileno(), partial(self._console.hung_up, session))
        elif peer is not None:
            self._hangups.forget(peer.fileno())

    def left(self, session: Session) -> None:
        """Give back what the transport has lent."""
        peer = self._sockets.pop(session, None)
        if peer is not None:
            self._hangups.forget(peer.fileno())
            self._room.taken -= 1
