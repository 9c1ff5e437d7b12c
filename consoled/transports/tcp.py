"""TCP endpoints: loopback in both families on one port, so ``localhost`` always reaches us."""

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence

from consoled.config.endpoint import TcpEndpoint
from consoled.errors import EndpointError
from consoled.transports.bound import Bound, tcp_holder
from consoled.transports.listener import BACKLOG

LOOPBACK = ("127.0.0.1", "::1")
ANYWHERE = ("0.0.0.0", "::1")
"""A log endpoint's default: all of IPv4 as in procServ, and loopback in IPv6."""

_PORT_TRIES = 32
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def resolve(endpoint: TcpEndpoint, default: Sequence[str]) -> tuple[str, ...]:
    """The addresses that an endpoint's host stands for, IPv4 first."""
    if endpoint.host is None:
        return tuple(default)
    try:
        found = socket.getaddrinfo(endpoint.host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise EndpointError(
            f"{endpoint.host}:{endpoint.port}: {reason}; use an address or a name that this"
            " machine can look up",
            errno.EADDRNOTAVAIL,
        ) from error
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return tuple(sorted(addresses, key=lambda address: ":" in address))


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def bind(addresses: Sequence[str], port: int) -> list[Bound]:
    """Listen on all addresses on one port (port 0: on one that is free on all of them).

    IPv6 loopback is left out silently where the machine has none.
    """
    for _ in range(_PORT_TRIES):
        try:
            return _bind_all(addresses, port)
        except EndpointError as error:
            # A free IPv4 port may be taken in IPv6: another one will do.
            if port != 0 or error.errno != errno.EADDRINUSE:
                raise
    raise EndpointError("no port is free in both IPv4 and IPv6", errno.EADDRINUSE)


def _bind_all(addresses: Sequence[str], port: int) -> list[Bound]:
    bound: list[Bound] = []
    try:
        for address in addresses:
            try:
                listening = _bind_one(address, port)
            except EndpointError as error:
                if address == "::1" and bound and error.errno in _NO_IPV6:
                    continue
                raise
            port = listening.getsockname()[1]
            shown = f"[{address}]" if ":" in address else address
            bound.append(Bound(listening, f"tcp:{shown}:{port}"))
    except EndpointError:
        for one in bound:
            one.listening.close()
        raise
    return bound


def _bind_one(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _refusal(address, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _refusal(address, port, error) from error
    return listening


def _refusal(address: str, port: int, error: OSError) -> EndpointError:
    number = error.errno or 0
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    text = f"{where}: {os.strerror(number)}"
    if number == errno.EADDRINUSE:
        holder = tcp_holder(port)
        text += f", held by {holder}" if holder else ""
        text += "; choose another port, or 0 for any free one"
    elif number == errno.EACCES:
        text += "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    elif number == errno.EADDRNOTAVAIL:
        text += "; this machine has no such address"
    return EndpointError(text, number)
