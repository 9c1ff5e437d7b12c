"""A worker is killed for its own silence only, and not again and again."""

from consoled.keeper.watchdog import KILLS, MISSES, PERIOD, TICK, Watchdog


class Play:
    def __init__(self) -> None:
        self.dog = Watchdog()
        self.now = 100.0
        self.beat = 0

    def tick(self, *, beats: bool = False, after: float = TICK) -> bool:
        self.now += after
        self.beat += beats
        return self.dog.tick(self.beat, self.now)

    def ticks_until_kill(self) -> int:
        for count in range(1, 100):
            if self.tick():
                return count
        raise AssertionError("never killed")


def test_a_worker_that_beats_lives() -> None:
    play = Play()
    assert not any(play.tick(beats=True) for _ in range(1000))


def test_silence_over_ten_ticks_kills() -> None:
    play = Play()
    play.tick(beats=True)
    assert play.ticks_until_kill() == MISSES


def test_one_beat_begins_anew() -> None:
    play = Play()
    play.tick(beats=True)
    assert not any(play.tick() for _ in range(MISSES - 1))
    assert not play.tick(beats=True)
    assert play.ticks_until_kill() == MISSES


def test_late_ticks_do_not_count() -> None:
    """The machine stood still, or the keeper did: that is not the worker's fault."""
    play = Play()
    play.tick(beats=True)
    assert not any(play.tick(after=60.0) for _ in range(10 * MISSES))


def test_a_new_worker_starts_clean() -> None:
    play = Play()
    play.tick(beats=True)
    for _ in range(MISSES - 1):
        play.tick()
    play.dog.begin()
    assert not play.tick()


def test_is_exhausted_after_three_kills_in_ten_minutes() -> None:
    play = Play()
    for kill in range(KILLS):
        assert not play.dog.exhausted(play.now), kill
        play.dog.begin()
        play.ticks_until_kill()
    assert play.dog.exhausted(play.now)
    assert not play.dog.exhausted(play.now + PERIOD)
