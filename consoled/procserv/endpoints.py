"""Endpoints of one server: bound all together or not at all, and kept reachable."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from consoled.config.endpoint import Endpoint, TcpEndpoint, UnixEndpoint
from consoled.config.procserv import ProcservOptions
from consoled.errors import EndpointError
from consoled.transports import tcp, unix
from consoled.transports.bound import Bound


@dataclass(frozen=True, slots=True)
class Offer:
    """A bound endpoint and what it is for."""

    bound: Bound
    endpoint: Endpoint
    is_log: bool


def bind_all(options: ProcservOptions, warn: Callable[[str], None]) -> list[Offer]:
    """Bind control and log endpoints, control first; on an error nothing stays bound.

    EndpointError names the endpoint, ConfigError an unknown user or group.
    """
    offers: list[Offer] = []
    wanted = [(endpoint, False) for endpoint in options.control]
    if options.log is not None:
        wanted.append((options.log, True))
    try:
        for endpoint, is_log in wanted:
            offers += [
                Offer(bound, endpoint, is_log) for bound in _bind(endpoint, is_log, options, warn)
            ]
    except Exception:
        release(offers)
        raise
    return offers


def _bind(
    endpoint: Endpoint, is_log: bool, options: ProcservOptions, warn: Callable[[str], None]
) -> list[Bound]:
    role = "log" if is_log else "control"
    try:
        if isinstance(endpoint, UnixEndpoint):
            bound = unix.bind(endpoint, unix.find_owner(endpoint))
            if bound.warning is not None:
                warn(bound.warning)
            return [bound]
        return tcp.bind(_addresses(endpoint, is_log, options, warn), endpoint.port)
    except EndpointError as error:
        raise EndpointError(f"cannot open {role} endpoint {error}", error.errno) from error


def _addresses(
    endpoint: TcpEndpoint, is_log: bool, options: ProcservOptions, warn: Callable[[str], None]
) -> Sequence[str]:
    """Where to listen: beyond this machine only for logs, or with --allow."""
    open_to_all = not options.restrict if is_log else options.allow
    if endpoint.host is None:
        return tcp.ANYWHERE if open_to_all else tcp.LOOPBACK
    found = tcp.resolve(endpoint, tcp.LOOPBACK)
    local = [address for address in found if tcp.is_loopback(address)]
    if open_to_all or len(local) == len(found):
        return found
    option = "leave out --restrict" if is_log else "give --allow"
    warn(f"{endpoint.host} replaced by 127.0.0.1; {option} to listen for other machines")
    return local or ["127.0.0.1"]


def release(offers: Sequence[Offer]) -> None:
    """Close all and remove the paths that are ours."""
    for offer in offers:
        offer.bound.listening.close()
        unix.unbind(offer.bound)


def addresses(offers: Sequence[Offer]) -> list[str]:
    """Lines of the info file: the last endpoint first, IPv4 before IPv6 of the same one."""
    lines: list[str] = []
    for endpoint in dict.fromkeys(id(offer.endpoint) for offer in reversed(offers)):
        lines += [offer.bound.address for offer in offers if id(offer.endpoint) == endpoint]
    return lines


def info_items(offers: Sequence[Offer]) -> list[str]:
    """Items of PROCSERV_INFO, in the same order."""
    kind = {offer.bound.address: "LOG" if offer.is_log else "CTL" for offer in offers}
    return [f"{kind[address]}={address}" for address in addresses(offers)]


def restore(offers: Sequence[Offer]) -> list[tuple[Offer, Offer | str]]:
    """Bind anew the UNIX sockets whose path is gone; for a disk's thread.

    Returns for each lost offer the new one, or why there is none.
    """
    lost = [o for o in offers if o.bound.path is not None and not unix.is_ours(o.bound)]
    return [(offer, _rebind(offer)) for offer in lost]


def _rebind(offer: Offer) -> Offer | str:
    endpoint = offer.endpoint
    assert isinstance(endpoint, UnixEndpoint)
    try:
        bound = unix.bind(endpoint, unix.find_owner(endpoint))
    except EndpointError as error:
        return "is held by another server" if error.errno == errno.EADDRINUSE else str(error)
    return replace(offer, bound=bound)
