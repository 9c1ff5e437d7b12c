"""Who is in whose way."""

import pytest

from consoled.config.claims import Claims
from consoled.config.model import ListenConfig


def tcp(port: int, *addresses: str) -> ListenConfig:
    return ListenConfig("", addresses, port)


FREE = [
    (tcp(1, "127.0.0.1"), tcp(2, "127.0.0.1")),
    (tcp(1, "127.0.0.1"), tcp(1, "::1")),
    (tcp(1, "127.0.0.1"), tcp(1, "127.0.0.2")),
    (tcp(1, "0.0.0.0"), tcp(1, "::")),
    (ListenConfig("unix:/a", path="/a"), ListenConfig("unix:/b", path="/b")),
    (ListenConfig("unix:a", path="a"), ListenConfig("unix:@a", path="a", abstract=True)),
]

TAKEN = [
    (tcp(1, "127.0.0.1", "::1"), tcp(1, "::1")),
    (tcp(1, "0.0.0.0"), tcp(1, "127.0.0.1")),
    (tcp(1, "10.0.0.1"), tcp(1, "0.0.0.0")),
    (tcp(1, "fe80::1%eth0"), tcp(1, "::")),
    (ListenConfig("unix:/a", path="/a"), ListenConfig("unix:/a", path="/a")),
    (
        ListenConfig("unix:@a", path="a", abstract=True),
        ListenConfig("unix:@a", path="a", abstract=True),
    ),
]


@pytest.mark.parametrize(("first", "second"), FREE)
def test_free(first: ListenConfig, second: ListenConfig) -> None:
    claims = Claims()
    assert claims.take(first, "one") is None
    assert claims.take(second, "two") is None


@pytest.mark.parametrize(("first", "second"), TAKEN)
def test_taken(first: ListenConfig, second: ListenConfig) -> None:
    claims = Claims()
    assert claims.take(first, "one") is None
    assert claims.take(second, "two") == "one"
