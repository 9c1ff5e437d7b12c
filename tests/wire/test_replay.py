"""Every recorded client, played to our session whole, byte by byte, and cut everywhere.

Where the network cuts a stream must change nothing; what we make of it is what the recorded
server made of it, less the `DIFFERENCES` if that server was procServ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consoled.keeper.spool import Spool
from consoled.protocol.keys import KeyCommand

from .differences import DIFFERENCES, DO_NAWS
from .recording import Recording, read_all
from .stacks import Outcome, Stack

RECORDINGS = read_all()
BY_PROCSERV = {name: one for name, one in RECORDINGS.items() if one.by_procserv}
OURS = {name: one for name, one in RECORDINGS.items() if not one.by_procserv}


class Player:
    """Plays streams, each to a session of its own, on one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._spool = Spool()

    def play(self, *parts: bytes) -> Outcome:
        """What becomes of these parts."""
        return Stack(self._loop, self._spool).play([part for part in parts if part])

    def close(self) -> None:
        """Give the loop and the memory back."""
        self._loop.close()
        self._spool.close()


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.close()


def expected(recording: Recording) -> Outcome:
    """What the recorded server made of its client's stream."""
    keys = (
        (KeyCommand.TOGGLE, recording.text.count(b"Toggled auto restart")),
        (KeyCommand.KILL, recording.text.count(b"Received a sigChild")),
    )
    commands = [key for key, count in keys for _ in range(count)]
    return Outcome(recording.typed, commands, recording.replies, recording.windows)


def settled(outcome: Outcome) -> Outcome:
    """Of several windows only the last one lasts, and how many were seen is the network's."""
    return outcome._replace(windows=outcome.windows[-1:])


@pytest.mark.parametrize("name", OURS)
def test_what_we_said_we_still_say(player: Player, name: str) -> None:
    stream = OURS[name].said("C")
    by_bytes = player.play(*(stream[at : at + 1] for at in range(len(stream))))
    assert by_bytes == expected(OURS[name])
    assert settled(player.play(stream)) == settled(by_bytes)


@pytest.mark.parametrize("name", BY_PROCSERV)
def test_what_procserv_said_we_say_too(player: Player, name: str) -> None:
    """Answers are compared in their order, but for those that one of the two does not give."""
    stream = BY_PROCSERV[name].said("C")
    ours = player.play(stream)
    wanted = expected(BY_PROCSERV[name])
    shared = [reply for reply in ours.replies if reply in wanted.replies]
    assert shared == [reply for reply in wanted.replies if reply in shared]
    for difference in DIFFERENCES:
        ours = difference.undo(ours, stream)
    assert ours._replace(replies=sorted(ours.replies)) == wanted._replace(
        replies=sorted(wanted.replies)
    )


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_no_difference_is_idle(player: Player, difference: object) -> None:
    """Each is needed for some recording: a list of excuses must not outlive its reasons."""
    others = [other for other in DIFFERENCES if other is not difference]
    needed = 0
    for recording in BY_PROCSERV.values():
        ours, wanted = player.play(recording.said("C")), expected(recording)
        for other in others:
            ours = other.undo(ours, recording.said("C"))
        needed += (ours.typed, sorted(ours.replies)) != (wanted.typed, sorted(wanted.replies))
    assert needed


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_window_is_asked_for_once_and_only_in_telnet(player: Player, name: str) -> None:
    recording = RECORDINGS[name]
    stream = recording.said("C")
    negotiated = any(b"\xff" + bytes((verb,)) in stream for verb in range(0xFB, 0xFF))
    replies = player.play(stream).replies
    assert replies.count(DO_NAWS) == negotiated
    assert not negotiated or DO_NAWS in replies[:2]


@pytest.mark.parametrize("name", RECORDINGS)
def test_one_cut_anywhere(player: Player, name: str) -> None:
    stream = RECORDINGS[name].said("C")
    whole = settled(player.play(stream))
    for at in range(1, len(stream)):
        assert settled(player.play(stream[:at], stream[at:])) == whole, at


@pytest.mark.parametrize("name", RECORDINGS)
def test_many_cuts(player: Player, name: str) -> None:
    stream = RECORDINGS[name].said("C")
    whole = settled(player.play(stream))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sets(st.integers(1, len(stream) - 1)))
    def cut(places: set[int]) -> None:
        edges = [0, *sorted(places), len(stream)]
        parts = [stream[a:b] for a, b in pairwise(edges)]
        assert settled(player.play(*parts)) == whole

    cut()
