"""Outlet: what one peer is sent, by a cursor on the spool and never by a queue.

Owned by a Session. The bytes in ``_pending`` are only those that had to be made for this peer
(greeting, negotiation, escaped or stamped output) and are bounded. A peer that takes nothing
costs nothing and holds nobody; when it reads again it is told what it missed.

``word`` is where the position stands up to which the peer has got everything: shared memory,
if somebody after us is to go on from there, should we be killed.

Never true: a blocking send; output of the spool sent twice or in another order.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from consoled.console.cursor import Cursor
from consoled.keeper.spool import Spool
from consoled.protocol import notices
from consoled.protocol.telnet import escape

_CHUNK = 64 * 1024


class Peer(Protocol):
    """A connected peer, non-blocking; a socket is one."""

    def fileno(self) -> int: ...

    def send(self, data: memoryview | bytes | bytearray, /) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Listener(Protocol):
    """Who is told what becomes of the sending."""

    def fell_behind(self) -> None: ...

    def moved(self) -> None: ...

    def skipped(self, count: int) -> None: ...

    def lost(self) -> None: ...


Render = Callable[[int, int], bytes]
"""Gives the bytes to show in place of those between two offsets of the spool."""


class Outlet:
    """The sending side of one peer.

    ``escaped`` peers get 0xFF doubled (telnet). ``on_sent``, when set, is called after output
    went out.
    """

    def __init__(
        self,
        peer: Peer,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        listener: Listener,
        *,
        start: int,
        escaped: bool,
        render: Render | None,
    ) -> None:
        self._fd = peer.fileno()
        self._send = peer.send
        self._loop = loop
        self._spool = spool
        self._listener = listener
        self._escaped = escaped
        self._render = render
        self._pending = bytearray()
        self._open = True
        self.cursor = Cursor(start, loop.time())
        self._word = memoryview(bytearray(8)).cast("Q")
        self.blocked = False
        self.missed = 0
        """Bytes this peer was too slow for."""
        self.on_sent: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """Bytes made for this peer that it has not taken."""
        return len(self._pending)

    def publish(self, word: memoryview) -> None:
        """Keep the position in this word from now on."""
        self._word = word
        self._word[0] = self.cursor.position

    @property
    def pending(self) -> bytes:
        """What was made for this peer and not sent yet."""
        return bytes(self._pending)

    def say(self, text: bytes) -> None:
        """Send text to this peer alone."""
        self.push(escape(text) if self._escaped else text)

    def push(self, data: bytes) -> None:
        """Send bytes as they are, after what is on its way."""
        if self._open:
            self._pending += data
            if not self.blocked:
                self.pump()

    def deliver(self, start: int, view: memoryview, plain: bool) -> None:
        """Send new output, ``view``, which begins at ``start``; hot path.

        ``plain`` tells that it holds no 0xFF. A peer that is behind, or needs other bytes
        than these, takes the general way.
        """
        if self.blocked or not self._open:
            return
        cursor = self.cursor
        general = self._render is not None or self.on_sent is not None
        if general or cursor.position != start or not (plain or not self._escaped):
            self.pump()
            return
        try:
            count = self._send(view)
        except BlockingIOError:
            count = 0
        except OSError:
            self._listener.lost()
            return
        self._word[0] = cursor.position = start + count
        if count < len(view):
            self._block()

    def pump(self) -> None:
        """Send until the peer has everything or takes no more."""
        try:
            while self._open and (self._pending or self.cursor.position < self._spool.head):
                if not self._step():
                    self._block()
                    return
        except OSError:
            self._listener.lost()
            return
        self._unblock()

    def close(self) -> None:
        """Send no more."""
        self._open = False
        self._unblock()

    def _step(self) -> bool:
        """Send one piece; False when the peer takes no more for now."""
        if not self._pending:
            self._skip_overwritten()
            view = self._plain_piece()
            if view is not None:
                return self._send_piece(view)
            self._render_piece()
        count = self._try(self._pending)
        del self._pending[:count]
        if count:
            self.cursor.progress = self._loop.time()
        if not self._pending:
            self._word[0] = self.cursor.position
        return count > 0

    def _try(self, data: memoryview | bytearray) -> int:
        try:
            return self._send(data)
        except BlockingIOError:
            return 0

    def _send_piece(self, view: memoryview) -> bool:
        count = self._try(view)
        self._advance(self.cursor.position + count)
        self._word[0] = self.cursor.position
        return count == len(view)

    def _advance(self, position: int) -> None:
        if position != self.cursor.position and self.on_sent is not None:
            self.on_sent()
        self.cursor.advance(position, self._loop.time())

    def _next_piece(self) -> tuple[int, int]:
        start = self.cursor.position
        return start, min(self._spool.head, start + _CHUNK)

    def _plain_piece(self) -> memoryview | None:
        """The next bytes if they can be sent as they lie in the spool."""
        if self._pending or self._render is not None:
            return None
        start, stop = self._next_piece()
        view = self._spool.slices(start, stop)[0]
        if self._escaped and self._spool.contains(b"\xff", start, start + len(view)):
            return None
        return view

    def _render_piece(self) -> None:
        """Make the next bytes for this peer; a notice that is already due goes first."""
        start, stop = self._next_piece()
        data = self._render(start, stop) if self._render else self._spool.read(start, stop)
        self._pending += escape(data) if self._escaped else data
        self._advance(stop)

    def _skip_overwritten(self) -> None:
        """Jump over what the ring no longer holds, half a ring ahead, and say so."""
        if self.cursor.position < self._spool.floor:
            target = self._spool.head - self._spool.size // 2
            missed = self.cursor.skip_to(target, self._loop.time())
            self.missed += missed
            self._listener.skipped(missed)
            self._pending += notices.skipped(missed)

    def _block(self) -> None:
        if not self.blocked and self._open:
            self.blocked = True
            self.cursor.progress = self._loop.time()
            self._loop.add_writer(self._fd, self._on_writable)
            self._listener.fell_behind()

    def _unblock(self) -> None:
        if self.blocked:
            self.blocked = False
            self._loop.remove_writer(self._fd)

    def _on_writable(self) -> None:
        self.pump()
        self._listener.moved()
