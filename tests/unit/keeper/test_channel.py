"""Frames arrive whole, in order and with their descriptors, whatever their size."""

import os
import socket
from collections.abc import Iterator

import pytest

from consoled.keeper.channel import Channel, Frame
from consoled.keeper.loop import Loop


class Ends:
    """Both ends of a link on one loop, and what arrived at the second."""

    def __init__(self) -> None:
        self.loop = Loop()
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.got: list[tuple[Frame, list[int]]] = []
        self.ended = False
        self.sender = Channel(self.loop, one, lambda frame, fds: None, lambda: None)
        self.receiver = Channel(
            self.loop, other, lambda frame, fds: self.got.append((frame, fds)), self._end
        )

    def _end(self) -> None:
        self.ended = True

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.loop.call_later(0.0, self.loop.stop)
            self.loop.run()


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.sender.close()
    ends.receiver.close()
    for _, fds in ends.got:
        for fd in fds:
            os.close(fd)


def test_descriptors_are_closed_on_exec(ends: Ends) -> None:
    ends.sender.send({"do": "x"}, (0, 1))
    ends.turn()
    ((frame, fds),) = ends.got
    assert frame == {"do": "x"}
    assert [os.get_inheritable(fd) for fd in fds] == [False, False]


def test_a_frame_of_any_size_keeps_its_descriptors(ends: Ends) -> None:
    long = "\udcff" * 500_000
    ends.sender.send({"text": long}, (0,))
    ends.turn()
    ((frame, fds),) = ends.got
    assert frame == {"text": long}
    assert len(fds) == 1


def test_what_does_not_fit_waits_in_order(ends: Ends) -> None:
    count = 5000
    for number in range(count):
        ends.sender.send({"n": number}, (0,) if number % 500 == 0 else ())
    assert not ends.sender.idle
    while len(ends.got) < count:
        ends.turn()
    assert [frame["n"] for frame, _ in ends.got] == list(range(count))
    assert [frame["n"] for frame, fds in ends.got if fds] == list(range(0, count, 500))
    assert ends.sender.idle


def test_all_that_was_sent_arrives_before_the_end(ends: Ends) -> None:
    for number in range(100):
        ends.sender.send({"n": number})
    ends.sender.close()
    ends.turn(3)
    assert len(ends.got) == 100
    assert ends.ended
