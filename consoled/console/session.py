"""Session: a peer attached to one console.

Owned by the console's roster until it is closed. What it is sent is its Outlet's business;
here is what it says: keys, telnet, the closing of its sending side, its end.

Never true: a peer that is read while its console's keyboard has no room for it; a peer that
is closed twice.
"""

import asyncio
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from consoled.console.outlet import Outlet, Peer, Render
from consoled.errors import RemoteProtocolError
from consoled.keeper.spool import Spool
from consoled.protocol.guard import looks_like_http
from consoled.protocol.telnet import Conversation, TelnetCodec, escape

_RECEIVE = 4096
_REPLY_LIMIT = 68 * 1024
_ANSWER_IDLE = 5.0
"""Seconds without output after which a peer that typed and closed its sending side is done."""


class Role(Enum):
    """What a peer may do."""

    WRITER = "writer"
    LOGGER = "logger"


@dataclass(frozen=True, slots=True)
class SessionNote:
    """What a successor in another process needs to go on with a peer.

    ``position`` None: it stands in the peer's word of the board (we were killed). ``codec``
    None: the peer is raw.
    """

    role: Role
    codec: Conversation | None = None
    position: int | None = None
    pending: bytes = b""
    typed_any: bool = False
    half_closed: bool = False
    guarded: bool = False
    excess: int = 0
    line_open: bool = False


class Host(Protocol):
    """The console as its sessions see it."""

    def typed(self, session: "Session", data: bytes) -> None: ...

    def resized(self, rows: int, columns: int) -> None: ...

    def half_closed(self, session: "Session") -> None: ...

    def paused(self, session: "Session", paused: bool) -> None: ...

    def fell_behind(self, session: "Session") -> None: ...

    def moved(self, session: "Session") -> None: ...

    def skipped(self, count: int) -> None: ...

    def negotiated(self, session: "Session") -> None: ...

    def left(self, session: "Session") -> None: ...


class Session:
    """One attached peer.

    ``codec`` None makes the peer raw; ``render`` shows it other bytes than the spool's (line
    stamps of log endpoints); a ``guarded`` peer is dropped if it begins to talk HTTP.
    """

    def __init__(
        self,
        peer: Peer,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        host: Host,
        role: Role,
        *,
        start: int,
        codec: TelnetCodec | None = None,
        render: Render | None = None,
        guarded: bool = False,
    ) -> None:
        self._peer = peer
        self._loop = loop
        self._host = host
        self._codec = codec
        self._guarded = guarded
        self._typed_any = False
        self._idle: asyncio.TimerHandle | None = None
        self.role = role
        self.outlet = Outlet(
            peer, loop, spool, self, start=start, escaped=codec is not None, render=render
        )
        self.say = self.outlet.say
        self.deliver = self.outlet.deliver
        self.open = True
        self.half_closed = False
        self.gone = False
        """Whether the peer has closed altogether; input of it may still be unread."""
        self.paused = False
        self.told_of_cut = 0
        """The last of the console's cut lines that this peer has been told of."""
        self.excess = 0
        """Bytes this peer has typed into a keyboard that was full."""

    @property
    def speaks_telnet(self) -> bool:
        """Whether the peer has ever answered in telnet."""
        return self._codec is not None and self._codec.speaks_telnet

    def begin(self, text: bytes, negotiation: bytes) -> None:
        """Greet the peer and start listening to it."""
        self._loop.add_reader(self._peer.fileno(), self._on_readable)
        self.outlet.push((escape(text) if self._codec is not None else text) + negotiation)

    # -- before and after this process ----------------------------------------------------

    def note(self, *, final: bool) -> SessionNote:
        """What a successor needs; ``final``: it will be the last that we say of this peer."""
        return SessionNote(
            self.role,
            None if self._codec is None else self._codec.snapshot(),
            self.outlet.cursor.position if final else None,
            self.outlet.pending if final else b"",
            self._typed_any,
            self.half_closed,
            self._guarded,
            self.excess,
        )

    def adopt(self, before: SessionNote) -> None:
        """Go on with a peer that a predecessor has greeted."""
        self._typed_any, self._guarded = before.typed_any, before.guarded
        if self._codec is not None and before.codec is not None:
            self._codec.restore(before.codec)
        self._loop.add_reader(self._peer.fileno(), self._on_readable)
        self.outlet.push(before.pending)
        if before.half_closed:
            self._on_end()
        elif before.excess:
            self.excess = before.excess
            self.pause()

    def detach(self) -> SessionNote:
        """Neither read nor send any more, and leave the peer as it is."""
        note = self.note(final=True)
        self.open = False
        if self._idle is not None:
            self._idle.cancel()
        self._loop.remove_reader(self._peer.fileno())
        self.outlet.close()
        return note

    # -- what the outlet tells ------------------------------------------------------------

    def fell_behind(self) -> None:
        """The peer cannot take all there is."""
        self._host.fell_behind(self)

    def moved(self) -> None:
        """The peer has taken something, perhaps all."""
        self._host.moved(self)

    def skipped(self, count: int) -> None:
        """The peer has missed so many bytes, and is told."""
        self._host.skipped(count)

    def lost(self) -> None:
        """The peer takes nothing any more; what it said before may still be unread."""
        self.outlet.close()
        self.gone = True
        if self.half_closed:
            self.close()

    # -- input ----------------------------------------------------------------------------

    def pause(self) -> None:
        """Read no more of this peer for now: it types faster than the child reads."""
        if not self.paused and self.open and not self.half_closed:
            self.paused = True
            self._loop.remove_reader(self._peer.fileno())
            self._host.paused(self, True)

    def resume(self) -> None:
        """Read this peer again."""
        self.excess = 0
        if self.paused and self.open:
            self.paused = False
            self._host.paused(self, False)
            self._loop.add_reader(self._peer.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = self._peer.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._on_end()
        elif self._guarded and looks_like_http(data):
            self.close()
        else:
            self._guarded = False
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self._codec is not None:
            unfinished = self._codec.unfinished
            try:
                data, reply, window = self._codec.feed(data)
            except RemoteProtocolError:
                self.close()
                return
            if window is not None and self.role is Role.WRITER:
                self._host.resized(*window)
            if reply:
                self._reply(reply)
            if reply or unfinished or self._codec.unfinished:
                self._host.negotiated(self)
        if data and self.role is Role.WRITER:
            self._typed_any = True
            self._host.typed(self, data)

    def _reply(self, reply: bytes) -> None:
        """Answer options; a peer that asks and asks without reading is dropped."""
        if self.outlet.waiting + len(reply) > _REPLY_LIMIT:
            self.close()
        else:
            self.outlet.push(reply)

    # -- the end --------------------------------------------------------------------------

    def probe(self, no_operation: bytes) -> None:
        """Send what a living peer does not mind, to hear of a dead one."""
        self.outlet.push(no_operation)

    def _on_end(self) -> None:
        """The peer sends no more, but may well read on."""
        if self.gone:
            self.close()
            return
        self._loop.remove_reader(self._peer.fileno())
        self.half_closed = True
        if self._typed_any:
            self._await_answer()
            self.outlet.on_sent = self._await_answer
        self._host.half_closed(self)

    def _await_answer(self) -> None:
        """Whoever typed and closed its side waits for an answer, not for ever."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(_ANSWER_IDLE, self.close)

    def close(self) -> None:
        """Let go of the peer; safe at any time, any number of times."""
        if not self.open:
            return
        self.open = False
        if self._idle is not None:
            self._idle.cancel()
        self._loop.remove_reader(self._peer.fileno())
        self.outlet.close()
        self._host.left(self)
        hang_up(self._peer)


def hang_up(peer: Peer) -> None:
    """Close for good, even if another process holds a duplicate of the connection."""
    if isinstance(peer, socket.socket):
        try:
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:  # gone already
            pass
    peer.close()
