"""What the cases share: citations, and the one message whose order is a race in procServ."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from support.servers import NEW_CHILD, RAW_ECHO, Lab, Server
from support.streams import PATIENCE, Peer

HINT = rb"@@@ \^R[^\r\n]*\r\n"
TO_END = rb"@@@ @@@ @@@ @@@ @@@\r\n@@@ Received a sigChild for process (?P<pid>\d+)\. "
BLOCK_A = rb"\r\n" + TO_END + rb"(?P<cause>[^\r\n]*)\r\n"
BLOCK_B = (
    rb"@@@ Current time: (?P<time>[^\r\n]*)\r\n"
    rb"@@@ Child process is shutting down, (?P<fate>[^\r\n]*)\r\n"
    rb"(?P<hint>" + HINT + rb")"
)
A_THEN_B = re.compile(BLOCK_A + BLOCK_B)
A_AND_B = re.compile(BLOCK_A + rb"(?s:.*?)" + BLOCK_B)
B_AND_A = re.compile(BLOCK_B + rb"(?s:.*?)" + BLOCK_A)
EITHER = re.compile(rb"@@@ Received a sigChild|@@@ Current time")


def cites(*ids: str) -> pytest.MarkDecorator:
    """Name the statements (see `statements.py`) that a case checks."""
    return pytest.mark.cites(*ids)


class Death(NamedTuple):
    """A death report taken apart."""

    before: bytes
    pid: int
    cause: bytes
    fate: bytes
    hint: bytes
    first: bytes


class _AnyOrder:
    """Quacks like a compiled pattern: matches the report in either order of its blocks."""

    pattern = b"death report in either order"

    def search(self, text: bytes) -> re.Match[bytes] | None:
        found = [match for regex in (A_AND_B, B_AND_A) if (match := regex.search(text))]
        return min(found, key=lambda match: match.end()) if found else None


def read_death(lab: Lab, peer: Peer, timeout: float = PATIENCE) -> Death:
    """Read a whole death report: ours A then B at once; procServ's two blocks in any order."""
    order = A_THEN_B if lab.ours else _AnyOrder()
    text = peer.read_until(order, timeout)  # type: ignore[arg-type]
    match = order.search(text)
    assert match is not None
    assert text[match.end() :] == b""
    first = b"A" if match.group().startswith(b"\r\n") else b"B"
    return Death(
        text[: match.start()],
        int(match["pid"]),
        match["cause"],
        match["fate"],
        match["hint"],
        first,
    )


def read_start(peer: Peer, timeout: float = PATIENCE) -> int:
    """Wait for the announcement of a new child; its pid."""
    text = peer.read_until(NEW_CHILD, timeout)
    match = NEW_CHILD.search(text)
    assert match is not None
    return int(match[1])


def read_up(peer: Peer) -> int:
    """Wait until a new CAT child has answered: only then has it its process group, so that
    procServ's kill reaches it (a ^X in its first milliseconds is lost there)."""
    pid = read_start(peer)
    peer.send(b"up\n")
    peer.read_until(b"up\r\nup\r\n")
    return pid


def raw_client(server: Server) -> Peer:
    """A client of a raw echo child that is known to be up and raw."""
    peer = server.attach()
    peer.send(b"~")
    peer.read_until(b"<7e>")
    return peer


def attach_raw(lab: Lab, *options: str) -> tuple[Server, Peer]:
    """A server with the raw echo child, and a client of it."""
    server = lab.start(*options, command=RAW_ECHO)
    return server, raw_client(server)


def echoed(peer: Peer, data: bytes, end: bytes = b"z") -> bytes:
    """Send *data* to the raw echo child; what came back before the echo of the end mark."""
    peer.send(data + end)
    answer = peer.read_until(b"<%02x>" % end[0])
    return answer[:-4]


def hexed(data: bytes) -> bytes:
    """How the raw echo child shows *data*."""
    return b"".join(b"<%02x>" % byte for byte in data)


def took(action: Callable[[], object]) -> float:
    """Seconds that *action* took."""
    before = time.monotonic()
    action()
    return time.monotonic() - before
