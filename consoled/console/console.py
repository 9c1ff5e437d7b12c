"""Console: joins a child, its memory, its log and the people attached to it.

Owned by the composition root, lives on the loop's thread. What must outlive this process is
in the spool, or told to the keeper as a Note whenever it changes. Users' command keys become
inputs of the lifecycle; the lifecycle's actions are performed here, in order; what the keeper
reports is fed back. Inputs that arise while actions are performed wait their turn.

Never true: two things deciding what the child does next; a notice that overtakes output.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from consoled.config.model import RestartPolicy, SpawnSpec
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
    State,
    Toggled,
    Type,
)
from consoled.console.logfile import Logfile
from consoled.console.note import Found, Note
from consoled.console.output import Output, Typing
from consoled.console.people import People
from consoled.console.session import Role
from consoled.errors import SpawnError
from consoled.keeper.keeper import Owner
from consoled.keeper.spool import DEFAULT_SCROLLBACK, Spool
from consoled.protocol import notices, plain
from consoled.protocol.keys import KeyCommand, KeyFilter
from consoled.protocol.stamp import Arrivals

_DRAIN_SECONDS = 0.5
"""How long the end of output is awaited after an exit: a grandchild may hold the tty."""


class Keeping(Protocol):
    """The keeper as a console sees it, in this process or behind a link."""

    def open(self, console: str, spool: Spool, owner: Owner) -> None: ...

    def close(self, console: str) -> None: ...

    def spawn(self, console: str, spec: SpawnSpec) -> None: ...

    def signal(self, console: str, number: int) -> None: ...

    def resize(self, console: str, rows: int, columns: int) -> None: ...

    def release(self, console: str) -> None: ...

    def note(self, console: str, note: Any) -> None: ...


class Console:
    """One console from its first child to the end of the server.

    ``spec`` is asked for at each start. ``quit`` is called once, when the console is down for
    good. With ``spool`` it goes on from
    that one; else it begins with an empty one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: Keeping,
        facts: notices.Facts,
        spec: Callable[[], SpawnSpec],
        policy: RestartPolicy,
        keys: KeyFilter,
        format_time: Callable[[float], str],
        quit: Callable[[], None],
        *,
        spool: Spool | None = None,
        scrollback: int = DEFAULT_SCROLLBACK,
        typing: Typing | None = None,
    ) -> None:
        self._loop = loop
        self._keeper = keeper
        self.facts = facts
        self._spec = spec
        self._format_time = format_time
        self._quit = quit
        self.spool = Spool(scrollback) if spool is None else spool
        self.arrivals = Arrivals()
        self.notes_arrivals = False
        """Whether somebody stamps lines and has to know when they came in."""
        self._logs: list[Logfile] = []
        self._lifecycle = Lifecycle(policy)
        self._output = Output(
            *(loop, self.spool, self._deliver, self._held, self._on_end_of_output),
            Typing() if typing is None else typing,
        )
        self.people = People(
            loop, self.spool, keys, self._lifecycle, self._output, self._on_key, self._resize
        )
        self.roster = self.people.roster
        self._keyboard = self.people.keyboard
        self._inputs: list[Input] = []
        self._timer: asyncio.TimerHandle | None = None
        self._drain: asyncio.TimerHandle | None = None
        self._master = -1
        self._pid: int | None = None
        self._child_started = ""
        self._started_at = 0.0
        self._starts = 0
        self._noted = Note()
        self.on_change: Callable[[], None] | None = None
        """Called after something has happened to the child."""
        self._window: tuple[int, int] | None = None
        self._ended = False
        self.status: int | None = None
        """Wait status of the child that ended last."""
        keeper.open(facts.name, self.spool, self)

    def add_log(self, log: Logfile) -> None:
        """Write this console's output to a log from now on."""
        self._logs.append(log)

    def drop_log(self, log: Logfile) -> None:
        """Write to that log no more."""
        self._logs.remove(log)
        log.leave()

    def begin(self) -> None:
        """The server is up: start the first child, unless told to wait."""
        self._handle(Input.BOOT)

    def shut_down(self) -> None:
        """Tell the child to go and end the server; a second call kills the child."""
        self._handle(Input.QUIT)

    @property
    def is_down(self) -> bool:
        """Whether there is no child, and none is about to come by itself."""
        return self._lifecycle.state in (State.STOPPED, State.EXITED, State.FATAL)

    def start(self) -> None:
        """Start a child now, if there is none."""
        self._handle(Input.START)

    def stop(self) -> None:
        """Tell the child to go, and start no other until asked to."""
        self._handle(Input.STOP)

    def restart(self) -> None:
        """Tell the child to go, and start another one."""
        self._handle(Input.RESTART)

    def kill(self) -> None:
        """Signal the child now; what follows is up to the restart mode."""
        if self._lifecycle.has_child:
            self._keeper.signal(self.facts.name, self._lifecycle.policy.kill_signal)

    def retune(
        self,
        facts: notices.Facts,
        spec: Callable[[], SpawnSpec],
        policy: RestartPolicy,
        keys: KeyFilter,
    ) -> None:
        """Other settings: keys and policy at once, the rest with the next child."""
        self.facts, self._spec, self.people.keys = facts, spec, keys
        self._lifecycle.retune(policy)
        self._note()

    def retire(self, policy: RestartPolicy) -> None:
        """Start nothing any more; a child that runs is left alone."""
        self._lifecycle.retune(policy)
        if not self._lifecycle.has_child:
            self._handle(Input.STOP)

    def note_arrivals(self) -> None:
        """What is there already counts as having come now."""
        self.arrivals.note(self.spool.floor, time.time())

    # -- before and after this process ----------------------------------------------------

    def adopt(self, before: Note, child: Found | None) -> None:
        """Go on where a predecessor was, with the child it has left, if any."""
        self._pid, self._child_started = before.pid, before.child_started
        self._started_at, self._starts = before.started_at, before.starts
        self.status, self._window = before.status, before.window
        self.people.missed = before.missed
        actions = self._lifecycle.adopt(before.life, child is not None, self._loop.time())
        if child is not None:
            self._adopt_child(before, child)
        for action in actions:
            self._perform(action)
        if child is not None and child.status is not None:
            self.exited(child.status)
        self._note()

    def _adopt_child(self, before: Note, child: Found) -> None:
        self._master = child.master
        if before.pid != child.pid:  # nobody has told of it yet
            self._born(child.pid)
            if child.failure is not None:
                step, number = child.failure
                self.announce(notices.spawn_failed(self.facts, step, os.strerror(number)))
        self._output.open(child.master)
        self._keyboard.open(child.master)
        if before.typed:
            self._keyboard.type(before.typed)

    def detach(self) -> None:
        """Read and write no more: a successor goes on from the note."""
        self._disarm()
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
        self._output.detach()
        self._ended = True
        self._note(self._keyboard.untyped())
        self._keyboard.close()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        for log in self._logs:
            log.leave()

    def _note(self, typed: bytes = b"") -> None:
        """Tell the keeper what a successor has to know, if it has changed."""
        note = Note(
            self._lifecycle.snapshot(),
            self._pid,
            self._child_started,
            self._started_at,
            self._starts,
            self.status,
            self._window,
            typed,
            self.people.missed,
        )
        if note != self._noted:
            self._noted = note
            self._keeper.note(self.facts.name, self.note)

    @property
    def note(self) -> Any:
        """What a successor has to know, as plain values."""
        return plain.dump(self._noted)

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

    @property
    def writing(self) -> bool:
        """Whether a disk's thread is in the middle of writing a log."""
        return any(log.busy for log in self._logs)

    def snapshot(self) -> dict[str, Any]:
        """What ``status`` tells of this console, as plain values; times in seconds."""
        life, now = self._lifecycle, self._loop.time()
        alive = life.has_child and self._pid is not None
        log = self._logs[0] if self._logs else None
        return {
            "console": self.facts.name,
            "state": life.state.name,
            "restart": life.mode.value,
            "pid": self._pid if alive else None,
            "uptime": time.time() - self._started_at if alive else None,
            "next_start_in": max(0.0, life.due - now) if life.state is State.BACKOFF else None,
            "starts": self._starts,
            "last_status": self.status,
            "users": self.roster.count(Role.WRITER),
            "loggers": self.roster.count(Role.LOGGER),
            "output_bytes": self.spool.head,
            "input_waiting": self._keyboard.waiting,
            "input_stalled": self._keyboard.stalled,
            "input_discarded": self._keyboard.discarded,
            "missed_bytes": self.people.missed,
            "log_backlog": None if log is None else self.spool.head - log.taken,
            "log_lag": None if log is None else log.lag,
            "log_lost": None if log is None else log.lost,
            "log_error": None if log is None else log.trouble,
        }

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

    # -- what people ask for --------------------------------------------------------------

    def _on_key(self, command: KeyCommand) -> None:
        down = not self._lifecycle.has_child
        if command is KeyCommand.KILL:
            self._handle(Input.KEY_KILL)
        elif command is KeyCommand.TOGGLE:
            self._handle(Input.TOGGLE)
        elif command is KeyCommand.RESTART and down:
            self._handle(Input.START)
        elif command is KeyCommand.QUIT and down:
            self._quit_by_key()

    def _quit_by_key(self) -> None:
        """Where it is not alone, a console only stops; anybody may start it again."""
        if self._lifecycle.policy.solitary:
            self._handle(Input.QUIT)
        else:
            self._handle(Input.STOP)
            self.announce(notices.stopped_by_key(self.facts))

    def _resize(self, rows: int, columns: int) -> None:
        self._window = (rows, columns)
        if self._lifecycle.has_child:
            self._keeper.resize(self.facts.name, rows, columns)
        self._note()

    def resized(self, rows: int, columns: int) -> None:
        """The terminal of the server has this size."""
        self._resize(rows, columns)

    def log_moved(self) -> None:
        """A log that was behind has taken output."""
        self._output.resume()

    # -- what the keeper says -------------------------------------------------------------

    def spawned(self, pid: int, master: int) -> None:
        """A child has been forked."""
        self._master = master
        self._born(pid)
        if self._window is not None:
            self._keeper.resize(self.facts.name, *self._window)
        self._output.open(master)
        self._keyboard.open(master)
        self._handle(Input.SPAWNED)

    def _born(self, pid: int) -> None:
        self._pid = pid
        self._started_at = time.time()
        self._starts += 1
        self._child_started = self._format_time(self._started_at)
        self.announce(notices.started(self.facts, pid))

    def survivors(self, processes: Sequence[str]) -> None:
        """These processes of a child that was killed are still there."""
        self.announce(notices.survivors(processes))

    def failed(self, error: SpawnError) -> None:
        """A child could not be forked, or could not become its program."""
        self._output.flush()
        self.announce(notices.spawn_failed(self.facts, error.step, str(error)))
        if error.step in ("pty", "fork", "keeper"):
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
                del self._inputs[0]
        self._note()
        if self.on_change is not None:
            self.on_change()

    def _perform(self, action: Action) -> None:
        match action:
            case Spawn():
                self._keeper.spawn(self.facts.name, self._spec())
            case Signal(number):
                self._keeper.signal(self.facts.name, number)
            case Type(keys):
                self._keyboard.type(keys)
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
                ends = self._lifecycle.policy.solitary
                self.announce(notices.abandoned(self._pid or 0, ends))
            case Quit():
                self._ended = True
                self._quit()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _announce_death(self, fate: str) -> None:
        status = self.status or 0
        how = notices.ending_of(status)
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
