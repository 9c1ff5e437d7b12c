"""Session: a peer attached to one console.

Owned by the console's roster until it is closed. Output reaches it by a cursor on the spool,
never by a queue: the bytes in ``_pending`` are only those that had to be made for this peer
(greeting, negotiation, escaped or stamped output) and are bounded. A peer that takes nothing
costs nothing and holds nobody; when it reads again it is told what it missed.

Never true: a blocking send; a pending text longer than _PENDING_LIMIT plus one chunk.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from consoled.console.cursor import Cursor
from consoled.errors import RemoteProtocolError
from consoled.keeper.spool import Spool
from consoled.protocol import notices
from consoled.protocol.guard import looks_like_http
from consoled.protocol.telnet import TelnetCodec, escape

_CHUNK = 64 * 1024
_RECEIVE = 4096
_PENDING_LIMIT = 64 * 1024
_REPLY_LIMIT = 4096
_ANSWER_IDLE = 5.0
"""Seconds without output after which a peer that typed and then closed its sending side is done."""


class Peer(Protocol):
    """A connected peer, non-blocking; a socket is one."""

    def fileno(self) -> int: ...

    def send(self, data: memoryview | bytes, /) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Role(Enum):
    """What a peer may do."""

    WRITER = auto()
    LOGGER = auto()


class Host(Protocol):
    """The console as its sessions see it."""

    def typed(self, session: "Session", data: bytes) -> None: ...

    def resized(self, rows: int, columns: int) -> None: ...

    def half_closed(self, session: "Session") -> None: ...

    def paused(self, session: "Session", paused: bool) -> None: ...

    def fell_behind(self, session: "Session") -> None: ...

    def moved(self, session: "Session") -> None: ...

    def left(self, session: "Session") -> None: ...


Transform = Callable[[int, int], bytes]


class Session:
    """One attached peer, its codec and its cursor.

    ``codec`` None makes the peer raw. ``render(start, stop)`` gives the bytes to show in
    place of the plain ones (line stamps of log endpoints).
    """

    def __init__(
        self,
        peer: Peer,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        host: Host,
        role: Role,
        *,
        codec: TelnetCodec | None = None,
        render: Transform | None = None,
        guarded: bool = False,
        start: int,
    ) -> None:
        self._peer = peer
        self._send = peer.send
        self._loop = loop
        self._spool = spool
        self._host = host
        self.role = role
        self._codec = codec
        self._render = render
        self._guarded = guarded
        self.cursor = Cursor(start, loop.time())
        self._pending = bytearray()
        self.blocked = False
        self.open = True
        self.half_closed = False
        self.gone = False
        """Whether the peer has closed altogether, with input of it still unread."""
        self.paused = False
        self._typed_any = False
        self.excess = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def speaks_telnet(self) -> bool:
        """Whether the peer has ever answered in telnet."""
        return self._codec is not None and self._codec.speaks_telnet

    def begin(self, text: bytes, negotiation: bytes) -> None:
        """Greet the peer and start listening to it."""
        self._pending += (escape(text) if self._codec is not None else text) + negotiation
        self._loop.add_reader(self._peer.fileno(), self._on_readable)
        self.pump()

    # -- output ---------------------------------------------------------------------------

    def say(self, text: bytes) -> None:
        """Send ``text`` to this peer alone, escaped as its codec needs."""
        self._push(escape(text) if self._codec is not None else text)

    def negotiate(self, commands: bytes) -> None:
        """Send telnet commands as they are."""
        self._push(commands)

    def _push(self, data: bytes) -> None:
        self._pending += data
        if not self.blocked:
            self.pump()

    def deliver(self, start: int, view: memoryview, plain: bool) -> None:
        """Send new output, ``view``, which begins at ``start``; hot path.

        ``plain`` tells that it holds no 0xFF. A peer that is behind, or needs other bytes
        than these, takes the general way.
        """
        if self.blocked:
            return
        cursor = self.cursor
        if cursor.position != start or self._render is not None or self._idle is not None:
            self.pump()
            return
        if not plain and self._codec is not None:
            self.pump()
            return
        try:
            count = self._send(view)
        except BlockingIOError:
            count = 0
        except OSError:
            self.close()
            return
        cursor.position += count
        if count < len(view):
            self._block()

    def pump(self) -> None:
        """Send until the peer has everything or takes no more."""
        try:
            while self.open and (self._pending or self.cursor.position < self._spool.head):
                if not self._step():
                    self._block()
                    return
        except OSError:
            self.close()
            return
        if self.open:
            self._unblock()

    def _step(self) -> bool:
        """Send one piece; False when the peer takes no more for now."""
        if not self._pending:
            self._skip_overwritten()
            view = self._plain_piece()
            if view is not None:
                return self._send_some(view, self.cursor.position)
            self._render_piece()
        count = self._try(bytes(self._pending) if len(self._pending) < _CHUNK else self._pending)
        del self._pending[:count]
        if count:
            self.cursor.progress = self._loop.time()
        return count > 0

    def _try(self, data: memoryview | bytes | bytearray) -> int:
        try:
            return self._send(data)  # type: ignore[arg-type]
        except BlockingIOError:
            return 0

    def _send_some(self, view: memoryview, position: int) -> bool:
        count = self._try(view)
        if count:
            self.cursor.advance(position + count, self._loop.time())
            self._rearm_idle()
        return count == len(view)

    def _plain_piece(self) -> memoryview | None:
        """The next bytes if they can be sent as they lie in the spool."""
        if self._render is not None:
            return None
        start, stop = self.cursor.position, min(self._spool.head, self.cursor.position + _CHUNK)
        view = self._spool.slices(start, stop)[0]
        if self._codec is not None and self._spool.contains(b"\xff", start, start + len(view)):
            return None
        return view

    def _render_piece(self) -> None:
        start, stop = self.cursor.position, min(self._spool.head, self.cursor.position + _CHUNK)
        data = self._render(start, stop) if self._render else self._spool.read(start, stop)
        self._pending += escape(data) if self._codec is not None else data
        self.cursor.advance(stop, self._loop.time())
        self._rearm_idle()

    def _skip_overwritten(self) -> None:
        """Jump over what the ring no longer holds, half a ring ahead, and say so."""
        if self.cursor.position >= self._spool.floor:
            return
        target = self._spool.head - self._spool.size // 2
        missed = self.cursor.skip_to(target, self._loop.time())
        self._pending += notices.skipped(missed)

    def _block(self) -> None:
        if not self.blocked and self.open:
            self.blocked = True
            self.cursor.progress = self._loop.time()
            self._loop.add_writer(self._peer.fileno(), self._on_writable)
            self._host.fell_behind(self)

    def _unblock(self) -> None:
        if self.blocked:
            self.blocked = False
            self._loop.remove_writer(self._peer.fileno())

    def _on_writable(self) -> None:
        self.pump()
        self._host.moved(self)

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
            try:
                decoded = self._codec.feed(data)
            except RemoteProtocolError:
                self.close()
                return
            data = decoded.data
            if decoded.window is not None and self.role is Role.WRITER:
                self._host.resized(*decoded.window)
            if decoded.reply and not self._reply(decoded.reply):
                return
        if data and self.role is Role.WRITER:
            self._typed_any = True
            self._host.typed(self, data)

    def _reply(self, reply: bytes) -> bool:
        """Answer options; a peer that asks and asks without reading is dropped."""
        if self.blocked and len(self._pending) + len(reply) > _PENDING_LIMIT + _REPLY_LIMIT:
            self.close()
            return False
        self.negotiate(reply)
        return self.open

    # -- the end --------------------------------------------------------------------------

    def _on_end(self) -> None:
        """The peer sends no more, but may well read on."""
        self._loop.remove_reader(self._peer.fileno())
        self.half_closed = True
        self._rearm_idle()
        self._host.half_closed(self)

    def _rearm_idle(self) -> None:
        """Whoever typed and closed its side waits for an answer, not for ever."""
        if not (self.half_closed and self._typed_any):
            return
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
        self._loop.remove_writer(self._peer.fileno())
        self.blocked = False
        self._host.left(self)
        self._peer.close()
