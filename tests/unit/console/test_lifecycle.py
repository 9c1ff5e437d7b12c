"""The table says what procServ's users expect, and no walk over it breaks its invariants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.config.model import RestartMode, RestartPolicy
from consoled.console.lifecycle import (
    KILL_PATIENCE,
    LEAST_HOLDOFF,
    SPAWN_RETRY,
    TABLE,
    Abandoned,
    Action,
    Arm,
    Died,
    Disarm,
    Fate,
    Input,
    Lifecycle,
    Quit,
    Signal,
    Spawn,
    State,
    Toggled,
    Type,
)

ALL_MODES = (RestartMode.ON, RestartMode.OFF, RestartMode.ONESHOT)


class Play:
    """A lifecycle and a clock: feeds inputs at given times, keeps the last actions."""

    def __init__(self, **policy: object) -> None:
        self.life = Lifecycle(RestartPolicy(**policy))  # type: ignore[arg-type]
        self.now = 100.0

    def __call__(self, event: Input, after: float = 0.0) -> list[Action]:
        self.now += after
        return self.life.handle(event, self.now)

    def run(self) -> "Play":
        assert self(Input.BOOT) == [Spawn()]
        assert self(Input.SPAWNED) == []
        assert self.life.state is State.RUNNING
        return self


def test_table_is_total() -> None:
    assert set(TABLE) == {(state, event) for state in State for event in Input}


def test_first_child_starts_at_once() -> None:
    Play().run()


def test_waits_for_a_manual_start() -> None:
    play = Play(wait_for_start=True)
    assert play(Input.BOOT) == []
    assert play(Input.TOGGLE) == [Toggled(RestartMode.OFF)]
    assert play(Input.START) == [Disarm(), Spawn()]


def test_holdoff_counts_from_the_last_start() -> None:
    play = Play(holdoff=15.0).run()
    assert play(Input.EXITED, after=4.0) == [Died(Fate.RESTART), Arm(11.0)]
    assert play.life.state is State.BACKOFF
    assert play(Input.TIMEOUT, after=11.0) == [Spawn()]


def test_restarts_at_once_when_holdoff_is_over() -> None:
    play = Play(holdoff=15.0).run()
    assert play(Input.EXITED, after=15.0) == [Died(Fate.RESTART), Spawn()]


def test_stays_down_when_off() -> None:
    play = Play(mode=RestartMode.OFF).run()
    assert play(Input.EXITED) == [Died(Fate.DISABLED)]
    assert play.life.state is State.EXITED
    assert play(Input.START) == [Disarm(), Spawn()]


def test_oneshot_ends_the_server_at_once() -> None:
    play = Play(mode=RestartMode.ONESHOT).run()
    assert play(Input.EXITED) == [Died(Fate.ONESHOT), Quit()]


def test_kill_key_holds_the_restart_back_for_the_window() -> None:
    play = Play(holdoff=1.0).run()
    assert play(Input.KEY_KILL, after=60.0) == [Signal(9)]
    assert play(Input.EXITED) == [Died(Fate.RESTART), Arm(2.0)]
    assert play(Input.QUIT) == [Disarm(), Quit()]


def test_kill_key_on_a_dead_child_starts_it() -> None:
    play = Play(holdoff=1000.0).run()
    play(Input.EXITED)
    assert play(Input.KEY_KILL) == [Disarm(), Spawn()]


def test_next_death_is_not_the_kill_keys() -> None:
    play = Play(holdoff=0.0).run()
    play(Input.KEY_KILL)
    play(Input.EXITED)
    play(Input.START)
    play(Input.SPAWNED)
    assert play(Input.EXITED, after=LEAST_HOLDOFF) == [Died(Fate.RESTART), Spawn()]


def test_child_that_ends_at_once_is_no_fork_bomb() -> None:
    play = Play(holdoff=0.0).run()
    assert play(Input.EXITED) == [Died(Fate.RESTART), Arm(pytest.approx(LEAST_HOLDOFF))]


def test_toggle_off_in_backoff_cancels_and_back_on_resumes() -> None:
    play = Play(holdoff=15.0).run()
    play(Input.EXITED, after=5.0)
    assert play(Input.TOGGLE) == [Toggled(RestartMode.OFF), Disarm()]
    assert play(Input.TIMEOUT, after=20.0) == []
    assert play(Input.TOGGLE) == [Toggled(RestartMode.ON), Spawn()]


def test_toggle_to_oneshot_in_backoff_keeps_the_run_that_was_due() -> None:
    play = Play(holdoff=15.0, mode=RestartMode.ON, ring=(RestartMode.ON, RestartMode.ONESHOT))
    play.run()
    play(Input.EXITED)
    assert play(Input.TOGGLE) == [Toggled(RestartMode.ONESHOT)]
    assert play.life.state is State.BACKOFF


def test_mode_outside_the_ring_toggles_to_its_first() -> None:
    play = Play(mode=RestartMode.ONESHOT).run()
    assert play(Input.TOGGLE) == [Toggled(RestartMode.ON)]


def test_quit_gives_grace_then_kills_then_gives_up() -> None:
    play = Play(kill_signal=15, grace_period=5.0).run()
    assert play(Input.QUIT) == [Signal(15), Arm(5.0)]
    assert play(Input.TIMEOUT, after=5.0) == [Signal(9), Arm(KILL_PATIENCE)]
    assert play(Input.TIMEOUT, after=KILL_PATIENCE) == [Disarm(), Abandoned(), Quit()]


def test_quit_with_signal_9_needs_no_grace() -> None:
    play = Play().run()
    assert play(Input.QUIT) == [Signal(9), Arm(KILL_PATIENCE)]
    assert play(Input.EXITED) == [Disarm(), Died(Fate.QUIT), Quit()]


def test_second_quit_kills_at_once() -> None:
    play = Play(kill_signal=15).run()
    play(Input.QUIT)
    assert play(Input.QUIT, after=0.1) == [Signal(9), Arm(KILL_PATIENCE)]
    assert play(Input.QUIT, after=0.1) == []


def test_no_process_is_tried_again_but_never_at_once() -> None:
    play = Play(holdoff=15.0)
    play(Input.BOOT)
    assert play(Input.SPAWN_FAILED) == [Arm(15.0)]
    play = Play(holdoff=0.0)
    play(Input.BOOT)
    assert play(Input.SPAWN_FAILED) == [Arm(SPAWN_RETRY)]


def test_no_process_and_mode_off_stays_down() -> None:
    play = Play(mode=RestartMode.OFF)
    play(Input.BOOT)
    assert play(Input.SPAWN_FAILED) == []
    assert play.life.state is State.EXITED


@given(
    st.lists(st.tuples(st.sampled_from(Input), st.floats(0, 40)), max_size=60),
    st.sampled_from(ALL_MODES),
    st.sampled_from((9, 15)),
    st.booleans(),
)
def test_random_walks_keep_the_invariants(
    steps: list[tuple[Input, float]], mode: RestartMode, signal: int, wait: bool
) -> None:
    """A world that answers truthfully: a child exists exactly where the table says so."""
    play = Play(mode=mode, ring=ALL_MODES, kill_signal=signal, wait_for_start=wait)
    asked = born = armed = quitting = False
    for event, after in steps:
        if quitting:
            break
        possible = {
            Input.SPAWNED: asked,
            Input.SPAWN_FAILED: asked,
            Input.EXITED: born,
            Input.TIMEOUT: armed,
            Input.BOOT: play.life.state is State.STOPPED,
        }
        if not possible.get(event, True):
            continue
        born = event is Input.SPAWNED or (born and event is not Input.EXITED)
        asked = asked and event not in (Input.SPAWNED, Input.SPAWN_FAILED)
        armed = armed and event is not Input.TIMEOUT
        for action in play(event, after):
            if isinstance(action, Spawn):
                assert not asked, "two children"
                assert not born, "two children"
                asked = True
            elif isinstance(action, Arm):
                assert action.seconds >= 0
                armed = True
            elif isinstance(action, Disarm):
                armed = False
            quitting = quitting or isinstance(action, Quit)
        if not quitting:
            assert play.life.has_child == (asked or born)
            assert play.life.state is not State.BACKOFF or armed, "nobody would start it again"


# -- one of many consoles ---------------------------------------------------------------------

MANY = {"solitary": False, "stop_signal": 15, "grace_period": 10.0}


def many(**policy: object) -> Play:
    return Play(**{**MANY, **policy})


def test_stop_climbs_the_ladder_and_stays_down() -> None:
    play = many(stop_keys=b"exit\r").run()
    assert play(Input.STOP) == [Type(b"exit\r"), Arm(10.0)]
    assert play(Input.TIMEOUT, after=10.0) == [Signal(15), Arm(10.0)]
    assert play(Input.TIMEOUT, after=10.0) == [Signal(9), Arm(KILL_PATIENCE)]
    assert play(Input.EXITED) == [Disarm(), Died(Fate.STOPPED)]
    assert play.life.state is State.STOPPED
    assert play(Input.START) == [Disarm(), Spawn()]


def test_a_child_that_hangs_in_the_kernel_is_named_and_awaited() -> None:
    play = many(stop_signal=9).run()
    assert play(Input.STOP) == [Signal(9), Arm(KILL_PATIENCE)]
    assert play(Input.TIMEOUT, after=KILL_PATIENCE) == [Disarm(), Abandoned()]
    assert play.life.has_child
    assert play(Input.EXITED, after=100.0) == [Disarm(), Died(Fate.STOPPED)]


def test_restart_replaces_the_child_without_holdoff() -> None:
    play = many(holdoff=1000.0).run()
    assert play(Input.RESTART) == [Signal(15), Arm(10.0)]
    assert play(Input.EXITED) == [Disarm(), Died(Fate.REPLACED), Disarm(), Spawn()]


def test_the_last_word_counts_while_a_child_goes() -> None:
    play = many().run()
    play(Input.STOP)
    assert play(Input.START) == []
    assert play(Input.EXITED) == [Disarm(), Died(Fate.REPLACED), Disarm(), Spawn()]
    play(Input.SPAWNED)
    play(Input.RESTART)
    play(Input.STOP)
    assert play(Input.EXITED) == [Disarm(), Died(Fate.STOPPED)]


def test_stop_in_backoff_cancels_the_start() -> None:
    play = many().run()
    play(Input.EXITED)
    assert play(Input.STOP) == [Disarm()]
    assert play.life.state is State.STOPPED


def test_a_stop_before_the_child_is_there_reaches_it_all_the_same() -> None:
    play = many()
    play(Input.BOOT)
    assert play(Input.STOP) == [Signal(15), Arm(10.0)]
    assert play(Input.SPAWNED) == [Signal(15), Arm(10.0)]
    assert play(Input.EXITED) == [Disarm(), Died(Fate.STOPPED)]


def test_a_stop_and_no_child_after_all() -> None:
    play = many()
    play(Input.BOOT)
    play(Input.STOP)
    play(Input.SPAWN_FAILED)
    assert play.life.state is State.STOPPED


def test_oneshot_among_many_stays_down() -> None:
    play = many(mode=RestartMode.ONESHOT).run()
    assert play(Input.EXITED) == [Died(Fate.FINISHED)]
    assert play.life.state is State.EXITED


def test_gives_up_after_too_many_starts_and_forgives_a_person() -> None:
    play = many(holdoff=0.0, start_limit=3, start_limit_interval=60.0)
    play(Input.BOOT)
    for _ in range(2):
        play(Input.SPAWNED)
        assert play(Input.EXITED, after=5.0) == [Died(Fate.RESTART), Spawn()]
    play(Input.SPAWNED)
    assert play(Input.EXITED, after=5.0) == [Died(Fate.GAVE_UP)]
    assert play.life.state is State.FATAL
    assert play(Input.START) == [Disarm(), Spawn()]
    play(Input.SPAWNED)
    assert play(Input.EXITED, after=5.0) == [Died(Fate.RESTART), Spawn()]


def test_never_gives_up_without_a_limit_or_when_starts_are_far_apart() -> None:
    for policy in ({}, {"start_limit": 2, "start_limit_interval": 10.0}):
        play = many(holdoff=0.0, **policy).run()
        for _ in range(20):
            assert play(Input.EXITED, after=11.0) == [Died(Fate.RESTART), Spawn()]
            play(Input.SPAWNED)


# -- going on in another process --------------------------------------------------------------


def heir(play: Play, *, child: bool) -> tuple[Play, list[Action]]:
    after = Play()
    after.life = Lifecycle(play.life.policy)
    after.now = play.now
    return after, after.life.adopt(play.life.snapshot(), child, after.now)


def test_an_heir_of_a_running_child_does_nothing() -> None:
    after, actions = heir(many().run(), child=True)
    assert actions == []
    assert after.life.state is State.RUNNING


def test_an_heir_counts_the_rest_of_the_holdoff() -> None:
    play = many(holdoff=15.0).run()
    play(Input.EXITED, after=5.0)
    play.now += 4.0
    after, actions = heir(play, child=False)
    assert actions == [Arm(6.0)]
    assert after(Input.TIMEOUT, after=6.0) == [Spawn()]


def test_an_heir_asks_again_for_a_child_that_never_came() -> None:
    play = many()
    play(Input.BOOT)
    assert heir(play, child=False)[1] == [Spawn()]
    after, actions = heir(play, child=True)
    assert actions == []
    assert after.life.state is State.RUNNING


def test_an_heir_goes_on_with_a_stop() -> None:
    play = many().run()
    play(Input.STOP)
    after, actions = heir(play, child=True)
    assert actions == [Arm(10.0)]
    assert after(Input.TIMEOUT, after=10.0) == [Signal(9), Arm(KILL_PATIENCE)]
    after, actions = heir(play, child=False)
    assert actions == []
    assert after.life.state is State.STOPPED


@given(
    st.lists(st.tuples(st.sampled_from(Input), st.floats(0, 40), st.booleans()), max_size=60),
    st.sampled_from(ALL_MODES),
    st.integers(0, 3),
)
def test_random_walks_of_one_among_many(
    steps: list[tuple[Input, float, bool]], mode: RestartMode, limit: int
) -> None:
    """With a worker that is replaced now and then: no child twice, none forgotten."""
    play = many(mode=mode, ring=ALL_MODES, start_limit=limit, stop_keys=b"q")
    play(Input.BOOT)
    asked, born, armed, ended = True, False, False, False
    for event, after, replaced in steps:
        possible = {Input.SPAWNED: asked, Input.SPAWN_FAILED: asked, Input.EXITED: born}
        if event is Input.BOOT or not possible.get(event, True):
            continue
        if event is Input.TIMEOUT and not armed:
            continue
        born = event is Input.SPAWNED or (born and event is not Input.EXITED)
        asked = asked and event not in (Input.SPAWNED, Input.SPAWN_FAILED)
        armed = armed and event is not Input.TIMEOUT
        actions = play(event, after)
        if replaced and not any(isinstance(action, Quit) for action in actions):
            asked = asked or any(isinstance(action, Spawn) for action in actions)
            play, actions = heir(play, child=born)
            if play.life.state is not State.STARTING:
                asked = False
            armed = False
            asked = asked and not any(isinstance(action, Spawn) for action in actions)
        for action in actions:
            if isinstance(action, Spawn):
                assert not asked, "two children"
                assert not born, "two children"
                asked = True
            elif isinstance(action, Arm):
                armed = True
            elif isinstance(action, Disarm):
                armed = False
            ended = ended or isinstance(action, Quit)
        if ended:
            return
        assert play.life.has_child == (asked or born)
        assert play.life.state is not State.BACKOFF or armed, "nobody would start it again"
