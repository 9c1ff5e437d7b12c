"""AttachFrontend: puts a connected peer straight onto a console.

Joins a peer (from any transport) to a session: greets it, starts it at the right place of the
spool, and lets go of what belongs to the transport when the session ends.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from consoled.console.console import Console
from consoled.console.logfile import render_stamped
from consoled.console.outlet import Peer
from consoled.console.session import Role, Session, SessionNote
from consoled.protocol import notices, telnet
from consoled.protocol.notices import Profile
from consoled.protocol.stamp import LineStamper
from consoled.transports.hangup import HangupWatch, probe_soon
from consoled.transports.listener import Room
from consoled.transports.terminal import TerminalPeer

_NO_OPERATION = b"\xff\xf1"


class Heirs(Protocol):
    """Who keeps peers for a successor of this process."""

    def joined(self, session: Session, peer: socket.socket, at: str) -> None: ...

    def negotiated(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...


class AttachFrontend:
    """Makes sessions of one console; ``stamper`` makes the stamps of log endpoints.

    ``interrupt`` is what telnet's Interrupt Process becomes, as in TelnetCodec.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        console: Console,
        room: Room,
        replay: int,
        stamper: Callable[[], LineStamper | None],
        *,
        hangups: HangupWatch | None = None,
        heirs: Heirs | None = None,
        interrupt: bytes = b"",
    ) -> None:
        self._loop = loop
        self._console = console
        self._room = room
        self.replay = replay
        self._stamper = stamper
        self._hangups = HangupWatch(loop) if hangups is None else hangups
        self._heirs = heirs
        self._interrupt = interrupt
        console.people.door = self
        self._sockets: dict[Session, socket.socket] = {}

    def user(
        self, peer: socket.socket, *, raw: bool, at: str = "", profile: Profile | None = None
    ) -> None:
        """Attach a peer of a control endpoint; ``at`` names it to a successor."""
        text = notices.greeting(self._facts(profile), self._console.standing())
        session = self._session(peer, Role.WRITER, raw, guarded=peer.family != socket.AF_UNIX)
        self._take(session, peer, at)
        self._join(session, text, raw)

    def logger(
        self, peer: socket.socket, *, raw: bool, at: str = "", profile: Profile | None = None
    ) -> None:
        """Attach a peer of a log endpoint: it may only watch."""
        text = notices.logger_greeting(self._facts(profile), self._console.standing())
        session = self._session(peer, Role.LOGGER, raw)
        self._take(session, peer, at)
        self._join(session, text, raw)

    def adopt(self, peer: socket.socket, before: SessionNote, position: int, at: str) -> None:
        """Go on with a peer whom a predecessor has attached."""
        raw = before.codec is None
        session = self._session(peer, before.role, raw, start=position)
        self._room.taken += 1
        self._take(session, peer, at)
        self._console.roster.add(session)
        session.adopt(before)

    def _facts(self, profile: Profile | None) -> notices.Facts:
        facts = self._console.facts
        return facts if profile is None else replace(facts, profile=profile)

    def _take(self, session: Session, peer: socket.socket, at: str) -> None:
        self._sockets[session] = peer
        if self._heirs is not None:
            self._heirs.joined(session, peer, at)

    def terminal(self, peer: TerminalPeer) -> None:
        """Attach the terminal the server was started on: plain bytes, true size."""
        text = notices.greeting(self._console.facts, self._console.standing())
        session = self._session(peer, Role.WRITER, raw=True)
        self._join(session, text, raw=True)
        self._console.resized(*peer.size())

    def _session(
        self,
        peer: Peer,
        role: Role,
        raw: bool,
        *,
        guarded: bool = False,
        start: int | None = None,
    ) -> Session:
        spool = self._console.spool
        return Session(
            peer,
            self._loop,
            spool,
            self._console.people,
            role,
            codec=None if raw else telnet.TelnetCodec(self._interrupt),
            render=self._render() if role is Role.LOGGER else None,
            guarded=guarded,
            start=spool.tail(self.replay) if start is None else start,
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
            self._hangups.watch(peer.fileno(), partial(self._console.people.hung_up, session))
        elif peer is not None:
            self._hangups.forget(peer.fileno())

    def negotiated(self, session: Session) -> None:
        """The peer's telnet options have changed."""
        if self._heirs is not None and session in self._sockets:
            self._heirs.negotiated(session)

    def left(self, session: Session) -> None:
        """Give back what the transport has lent."""
        if self._heirs is not None:
            self._heirs.left(session)
        peer = self._sockets.pop(session, None)
        if peer is not None:
            self._hangups.forget(peer.fileno())
            self._room.taken -= 1
