"""Heirs: peers that outlive this process, because the keeper holds their sockets too.

Owned by the worker. A peer's note says what a successor needs to go on with it; how far it has
read stands in its word of the board, so that even after a kill nothing is left out (what was
under way may come twice). A peer for which there is no word is not held.

Never true: a word that two peers use; a peer held whose session has ended.
"""

import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass

from consoled.console.session import Session, SessionNote
from consoled.keeper.board import SLOTS
from consoled.keeper.link import KeeperLink
from consoled.protocol import plain

PREFIX = "peer:"


@dataclass(frozen=True, slots=True)
class PeerNote:
    """A held peer: its console, the endpoint it came by, its word, and its session."""

    console: str
    at: str
    slot: int
    session: SessionNote


class Heirs:
    """The peers of one console's door; words and keys are the server's."""

    def __init__(self, registry: "Registry", console: str) -> None:
        self._registry = registry
        self._console = console

    def joined(self, session: Session, peer: socket.socket, at: str) -> None:
        """A peer has come, or was adopted."""
        self._registry.join(self._console, session, peer, at)

    def negotiated(self, session: Session) -> None:
        """What its codec knows has changed."""
        self._registry.renote(session, final=False)

    def left(self, session: Session) -> None:
        """It has gone."""
        self._registry.leave(session)


@dataclass(slots=True)
class _Held:
    key: str
    console: str
    at: str
    slot: int


class Registry:
    """All held peers of this worker."""

    def __init__(self, link: KeeperLink) -> None:
        self._link = link
        self._held: dict[Session, _Held] = {}
        self._free: list[int] = []
        self._next = 0
        self._numbers = itertools.count()
        self._adopting: tuple[str, int] | None = None

    def join(self, console: str, session: Session, peer: socket.socket, at: str) -> None:
        """Hold a new peer, or the one that is being adopted."""
        key, slot = self._adopting or (f"{PREFIX}{next(self._numbers)}", self._take_slot())
        if slot < 0:
            return
        held = self._held[session] = _Held(key, console, at, slot)
        session.outlet.publish(self._link.board.word(slot))
        self._link.hold(key, self._note(session, held, final=False), peer.fileno())

    def renote(self, session: Session, *, final: bool) -> None:
        """Tell the keeper what is known of a peer now."""
        held = self._held.get(session)
        if held is not None:
            self._link.renote(held.key, self._note(session, held, final=final))

    def leave(self, session: Session) -> None:
        """Hold a peer no more; one that was not held is no error."""
        held = self._held.pop(session, None)
        if held is not None:
            self._free.append(held.slot)
            self._link.drop(held.key)

    def adopt(self, found: dict[str, PeerNote], take: Callable[[str, PeerNote, int], None]) -> None:
        """Let ``take(key, note, position)`` join each peer that was found again."""
        numbers = [int(key.removeprefix(PREFIX)) for key in found]
        self._numbers = itertools.count(max(numbers, default=-1) + 1)
        used = {note.slot for note in found.values()}
        self._next = max(used, default=-1) + 1
        self._free = sorted(set(range(self._next)) - used, reverse=True)
        for key, note in found.items():
            word = self._link.board.word(note.slot)[0]
            position = word if note.session.position is None else note.session.position
            self._adopting = (key, note.slot)
            try:
                take(key, note, position)
            finally:
                self._adopting = None

    def drop_unknown(self, key: str) -> None:
        """A found peer that nobody has joined is let go."""
        if all(held.key != key for held in self._held.values()):
            self._link.drop(key)

    def detach(self) -> None:
        """Leave all peers to a successor, with everything that it needs."""
        for session, held in self._held.items():
            note = PeerNote(held.console, held.at, held.slot, session.detach())
            self._link.renote(held.key, plain.dump(note))
        self._held.clear()

    def _note(self, session: Session, held: _Held, *, final: bool) -> object:
        note = PeerNote(held.console, held.at, held.slot, session.note(final=final))
        return plain.dump(note)

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._next == SLOTS:
            return -1
        self._next += 1
        return self._next - 1
