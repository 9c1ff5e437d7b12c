"""People: those attached to one console, what they type, and what becomes of them.

Owned by one Console. Host of its sessions: keys come in here, are split into commands, which
the console acts on, and bytes for the child, which go to the keyboard. Whoever types into a
full keyboard is paused, and nobody else.

Never true: a command key that waits behind input; a user who is paused and not told why.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from consoled.console.keyboard import Keyboard
from consoled.console.lifecycle import Lifecycle
from consoled.console.output import Output
from consoled.console.roster import Roster
from consoled.console.session import Session
from consoled.keeper.spool import Spool
from consoled.protocol import notices
from consoled.protocol.keys import KeyCommand, KeyFilter

_EXCESS = 4096
"""Bytes one user may type into a full queue before they are paused; keys still work in them."""


class Door(Protocol):
    """Where peers come from: told what only a transport can look after."""

    def half_closed(self, session: Session) -> None: ...

    def paused(self, session: Session, paused: bool) -> None: ...

    def negotiated(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...


class People:
    """The sessions of one console; ``act`` gets the commands that concern the child."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spool: Spool,
        keys: KeyFilter,
        lifecycle: Lifecycle,
        output: Output,
        act: Callable[[KeyCommand], None],
        resize: Callable[[int, int], None],
    ) -> None:
        self._loop = loop
        self.keys = keys
        self._lifecycle = lifecycle
        self._output = output
        self._act = act
        self._resize = resize
        self.roster = Roster(spool)
        self.keyboard = Keyboard(loop, self._on_room, self._on_stall)
        self.door: Door | None = None
        self.missed = 0
        """Bytes that readers were too slow for and have been told of."""

    def typed(self, session: Session, data: bytes) -> None:
        """A user has typed: command keys act, the rest goes to the child."""
        self._output.note_key()
        if not self.keys.is_plain(data):
            data = self._obey(session, data)
        elif not self._lifecycle.has_child:
            return
        if not self.keyboard.type(data):
            self._hold_back(session, data)

    def _obey(self, session: Session, data: bytes) -> bytes:
        """Act on command keys; returns what is left for the child.

        What is typed at a child that is down is lost, also when it brings the child up.
        """
        was_up = self._lifecycle.has_child
        for command in self.keys.commands(data):
            self._on_key(session, command)
        return self.keys.strip(data) if was_up and self._lifecycle.has_child else b""

    def _hold_back(self, session: Session, data: bytes) -> None:
        """Not all of ``data`` went to the child: tell its writer why, pause them if need be."""
        if self.keyboard.discarded and session.told_of_cut != self.keyboard.cut_lines:
            session.told_of_cut = self.keyboard.cut_lines
            session.say(notices.line_too_long(self.keyboard.discarded))
        if self.keyboard.full:
            if self.keyboard.stalled and not session.excess:
                session.say(notices.input_waits(self.keyboard.waiting))
            session.excess += len(data)
            if session.excess > _EXCESS:
                session.pause()

    def _on_stall(self) -> None:
        """The child does not read: tell those who type at it, do not wait for those who left."""
        for session in self.roster:
            if session.gone:
                session.close()
            elif session.excess:
                session.say(notices.input_waits(self.keyboard.waiting))

    def hung_up(self, session: Session) -> None:
        """A peer has gone; what it sent before is still typed, if the child reads it."""
        if session.paused and not self.keyboard.stalled:
            session.gone = True
        else:
            session.close()

    def _on_room(self) -> None:
        for session in self.roster:
            session.resume()

    def _on_key(self, session: Session, command: KeyCommand) -> None:
        if command is KeyCommand.LOGOUT:
            # Later, for what was typed before it still has to reach the child.
            self._loop.call_soon(session.close)
        else:
            self._act(command)

    def resized(self, rows: int, columns: int) -> None:
        """A user's window has this size; the latest report wins."""
        self._resize(rows, columns)

    def fell_behind(self, session: Session) -> None:
        """A reader cannot take all there is."""
        self.roster.lagging.add(session)

    def moved(self, session: Session) -> None:
        """A reader that was behind has read."""
        if not session.outlet.blocked:
            self.roster.lagging.discard(session)
        self._output.resume()

    def skipped(self, count: int) -> None:
        """A reader was too slow for so many bytes."""
        self.missed += count

    def half_closed(self, session: Session) -> None:
        """A peer has closed its sending side."""
        if self.door is not None:
            self.door.half_closed(session)

    def paused(self, session: Session, paused: bool) -> None:
        """A peer's input is not read for now, or is again."""
        if self.door is not None:
            self.door.paused(session, paused)

    def negotiated(self, session: Session) -> None:
        """A peer's telnet options have changed."""
        if self.door is not None:
            self.door.negotiated(session)

    def left(self, session: Session) -> None:
        """A session is about to be closed."""
        self.roster.remove(session)
        if self.door is not None:
            self.door.left(session)
        self._output.resume()
