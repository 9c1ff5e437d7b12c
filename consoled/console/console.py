"""Console: joins a child, its memory, its log and the people attached to it.

Owned by the composition root, lives on the loop's thread. Users' keys come in from sessions
and become inputs of the lifecycle; the lifecycle's actions are performed here, in order; what
the keeper reports is fed back. Inputs that arise while actions are performed wait their turn.

Never true: two things deciding what the child does next; a notice that overtakes output.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from consoled.config.model import RestartPolicy, SpawnSpec
from consoled.console.keyboard import Keyboard
from consoled.console.lifecycle import (
    Abandoned,
    Action,
    Arm,
    Died,
    Disarm,
    Input,
    Lifecycle,
    Quit,
    Signal,
    Spawn,
    Toggled,
)
from consoled.console.logfile import Logfile
from consoled.console.output import Output
from consoled.console.roster import Roster
from consoled.console.session import Role, Session
from consoled.errors import SpawnError
from consoled.keeper.keeper import Keeper
from consoled.keeper.spool import Spool
from consoled.protocol import notices
from consoled.protocol.keys import KeyCommand, KeyFilter
from consoled.protocol.stamp import Arrivals

_DRAIN_SECONDS = 0.5
"""How long the end of output is awaited after an exit: a grandchild may hold the tty."""

_EXCESS = 4096
"""Bytes one user may type into a full queue before they are paused; keys still work in them."""


class Door(Protocol):
    """Where peers come from: told what only a transport can look after."""

    def half_closed(self, session: Session) -> None: ...

    def paused(self, session: Session, paused: bool) -> None: ...

    def left(self, session: Session) -> None: ...


class Console:
    """One console from its first child to the end of the server.

    ``quit`` is called once, when the console is down for good.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: Keeper,
        facts: notices.Facts,
        spec: SpawnSpec,
        policy: RestartPolicy,
        keys: KeyFilter,
        format_time: Callable[[float], str],
        quit: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._keeper = keeper
        self.facts = facts
        self._spec = spec
        self._keys = keys
        self._format_time = format_time
        self._quit = quit
        self.spool = Spool()
        self.arrivals = Arrivals()
        self.notes_arrivals = False
        """Whether somebody stamps lines and has to know when they came in."""
        self.roster = Roster(self.spool)
        self._logs: list[Logfile] = []
        self._lifecycle = Lifecycle(policy)
        self._keyboard = Keyboard(loop, self._on_room, self._on_stall)
        self._output = Output(loop, self.spool, self._deliver, self._held, self._on_end_of_output)
        self._inputs: deque[Input] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._drain: asyncio.TimerHandle | None = None
        self._master = -1
        self._pid: int | None = None
        self._child_started = ""
        self._window: tuple[int, int] | None = None
        self._ended = False
        self.door: Door | None = None
        self.status: int | None = None
        """Wait status of the child that ended last."""
        keeper.open(facts.name, self.spool, self)

    def add_log(self, log: Logfile) -> None:
        """Write this console's output to a log from now on."""
        self._logs.append(log)

    def begin(self) -> None:
        """The server is up: start the first child, unless told to wait."""
        self._handle(Input.BOOT)

    def shut_down(self) -> None:
        """Tell the child to go and end the server; a second call kills the child."""
        self._handle(Input.QUIT)

    def reopen_logs(self) -> None:
        """Close and open every log file, for log rotation."""
        for log in self._logs:
            log.reopen()

    def announce(self, text: bytes) -> None:
        """Say something to everybody and to the log."""
        self._output.append(text)

    @property
    def settled(self) -> bool:
        """Whether every reader and log has taken what it can."""
        behind = any(session.outlet.blocked for session in self.roster)
        return not behind and all(log.idle for log in self._logs)

    def standing(self) -> notices.Standing:
        """What a greeting has to tell now."""
        alive = self._lifecycle.has_child and self._pid is not None
        return notices.Standing(
            mode=self._lifecycle.mode.value,
            child_pid=self._pid if alive else None,
            child_started=self._child_started,
            users=self.roster.count(Role.WRITER),
            loggers=self.roster.count(Role.LOGGER),
        )

    # -- sessions -------------------------------------------------------------------------

    def typed(self, session: Session, data: bytes) -> None:
        """A user has typed: command keys act, the rest goes to the child."""
        self._output.note_key()
        if not self._keys.is_plain(data):
            data = self._obey(session, data)
        elif not self._lifecycle.has_child:
            return
        if not self._keyboard.type(data):
            self._hold_back(session, data)

    def _obey(self, session: Session, data: bytes) -> bytes:
        """Act on command keys; returns what is left for the child.

        What is typed at a child that is down is lost, also when it brings the child up.
        """
        was_up = self._lifecycle.has_child
        for command in self._keys.commands(data):
            self._on_key(session, command)
        return self._keys.strip(data) if was_up and self._lifecycle.has_child else b""

    def _hold_back(self, session: Session, data: bytes) -> None:
        """Not all of ``data`` went to the child: tell its writer why, pause them if need be."""
        if self._keyboard.discarded and session.told_of_cut != self._keyboard.cut_lines:
            session.told_of_cut = self._keyboard.cut_lines
            session.say(notices.line_too_long(self._keyboard.discarded))
        if self._keyboard.full:
            if self._keyboard.stalled and not session.excess:
                session.say(notices.input_waits(self._keyboard.waiting))
            session.excess += len(data)
            if session.excess > _EXCESS:
                session.pause()

    def _on_stall(self) -> None:
        """The child does not read: tell those who type at it, do not wait for those who left."""
        for session in self.roster:
            if session.gone:
                session.close()
            elif session.excess:
                session.say(notices.input_waits(self._keyboard.waiting))

    def hung_up(self, session: Session) -> None:
        """A peer has gone; what it sent before is still typed, if the child reads it."""
        if session.paused and not self._keyboard.stalled:
            session.gone = True
        else:
            session.close()

    def _on_room(self) -> None:
        for session in self.roster:
            session.resume()

    def _on_key(self, session: Session, command: KeyCommand) -> None:
        down = not self._lifecycle.has_child
        if command is KeyCommand.LOGOUT:
            # Later, for what was typed before it still has to reach the child.
            self._loop.call_soon(session.close)
        elif command is KeyCommand.KILL:
            self._handle(Input.KEY_KILL)
        elif command is KeyCommand.TOGGLE:
            self._handle(Input.TOGGLE)
        elif command is KeyCommand.RESTART and down:
            self._handle(Input.START)
        elif command is KeyCommand.QUIT and down:
            self._handle(Input.QUIT)

    def resized(self, rows: int, columns: int) -> None:
        """A user's window has this size; the latest report wins."""
        self._window = (rows, columns)
        if self._lifecycle.has_child:
            self._keeper.resize(self.facts.name, rows, columns)

    def fell_behind(self, session: Session) -> None:
        """A reader cannot take all there is."""
        self.roster.lagging.add(session)

    def moved(self, session: Session) -> None:
        """A reader that was behind has read."""
        if not session.outlet.blocked:
            self.roster.lagging.discard(session)
        self._output.resume()

    def log_moved(self) -> None:
        """A log that was behind has taken output."""
        self._output.resume()

    def half_closed(self, session: Session) -> None:
        """A peer has closed its sending side."""
        if self.door is not None:
            self.door.half_closed(session)

    def paused(self, session: Session, paused: bool) -> None:
        """A peer's input is not read for now, or is again."""
        if self.door is not None:
            self.door.paused(session, paused)

    def left(self, session: Session) -> None:
        """A session is about to be closed."""
        self.roster.remove(session)
        if self.door is not None:
            self.door.left(session)
        self._output.resume()

    # -- what the keeper says -------------------------------------------------------------

    def spawned(self, pid: int, master: int) -> None:
        """A child has been forked."""
        self._pid = pid
        self._master = master
        self._child_started = self._format_time(time.time())
        self.announce(notices.started(self.facts, pid))
        if self._window is not None:
            self._keeper.resize(self.facts.name, *self._window)
        self._output.open(master)
        self._keyboard.open(master)
        self._handle(Input.SPAWNED)

    def failed(self, error: SpawnError) -> None:
        """A child could not be forked, or could not become its program."""
        self._output.flush()
        self.announce(notices.spawn_failed(self.facts, error.step, str(error)))
        if error.step in ("pty", "fork"):
            self._handle(Input.SPAWN_FAILED)

    def exited(self, status: int) -> None:
        """The child has ended; its last words may still be in the terminal."""
        self.status = status
        if self._output.hung_up:
            self._drained()
            return
        self._drain = self._loop.call_later(_DRAIN_SECONDS, self._drained)

    def _on_end_of_output(self) -> None:
        if self._drain is not None:
            self._drained()

    def _drained(self) -> None:
        """The child is gone and everything it said has been read."""
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
        self._output.finish()
        self._keyboard.close()
        os.close(self._master)
        self._master = -1
        self._keeper.release(self.facts.name)
        self._handle(Input.EXITED)

    # -- the lifecycle --------------------------------------------------------------------

    def _handle(self, event: Input) -> None:
        """Feed the lifecycle and do what it says; nested inputs wait until that is done."""
        if self._ended:
            return
        self._inputs.append(event)
        if len(self._inputs) > 1:
            return
        while self._inputs:
            try:
                for action in self._lifecycle.handle(self._inputs[0], self._loop.time()):
                    self._perform(action)
            finally:  # an error in one action must not deafen the console for ever
                self._inputs.popleft()

    def _perform(self, action: Action) -> None:
        match action:
            case Spawn():
                self._keeper.spawn(self.facts.name, self._spec)
            case Signal(number):
                self._keeper.signal(self.facts.name, number)
            case Arm(seconds):
                self._disarm()
                self._timer = self._loop.call_later(seconds, self._handle, Input.TIMEOUT)
            case Disarm():
                self._disarm()
            case Toggled(mode):
                self.announce(notices.toggled(mode.value, self.facts.profile))
            case Died(fate):
                self._announce_death(fate.name)
            case Abandoned():
                self.announce(notices.abandoned(self._pid or 0))
            case Quit():
                self._ended = True
                self._quit()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _announce_death(self, fate: str) -> None:
        status = self.status or 0
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        how = notices.ending(os.WEXITSTATUS(status), killed)
        now = self._format_time(time.time())
        self.announce(notices.died(self.facts, self._pid or 0, how, now, fate))
        self._pid = None

    # -- output ---------------------------------------------------------------------------

    def _deliver(self, start: int, head: int) -> None:
        if self.notes_arrivals:
            self.arrivals.note(start, time.time())
        self.roster.deliver(start, head)
        for log in self._logs:
            log.wake()

    def _held(self) -> bool:
        """Whether the child has to wait for a reader; nearly always nobody is even behind."""
        lagging = self.roster.lagging
        if not lagging and not self._logs:
            return False
        head, allowance, now = self.spool.head, self.spool.size // 2, self._loop.time()
        return any(session.outlet.cursor.holds(head, allowance, now) for session in lagging) or any(
            log.held(head, allowance, now) for log in self._logs
        )
