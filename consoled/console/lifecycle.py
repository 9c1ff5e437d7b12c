"""Lifecycle: what a child should do next, as a pure and total table.

Owned by one Console, which performs the returned actions in order and feeds back what came of
them. Times are seconds of one monotonic clock. The states are supervisord's words: STOPPED
(not wanted), STARTING (asked for), RUNNING, BACKOFF (down until the next start is due),
STOPPING (told to go), EXITED (ended and stays down), FATAL (gave up after too many starts).

A worker that is replaced hands its table on as a Snapshot; the one after it goes on from there.

Never true: a child in STOPPED, BACKOFF, EXITED or FATAL; a timer armed outside BACKOFF and
STOPPING.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from consoled.config.model import RestartMode, RestartPolicy


class State(Enum):
    """Where a console's child is in its life."""

    STOPPED = auto()
    STARTING = auto()
    RUNNING = auto()
    BACKOFF = auto()
    STOPPING = auto()
    EXITED = auto()
    FATAL = auto()


class Input(Enum):
    """What can happen to a console."""

    BOOT = auto()
    """The server is up."""
    START = auto()
    """Somebody wants a child now."""
    KEY_KILL = auto()
    """Somebody typed the kill key."""
    TOGGLE = auto()
    """Somebody typed the toggle key."""
    QUIT = auto()
    """The server is to end."""
    STOP = auto()
    """Somebody wants no child until further notice."""
    RESTART = auto()
    """Somebody wants another child in place of this one."""
    SPAWNED = auto()
    SPAWN_FAILED = auto()
    """There is no child, for want of a pty or a process."""
    EXITED = auto()
    """The child has ended and its output is read."""
    TIMEOUT = auto()
    """The armed time has passed."""


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a child."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Send ``number`` to the child's group."""

    number: int


@dataclass(frozen=True, slots=True)
class Type:
    """Type these keys, which make the program end by itself."""

    keys: bytes


@dataclass(frozen=True, slots=True)
class Arm:
    """Feed TIMEOUT in ``seconds``; replaces what was armed before."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Disarm:
    """Forget the armed time."""


@dataclass(frozen=True, slots=True)
class Toggled:
    """Tell everybody the new restart mode."""

    mode: RestartMode


class Fate(Enum):
    """What happens after a child's death."""

    RESTART = auto()
    DISABLED = auto()
    ONESHOT = auto()
    QUIT = auto()
    STOPPED = auto()
    REPLACED = auto()
    FINISHED = auto()
    GAVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Died:
    """Tell everybody that the child has died and what comes next."""

    fate: Fate


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Tell everybody that the child does not die, not even of SIGKILL."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the server."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a lifecycle knows, for its successor in another process of this machine."""

    state: str = "STOPPED"
    mode: str = "ON"
    due: float = 0.0
    last_start: float | None = None
    key_killed: bool = False
    killed: bool = False
    rung: int = 0
    after: str = "STOPPED"
    starts: tuple[float, ...] = ()


Action = Spawn | Signal | Type | Arm | Disarm | Toggled | Died | Abandoned | Quit
Cell = Callable[["Lifecycle", float], list[Action]]

SIGKILL = 9
LEAST_HOLDOFF = 0.05
"""Seconds between two starts even without a holdoff: a child that ends at once must not turn
the server into a fork bomb. (procServ, which starts on an idle tick, never beats 0.5.)"""

SPAWN_RETRY = 1.0
"""Least seconds between two tries to get a process at all."""

KILL_PATIENCE = 2.0
"""Seconds that a killed child gets to go: one that hangs in the kernel never will."""


class Lifecycle:
    """One child's state; ``handle`` turns an input into a new state and actions."""

    def __init__(self, policy: RestartPolicy) -> None:
        self.policy = policy
        self.mode = policy.mode
        self.state = State.STOPPED
        self.due = 0.0
        self._last_start: float | None = None
        self._key_killed = False
        self._killed = False
        self._rung = 0
        self._after = Fate.QUIT
        self._starts: tuple[float, ...] = ()

    def snapshot(self) -> Snapshot:
        """What a successor goes on from."""
        return Snapshot(
            self.state.name,
            self.mode.value,
            self.due,
            self._last_start,
            self._key_killed,
            self._killed,
            self._rung,
            self._after.name,
            self._starts,
        )

    def adopt(self, before: Snapshot, child: bool, now: float) -> list[Action]:
        """Go on where a predecessor was; ``child`` tells whether there is one, ended or not."""
        self.state, self.mode = State[before.state], RestartMode(before.mode)
        self.due, self._last_start = before.due, before.last_start
        self._key_killed, self._killed = before.key_killed, before.killed
        self._rung, self._after = before.rung, Fate[before.after]
        self._starts = before.starts
        if child:
            return self._adopt_child()
        if self.state is State.STARTING:
            return self._spawn(now)
        if self.state is State.RUNNING:
            return self._launch(now, now)
        if self.state is State.STOPPING:
            return self._settled(now)[2:]
        return [Arm(max(0.0, self.due - now))] if self.state is State.BACKOFF else []

    def _adopt_child(self) -> list[Action]:
        if self.state is State.STOPPING:
            return [Arm(KILL_PATIENCE if self._killed else self.policy.grace_period)]
        self.state = State.RUNNING
        return []

    def retune(self, policy: RestartPolicy) -> None:
        """Other rules from now on; what is under way is finished by them."""
        if policy.mode is not self.policy.mode:
            self.mode = policy.mode
        self.policy = policy

    @property
    def has_child(self) -> bool:
        """Whether a child exists or is about to."""
        return self.state in (State.STARTING, State.RUNNING, State.STOPPING)

    def handle(self, event: Input, now: float) -> list[Action]:
        """The actions that ``event`` asks for at time ``now``, to be done in order."""
        return TABLE[self.state, event](self, now)

    def _nothing(self, now: float) -> list[Action]:
        return []

    def _boot(self, now: float) -> list[Action]:
        return [] if self.policy.wait_for_start else self._spawn(now)

    def _spawn(self, now: float) -> list[Action]:
        self.state = State.STARTING
        self._last_start = now
        self._key_killed = self._killed = False
        limit = self.policy.start_limit
        self._starts = (*self._starts, now)[-limit:] if limit else ()
        return [Spawn()]

    def _spawn_now(self, now: float) -> list[Action]:
        """Somebody asked for it: no holdoff, and earlier failures are forgotten."""
        self._starts = ()
        return [Disarm(), *self._spawn(now)]

    def _born(self, now: float) -> list[Action]:
        self.state = State.RUNNING
        return []

    def _key_kill(self, now: float) -> list[Action]:
        self._key_killed = True
        return [Signal(self.policy.kill_signal)]

    def _cycle(self, now: float) -> list[Action]:
        ring = self.policy.ring
        place = ring.index(self.mode) if self.mode in ring else -1
        self.mode = ring[(place + 1) % len(ring)]
        return [Toggled(self.mode)]

    def _cycle_down(self, now: float) -> list[Action]:
        """A mode that wants a child starts the one that had stayed down."""
        toggled = self._cycle(now)
        return toggled if self.mode is RestartMode.OFF else [*toggled, *self._launch(now, now)]

    def _cycle_backoff(self, now: float) -> list[Action]:
        toggled = self._cycle(now)
        if self.mode is not RestartMode.OFF:
            return toggled
        self.state = State.EXITED
        return [*toggled, Disarm()]

    def _launch(self, now: float, earliest: float) -> list[Action]:
        """Start the next child when its holdoff allows, not before ``earliest``."""
        holdoff = max(self.policy.holdoff, LEAST_HOLDOFF)
        since = self._last_start
        self.due = max(earliest, now if since is None else since + holdoff)
        if self.due <= now:
            return self._spawn(now)
        self.state = State.BACKOFF
        return [Arm(self.due - now)]

    def _has_failed_too_often(self, now: float) -> bool:
        limit = self.policy.start_limit
        if not limit or len(self._starts) < limit:
            return False
        return now - self._starts[0] <= self.policy.start_limit_interval

    def _after_exit(self, now: float) -> list[Action]:
        if self.mode is RestartMode.ON:
            if self._has_failed_too_often(now):
                self.state = State.FATAL
                return [Died(Fate.GAVE_UP)]
            window = self.policy.kill_window if self._key_killed else 0.0
            return [Died(Fate.RESTART), *self._launch(now, now + window)]
        self.state = State.EXITED
        if self.mode is RestartMode.OFF:
            return [Died(Fate.DISABLED)]
        if not self.policy.solitary:
            return [Died(Fate.FINISHED)]
        return [Died(Fate.ONESHOT), Quit()]

    def _not_born(self, now: float) -> list[Action]:
        """No child came to be: try again, however the mode, until told off.

        Never at once, whatever the holdoff: a machine that has no process to give would be
        asked for one without end.
        """
        if self.mode is RestartMode.OFF:
            self.state = State.EXITED
            return []
        return self._launch(now, now + SPAWN_RETRY)

    def _quit_down(self, now: float) -> list[Action]:
        self.state = State.EXITED
        return [Disarm(), Quit()]

    def _terminate(self, now: float) -> list[Action]:
        return self._take_down(Fate.QUIT, now)

    def _stop(self, now: float) -> list[Action]:
        return self._take_down(Fate.STOPPED, now)

    def _restart(self, now: float) -> list[Action]:
        return self._take_down(Fate.REPLACED, now)

    def _take_down(self, after: Fate, now: float) -> list[Action]:
        self.state = State.STOPPING
        self._after, self._rung = after, 0
        return self._climb(now)

    def _then_stop(self, now: float) -> list[Action]:
        return self._change_after(Fate.STOPPED)

    def _then_start(self, now: float) -> list[Action]:
        return self._change_after(Fate.REPLACED)

    def _change_after(self, after: Fate) -> list[Action]:
        """Somebody changed their mind; a server that ends does not."""
        if self._after is not Fate.QUIT:
            self._after = after
        return []

    def _born_too_late(self, now: float) -> list[Action]:
        """What was told to the child before it existed has not reached it."""
        self._rung, self._killed = 0, False
        return self._climb(now)

    def _ladder(self) -> list[Action]:
        """What a child is told, one after the other, before it is killed."""
        if self.policy.solitary:
            return [Signal(self.policy.kill_signal)]
        keys = [Type(self.policy.stop_keys)] if self.policy.stop_keys else []
        return [*keys, Signal(self.policy.stop_signal)]

    def _climb(self, now: float) -> list[Action]:
        ladder = self._ladder()
        if self._rung >= len(ladder) or ladder[self._rung] == Signal(SIGKILL):
            return self._escalate(now)
        self._rung += 1
        return [ladder[self._rung - 1], Arm(self.policy.grace_period)]

    def _escalate(self, now: float) -> list[Action]:
        """Kill for good; a child that even this does not end must not hold the server."""
        if not self._killed:
            self._killed = True
            return [Signal(SIGKILL), Arm(KILL_PATIENCE)]
        if self._after is not Fate.QUIT:  # it may still end one day
            return [Disarm(), Abandoned()]
        self.state = State.EXITED
        return [Disarm(), Abandoned(), Quit()]

    def _hurry(self, now: float) -> list[Action]:
        """Told to end once more: no more grace. A child that is killed already gets its time."""
        self._after = Fate.QUIT
        return [] if self._killed else self._escalate(now)

    def _settled(self, now: float) -> list[Action]:
        """The child that was told to go has gone."""
        if self._after is Fate.REPLACED:
            return [Disarm(), Died(Fate.REPLACED), *self._spawn_now(now)]
        if self._after is Fate.STOPPED:
            self.state = State.STOPPED
            return [Disarm(), Died(Fate.STOPPED)]
        self.state = State.EXITED
        return [Disarm(), Died(Fate.QUIT), Quit()]

    def _stay_down(self, now: float) -> list[Action]:
        self.state = State.STOPPED
        return [Disarm()]

    def _never_born(self, now: float) -> list[Action]:
        """No child came to be, and none is wanted any more."""
        return self._settled(now)[2:] if self._after is not Fate.QUIT else self._quit_down(now)


_L = Lifecycle
_ACTIVE: dict[State, dict[Input, Cell]] = {
    State.STOPPED: {
        Input.BOOT: _L._boot,
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._quit_down,
        Input.RESTART: _L._spawn_now,
    },
    State.STARTING: {
        Input.STOP: _L._stop,
        Input.RESTART: _L._nothing,
        Input.KEY_KILL: _L._key_kill,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._terminate,
        Input.SPAWNED: _L._born,
        Input.SPAWN_FAILED: _L._not_born,
    },
    State.RUNNING: {
        Input.KEY_KILL: _L._key_kill,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._terminate,
        Input.STOP: _L._stop,
        Input.RESTART: _L._restart,
        Input.EXITED: _L._after_exit,
    },
    State.BACKOFF: {
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle_backoff,
        Input.QUIT: _L._quit_down,
        Input.STOP: _L._stay_down,
        Input.RESTART: _L._spawn_now,
        Input.TIMEOUT: _L._spawn,
    },
    State.STOPPING: {
        Input.KEY_KILL: _L._key_kill,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._hurry,
        Input.START: _L._then_start,
        Input.STOP: _L._then_stop,
        Input.RESTART: _L._then_start,
        Input.SPAWNED: _L._born_too_late,
        Input.SPAWN_FAILED: _L._never_born,
        Input.EXITED: _L._settled,
        Input.TIMEOUT: _L._climb,
    },
    State.EXITED: {
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle_down,
        Input.QUIT: _L._quit_down,
        Input.STOP: _L._stay_down,
        Input.RESTART: _L._spawn_now,
    },
    State.FATAL: {
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._quit_down,
        Input.STOP: _L._stay_down,
        Input.RESTART: _L._spawn_now,
    },
}

TABLE: dict[tuple[State, Input], Cell] = {
    (state, event): cells.get(event, _L._nothing)
    for state, cells in _ACTIVE.items()
    for event in Input
}
"""Every state and input; an input without meaning in a state does nothing there."""
