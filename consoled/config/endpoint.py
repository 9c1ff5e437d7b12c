"""Endpoints as procServ users write them: where a console is offered.

    PORT                            TCP, the interface is the listener's default
    HOST:PORT  A.B.C.D:PORT  [IPV6]:PORT
    unix:PATH                       relative to the server's directory
    unix:@NAME                      abstract, without a file
    unix:USER:GROUP:MODE:PATH       any of the three may be empty; MODE is octal

Blanks around a port, an IPv4 address and its parts are allowed, as in procServ. A UNIX
endpoint may end in ``,raw``: no telnet there, so socat users see no negotiation bytes. Only
that exact ending counts; a file really named ``x,raw`` is ``unix:x,raw,raw`` (and raw).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from consoled.config.units import procserv_int
from consoled.errors import ConfigError

# procServ's default; D12 keeps it for the drop-in.
DEFAULT_MODE: Final = 0o666
RAW_SUFFIX: Final = ",raw"
# sizeof sockaddr_un.sun_path on Linux, with its NUL.
PATH_LIMIT: Final = 108

_PORT: Final = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_QUAD: Final = re.compile(r"[0-9]+(?:\s*\.\s*[0-9]+){3}", re.ASCII)
# The last label of a name is never all digits: "1.2.3" is a mistyped address.
_HOST_NAME: Final = re.compile(r"(?!(?:.*\.)?[0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_MODE: Final = re.compile(r"[0-7]{1,4}")


class PortError(ConfigError):
    """A TCP port that cannot exist; procServ prefixes only this error with its name."""


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """Without a host the listener decides: control on loopback, log anywhere."""

    host: str | None
    port: int


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """``path`` is as given; of an abstract endpoint it is the name without the ``@``."""

    path: str
    user: str = ""
    group: str = ""
    mode: int = DEFAULT_MODE
    abstract: bool = False
    raw: bool = False


Endpoint = TcpEndpoint | UnixEndpoint


def parse_endpoint(text: str) -> Endpoint:
    """Read one endpoint; whether its user, group and host exist is not looked at."""
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not _PORT.fullmatch(port):
        raise _invalid(text)
    return TcpEndpoint(_parse_host(host.strip(), text) if colon else None, _parse_port(port))


def _parse_port(text: str) -> int:
    port = procserv_int(text)
    if not 0 <= port <= 65535:
        raise PortError(
            f"invalid control port {port} (<1024): use 1 to 65535, or 0 for any free port"
        )
    return port


def _parse_host(host: str, text: str) -> str:
    try:
        if _QUAD.fullmatch(host):
            return str(IPv4Address("".join(host.split())))
        if host.startswith("[") and host.endswith("]"):
            return str(IPv6Address(host[1:-1]))
    except ValueError as error:
        raise _invalid(text) from error
    if not _HOST_NAME.fullmatch(host):
        raise _invalid(text)
    return host


def _invalid(text: str) -> ConfigError:
    return ConfigError(
        f"Invalid socket spec '{text}': use PORT, HOST:PORT, [IPV6]:PORT or unix:PATH"
    )


def _parse_unix(spec: str) -> UnixEndpoint:
    raw = spec.endswith(RAW_SUFFIX)
    spec = spec.removesuffix(RAW_SUFFIX)
    user, group, permissions, path = _unix_fields(spec)
    if not _MODE.fullmatch(permissions):
        raise _unparsable(spec)
    _check_path(path)
    abstract = path.startswith("@")
    return UnixEndpoint(
        path.removeprefix("@") if abstract else path,
        user,
        group,
        int(permissions, 8),
        abstract,
        raw,
    )


def _unix_fields(spec: str) -> tuple[str, str, str, str]:
    """A path with colons is possible only in the long form."""
    match spec.split(":", 3):
        case [path]:
            return "", "", f"{DEFAULT_MODE:o}", path
        case [user, group, permissions, path]:
            return user, group, permissions or f"{DEFAULT_MODE:o}", path
    raise _unparsable(spec)


def _unparsable(spec: str) -> ConfigError:
    return ConfigError(
        f"Unix path+permissions spec unparsable '{spec}': "
        "use unix:USER:GROUP:MODE:PATH with an octal MODE (each of the three may be empty)"
    )


def _check_path(path: str) -> None:
    if not path:
        raise ConfigError("expected unix socket path spec. Use unix:PATH or unix:@NAME")
    if "\0" in path:
        raise ConfigError("Unix path contains a NUL: use unix:@NAME for an abstract socket")
    # Bytes that are no UTF-8 come as lone surrogates, one each; so "replace" counts right.
    if len(path.encode(errors="replace")) >= PATH_LIMIT:
        raise ConfigError(
            f"Unix path is too long (must be <{PATH_LIMIT}): use a shorter or a relative one"
        )
