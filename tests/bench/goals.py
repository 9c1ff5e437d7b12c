"""The goals for `ours` and, where named, `consoled`, as in section 5 of the performance reference.

They are printed beside the figures and fail nothing: a shared machine must not break a build.
UNIX n=64 follows section 8, which corrected section 5.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A limit for `whose`: in ratio to a peer, or absolute if `versus` is empty."""

    versus: str
    sign: str
    limit: float
    whose: str = "ours"

    def met(self, value: float) -> bool:
        """Return whether the measured ratio or value is good enough."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        unit = f"x {self.versus}" if self.versus else ""
        who = "" if self.whose == "ours" else f"{self.whose} "
        return f"{who}{self.sign} {self.limit:g}{unit}"


def _at_least(limit: float, versus: str = "") -> Goal:
    return Goal(versus, ">=", limit)


def _at_most(limit: float, versus: str = "") -> Goal:
    return Goal(versus, "<=", limit)


def _split_at_most(limit: float, versus: str = "") -> Goal:
    return Goal(versus, "<=", limit, "consoled")


_P, _C = "procserv", "conserver"
_CPU, _OUT, _STALL = "server CPU", "delivered", "longest stall of the others"

GOALS: dict[tuple[str, str, str], tuple[Goal, ...]] = {
    ("W1", "unix n=1 log on tmpfs", "speed in"): (_at_least(1.0, _P),),
    ("W1", "unix n=1 log on tmpfs", _CPU): (_at_most(0.7, _P),),
    ("W1", "tcp n=1 log on tmpfs", _CPU): (_at_most(1.0, _C),),
    ("W1", "unix n=8 log on tmpfs", _OUT): (_at_least(1.7, _P),),
    ("W1", "unix n=8 log on tmpfs", _CPU): (_at_most(0.45, _P),),
    ("W1", "tcp n=8 log on tmpfs", _OUT): (_at_least(2.2, _P), _at_least(0.9, _C)),
    ("W1", "tcp n=8 log on tmpfs", _CPU): (_at_most(0.3, _P), _at_most(0.7, _C)),
    ("W1", "unix n=64 log on tmpfs", _OUT): (_at_least(4.5, _P),),
    ("W1", "unix n=64 log on tmpfs", _CPU): (_at_most(0.18, _P),),
    ("W1", "tcp n=64 log on tmpfs", _OUT): (_at_least(6.0, _P), _at_least(2.5, _C)),
    ("W1", "tcp n=64 log on tmpfs", _CPU): (_at_most(0.15, _P), _at_most(0.35, _C)),
    ("W1", "unix n=1 log on disk", "speed in"): (_at_least(10.0, _P),),
    ("W1", "tcp n=1 log on disk", "speed in"): (_at_least(1.5, _C),),
    ("W2", "unix idle", "p50"): (_at_most(1.2, _P), _split_at_most(1.3, _P)),
    ("W2", "unix idle", "p99"): (_at_most(1.6, _P),),
    ("W2", "tcp idle", "p50"): (_at_most(1.05, _C),),
    ("W2", "unix beside 20 MB/s", "p50"): (_at_most(1.25, _P),),
    ("W2", "unix beside flat out", "p50"): (_at_most(5.0, _P),),
    ("W2", "unix beside flat out", "p99"): (_at_most(2.0, _P),),
    ("W3", "unix", _STALL): (_at_most(0.1),),
    ("W3", "tcp", _STALL): (_at_most(0.1),),
    ("W3", "unix", "server PSS growth"): (_at_most(2.05),),
    ("W3", "tcp", "server PSS growth"): (_at_most(2.05),),
    ("W4", "1000 consoles", "all up"): (_split_at_most(0.8, _P),),
    ("W4", "1000 consoles", "PSS per console, idle"): (_split_at_most(0.2, _P),),
    ("W4", "1000 consoles", "idle CPU"): (_split_at_most(0.5),),
    ("W5", "holdoff 0", "all up again"): (_at_most(0.3, _P), _at_most(0.05, _C)),
    ("W5", "holdoff 1", "all up again"): (_at_most(0.3, _P), _at_most(0.05, _C)),
    ("W6", "unix attach", "first byte"): (_at_most(2.5, _P),),
    ("W6", "unix attach with replay", "replay received"): (_at_most(2.0),),
}
