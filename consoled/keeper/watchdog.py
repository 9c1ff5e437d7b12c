"""Watchdog: when a worker that misses its beats is to be killed, as a pure table.

Fed with the beat at every tick. A beat that stands still over MISSES ticks which were
themselves on time is the worker's fault; a tick that came late says that the whole machine, or
the keeper, stood still, and does not count. A worker is killed at most KILLS times in PERIOD
seconds: one that hangs every time is better left dead, for the keeper reads on.
"""

TICK = 0.5
"""Seconds from one tick to the next."""

MISSES = 10
KILLS = 3
PERIOD = 600.0
_ON_TIME = 1.5


class Watchdog:
    """Judge of one worker after another."""

    def __init__(self) -> None:
        self._beat = -1
        self._missed = 0
        self._ticked: float | None = None
        self._kills: list[float] = []

    def begin(self) -> None:
        """A new worker: nothing is held against it."""
        self._beat, self._missed, self._ticked = -1, 0, None

    def tick(self, beat: int, now: float) -> bool:
        """Whether the worker is to be killed now."""
        late = self._ticked is None or now - self._ticked > TICK * _ON_TIME
        self._ticked = now
        if beat != self._beat:
            self._beat, self._missed = beat, 0
        elif not late:
            self._missed += 1
        if self._missed < MISSES:
            return False
        self._missed = 0
        self._kills.append(now)
        return True

    def exhausted(self, now: float) -> bool:
        """Whether workers have been killed so often that the next one has to wait."""
        self._kills = [then for then in self._kills if now - then < PERIOD]
        return len(self._kills) >= KILLS
