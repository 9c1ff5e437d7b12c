"""Lifecycle: what a child should do next, as a pure and total table.

Owned by one Console, which performs the returned actions in order and feeds back what came of
them. Times are seconds of one monotonic clock. The states are supervisord's words: STOPPED
(never wanted yet), STARTING (asked for), RUNNING, BACKOFF (down until the next start is due),
STOPPING (told to go, the server ends after it), EXITED (ended and stays down).

Never true: a child in STOPPED, BACKOFF or EXITED; a timer armed outside BACKOFF and STOPPING.
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


Action = Spawn | Signal | Arm | Disarm | Toggled | Died | Abandoned | Quit
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
        self._key_killed = False
        return [Spawn()]

    def _spawn_now(self, now: float) -> list[Action]:
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

    def _after_exit(self, now: float) -> list[Action]:
        if self.mode is RestartMode.ON:
            window = self.policy.kill_window if self._key_killed else 0.0
            return [Died(Fate.RESTART), *self._launch(now, now + window)]
        self.state = State.EXITED
        if self.mode is RestartMode.OFF:
            return [Died(Fate.DISABLED)]
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
        self.state = State.STOPPING
        if self.policy.kill_signal == SIGKILL:
            return self._escalate(now)
        return [Signal(self.policy.kill_signal), Arm(self.policy.grace_period)]

    def _escalate(self, now: float) -> list[Action]:
        """Kill for good; a child that even this does not end must not hold the server."""
        if self._killed:
            self.state = State.EXITED
            return [Disarm(), Abandoned(), Quit()]
        self._killed = True
        return [Signal(SIGKILL), Arm(KILL_PATIENCE)]

    def _hurry(self, now: float) -> list[Action]:
        """Told to end twice: no more grace. A child that is killed already gets its time."""
        return [] if self._killed else self._escalate(now)

    def _settled(self, now: float) -> list[Action]:
        self.state = State.EXITED
        return [Disarm(), Died(Fate.QUIT), Quit()]


_L = Lifecycle
_ACTIVE: dict[State, dict[Input, Cell]] = {
    State.STOPPED: {
        Input.BOOT: _L._boot,
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._quit_down,
    },
    State.STARTING: {
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
        Input.EXITED: _L._after_exit,
    },
    State.BACKOFF: {
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle_backoff,
        Input.QUIT: _L._quit_down,
        Input.TIMEOUT: _L._spawn,
    },
    State.STOPPING: {
        Input.KEY_KILL: _L._key_kill,
        Input.TOGGLE: _L._cycle,
        Input.QUIT: _L._hurry,
        Input.SPAWNED: _L._terminate,
        Input.SPAWN_FAILED: _L._quit_down,
        Input.EXITED: _L._settled,
        Input.TIMEOUT: _L._escalate,
    },
    State.EXITED: {
        Input.START: _L._spawn_now,
        Input.KEY_KILL: _L._spawn_now,
        Input.TOGGLE: _L._cycle_down,
        Input.QUIT: _L._quit_down,
    },
}

TABLE: dict[tuple[State, Input], Cell] = {
    (state, event): cells.get(event, _L._nothing)
    for state, cells in _ACTIVE.items()
    for event in Input
}
"""Every state and input; an input without meaning in a state does nothing there."""
