"""Browsers are recognised, people who type capitals are not."""

import pytest

from consoled.protocol.guard import looks_like_http


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: localhost:2000\r\n",
        b"POST /x?y=z HTTP/1.0\r\n\r\ndbpr x",
        b"OPTIONS * HTTP/1.1\r\n",
        b"CONNECT localhost:2000 HTTP/1.1\r\n",
        b"POST /" + b"a" * 1400,
    ],
)
def test_request(first: bytes) -> None:
    assert looks_like_http(first)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"GET",
        b"GET /x",
        b"get / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GO / HTTP/1.1",
        b"HELP me with HTTP/1.1",
        b"GET / FTP/1",
        b"dbl\r\nGET / HTTP/1.1\r\n",
        b"POST /" + b"a" * 1400 + b"\r\n",
    ],
)
def test_typing(first: bytes) -> None:
    assert not looks_like_http(first)
