"""Where a console can be reached, as ``listen`` writes it.

none                            not even the console's own {run_dir}/{name}.sock
PORT  tcp:PORT                  both loopback addresses
tcp:HOST:PORT                   HOST is a name, A.B.C.D or [IPV6]; "tcp:" may be left out
unix:PATH  unix:@NAME           relative to run_dir; abstract
unix:USER:GROUP:MODE:PATH       any of the three may be empty
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from consoled.config.endpoint import TcpEndpoint, UnixEndpoint, parse_endpoint
from consoled.config.kinds import Kind, MismatchError, text_in, whole
from consoled.errors import ConfigError

NOWHERE: Final = "none"
DEFAULT_MODE: Final = 0o660

_TCP: Final = re.compile(r"(?:tcp:)?((?:\[[^\]]*\]|[^:\[\]]*):)?([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """One endpoint as it is written. Without host and path it is on the loopbacks' ``port``.

    With ``port`` None it is a UNIX socket ``path``, or nowhere if that is empty. ``mode`` is
    None unless given.
    """

    host: str = ""
    port: int | None = None
    path: str = ""
    abstract: bool = False
    user: str = ""
    group: str = ""
    mode: int | None = None
    raw: bool = False

    @property
    def nowhere(self) -> bool:
        return self.port is None and not self.path


def parse_place(text: str) -> Place:
    """Read one endpoint; ConfigError says what is wrong with it."""
    if text == NOWHERE:
        return Place()
    if text.startswith("unix:"):
        return _unix_place(text)
    tcp = _TCP.fullmatch(text)
    if tcp is None:
        raise MismatchError
    port = int(tcp[2])
    if not 1 <= port <= 65535:
        raise ConfigError(f"port {port} does not exist: use 1 to 65535")
    return Place(_host(tcp[1][:-1]) if tcp[1] else "", port)


def _host(text: str) -> str:
    try:
        endpoint = parse_endpoint(f"{text}:1")
    except ConfigError:
        raise MismatchError from None
    assert isinstance(endpoint, TcpEndpoint)
    assert endpoint.host
    return endpoint.host


def _unix_place(text: str) -> Place:
    endpoint = parse_endpoint(text)
    assert isinstance(endpoint, UnixEndpoint)
    if not endpoint.path:
        raise ConfigError("an abstract socket needs a name: unix:@NAME")
    fields = text.split(":", 4)
    return Place(
        path=endpoint.path,
        abstract=endpoint.abstract,
        user=endpoint.user,
        group=endpoint.group,
        mode=endpoint.mode if len(fields) > 2 and fields[3] else None,
        raw=endpoint.raw,
    )


def _place(value: Any) -> Place:
    return parse_place(text_in(value) if isinstance(value, str) else str(whole(value)))


PLACE: Final = Kind(
    "endpoint",
    'an endpoint such as "2000", "tcp:HOST:2000" or "unix:x.sock"',
    _place,
    {"type": ["integer", "string"]},
)
