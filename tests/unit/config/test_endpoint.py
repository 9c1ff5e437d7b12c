"""Endpoints: procServ's grammar and messages, and what we add."""

import pytest

from consoled.config.endpoint import Endpoint, TcpEndpoint, UnixEndpoint, parse_endpoint
from consoled.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("2000", TcpEndpoint(None, 2000)),
        (" 2000\t", TcpEndpoint(None, 2000)),
        ("+2000", TcpEndpoint(None, 2000)),
        ("0", TcpEndpoint(None, 0)),
        ("65535", TcpEndpoint(None, 65535)),
        ("127.0.0.1:2000", TcpEndpoint("127.0.0.1", 2000)),
        (" 10 . 0 . 0 . 1 : 2000 ", TcpEndpoint("10.0.0.1", 2000)),
        ("localhost:2000", TcpEndpoint("localhost", 2000)),
        ("ioc-host_1.example.org:2000", TcpEndpoint("ioc-host_1.example.org", 2000)),
        ("[::1]:2000", TcpEndpoint("::1", 2000)),
        ("[fe80::1%eth0]:2000", TcpEndpoint("fe80::1%eth0", 2000)),
    ],
)
def test_tcp(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:/run/ioc.sock", UnixEndpoint("/run/ioc.sock", mode=0o666)),
        ("unix:relative", UnixEndpoint("relative")),
        ("unix:a b", UnixEndpoint("a b")),
        ("unix:3000", UnixEndpoint("3000")),
        ("unix:@ioc", UnixEndpoint("ioc", abstract=True)),
        ("unix:@", UnixEndpoint("", abstract=True)),
        ("unix:me:us:0660:/s", UnixEndpoint("/s", "me", "us", 0o660)),
        ("unix::::/s", UnixEndpoint("/s")),
        ("unix::us::/s", UnixEndpoint("/s", group="us")),
        ("unix:::1777:s", UnixEndpoint("s", mode=0o1777)),
        ("unix::::/a:b:c", UnixEndpoint("/a:b:c")),
        ("unix:::600:@abc", UnixEndpoint("abc", mode=0o600, abstract=True)),
        ("unix:/s,raw", UnixEndpoint("/s", raw=True)),
        ("unix:me:us:660:/s,raw", UnixEndpoint("/s", "me", "us", 0o660, raw=True)),
        ("unix:@ioc,raw", UnixEndpoint("ioc", abstract=True, raw=True)),
        ("unix:/a,raw,raw", UnixEndpoint("/a,raw", raw=True)),
        ("unix:/a,rawer", UnixEndpoint("/a,rawer")),
        ("unix:/a,b", UnixEndpoint("/a,b")),
        ("unix:" + "x" * 107, UnixEndpoint("x" * 107)),
        ("unix:\udcff" + "x" * 106, UnixEndpoint("\udcff" + "x" * 106)),
    ],
)
def test_unix(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


INVALID = [
    "", " ", "abc", "0x500", "34 13", "3413x", ":3414", " : 3414", "1.2.3:3415", "12:3415",
    "300.0.0.1:3412", "1.2.3.4.5:3412", "::1:3412", "[::1]", "[::1:3412", "[abc]:3412", "[]:3412",
    "unix", "unix :/s", " unix:/s", "a b:3412", "-x:3412", "host:", "tcp:host:3412", "\u0663",
]  # fmt: skip
UNPARSABLE = ["a:b", "a:b:c", "me:us:9:/s", "me:us:0x1ff:/s", "me:us:12345:/s", "me:us: 660:/s"]


def expect(text: str, message: str) -> None:
    """The message begins in procServ's words and goes on with what to do."""
    with pytest.raises(ConfigError) as error:
        parse_endpoint(text)
    assert str(error.value).startswith(message)
    assert "use " in str(error.value).lower().removeprefix(message)


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    expect(text, f"Invalid socket spec '{text}'")


@pytest.mark.parametrize("spec", UNPARSABLE)
def test_unparsable(spec: str) -> None:
    expect(f"unix:{spec}", f"Unix path+permissions spec unparsable '{spec}'")


@pytest.mark.parametrize("text", ["unix:", "unix:,raw", "unix:me:us:660:", "unix:::600:,raw"])
def test_without_path(text: str) -> None:
    expect(text, "expected unix socket path spec.")


@pytest.mark.parametrize("path", ["x" * 108, "@" + "x" * 107, "\xe9" * 54, "\udcff" * 108])
def test_too_long(path: str) -> None:
    expect(f"unix:{path}", "Unix path is too long (must be <108)")


def test_nul_in_a_path() -> None:
    expect("unix:a\0b", "Unix path contains a NUL")


@pytest.mark.parametrize("port", ["70000", "-1", "65536"])
@pytest.mark.parametrize("host", ["", "localhost:", "127.0.0.1:"])
def test_no_such_port(host: str, port: str) -> None:
    expect(host + port, f"invalid control port {port} (<1024)")
