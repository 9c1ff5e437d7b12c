"""The benchmark's oracle is tested: a swarm that misses nothing would prove nothing."""

import socket
import threading
from pathlib import Path

import pytest

from .children import stream
from .clients import logfile, swarm
from .limits import Stuck
from .wire import Attachment

SIZE = 3 * stream.BLOCK
EXPECTED = stream.whole("blocks", SIZE)
HOLE = 100_000


def flow(sent: bytes, *, done: bool = True, close: bool = False) -> swarm.Flow:
    """Let two clients read: the first gets everything, the second what was `sent`."""
    pairs = [socket.socketpair() for _ in range(2)]
    users = [Attachment(user, b"@@@ Welcome\r\n", 0.0, 0.0) for _, user in pairs]

    def serve() -> None:
        assert pairs[0][0].recv(16) == b"go\n"
        for (server, _), data in zip(pairs, (EXPECTED, sent), strict=True):
            server.sendall(data)
        if close:
            pairs[1][0].close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        return swarm.Swarm(users, EXPECTED).run(lambda: done)
    finally:
        thread.join()
        for server, user in pairs:
            server.close()
            user.close()


@pytest.mark.parametrize("after", [b"", b"\r\n@@@ The child has ended\r\n"])
def test_a_perfect_stream_has_no_faults(after: bytes) -> None:
    assert flow(b"some prompt> " + EXPECTED + after).faults == []


@pytest.mark.parametrize(
    "wrong",
    [
        EXPECTED[:HOLE] + EXPECTED[HOLE + 1 :],
        EXPECTED[:HOLE] + EXPECTED[HOLE + stream.BLOCK :],
        EXPECTED[:HOLE] + b"[4711 bytes lost]" + EXPECTED[HOLE:],
        EXPECTED[:HOLE] + EXPECTED[HOLE - stream.BLOCK :],
    ],
    ids=["a byte lost", "a block lost", "something inserted", "a block doubled"],
)
def test_wrong_bytes_are_found_with_their_place(wrong: bytes) -> None:
    (fault,) = flow(wrong).faults
    assert fault.startswith("client 2 of 2: wrong at byte ")
    place = int(fault.split()[7])
    assert wrong[:place] == EXPECTED[:place]
    assert wrong[place] != EXPECTED[place]


def test_a_closed_connection_is_a_fault() -> None:
    assert flow(EXPECTED[:HOLE], close=True).faults == [
        f"client 2 of 2: connection closed at byte {HOLE} of {len(EXPECTED)}"
    ]


def test_silence_is_a_fault_only_once_the_child_has_written_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(swarm, "IDLE", 0.1)
    assert flow(EXPECTED[:-1]).faults == [f"client 2 of 2: 1 of {len(EXPECTED)} bytes never came"]
    with pytest.raises(Stuck, match="client 2 of 2 has"):
        flow(EXPECTED[:-1], done=False)


def test_no_stream_contains_iac() -> None:
    assert b"\xff" not in EXPECTED
    assert b"\xff" not in stream.whole("lines", SIZE)
    assert len(stream.line(7)) == stream.LINE


def test_incomplete_logs_are_noticed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert "unreadable" in logfile.check(log, EXPECTED)
    log.write_bytes(b"@@@ Restarting child\r\n" + EXPECTED + b"@@@ bye")
    assert logfile.check(log, EXPECTED) == ""
    log.write_bytes(EXPECTED[:-1])
    assert "wrong or short" in logfile.check(log, EXPECTED)
