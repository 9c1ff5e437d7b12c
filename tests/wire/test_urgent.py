"""Telnet's Synch: IAC DM, of which TCP carries the DM as urgent data.

Of all that the recordings hold this alone depends on the socket and not on the bytes.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

from consoled.protocol.telnet import TelnetCodec
from consoled.transports.listener import Listener, Room

_PATIENCE = 5.0


async def _heard_after(pieces: list[tuple[bytes, int]]) -> bytes:
    """What the server reads of these pieces, up to the last byte of the last one."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[socket.socket] = loop.create_future()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    listener = Listener(loop, listening, Room(), accepted.set_result)
    heard = b""
    with socket.create_connection(listening.getsockname()) as client, await accepted as peer:
        for data, flags in pieces:
            client.send(data, flags)
        while not heard.endswith(pieces[-1][0][-1:]):
            heard += await loop.sock_recv(peer, 4096)
    listener.close()
    return heard


_BEHIND = {"keys": b"ls~", "a command": b"\xff\xfd\x06~"}


@pytest.mark.parametrize("urgent", [b"\xff", b"\xf2"], ids=["IAC", "DM"])
@pytest.mark.parametrize("behind", _BEHIND.values(), ids=_BEHIND)
def test_synch_types_and_eats_nothing(urgent: bytes, behind: bytes) -> None:
    """inetutils' telnet marks the IAC (`send synch`; ^C after `toggle autosynch`), others the DM.

    The kernel takes the marked byte out of the stream. Without its IAC the DM is typed into the
    child; without its DM the IAC makes a command of what follows: a key is lost, or an IAC
    is typed. procServ has this fault; with SO_OOBINLINE the stream stays whole.
    """
    before, after = (b"", b"\xf2") if urgent == b"\xff" else (b"\xff", b"")
    pieces = [(b"a\xff\xf4" + before, 0), (urgent, socket.MSG_OOB), (after + behind, 0)]
    heard = asyncio.run(asyncio.wait_for(_heard_after(pieces), _PATIENCE))
    typed = TelnetCodec().feed(heard).data
    assert typed == b"a" + behind.removeprefix(b"\xff\xfd\x06")
