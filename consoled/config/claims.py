"""Claims: who has which endpoint, so that no two consoles are offered at one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from consoled.config.model import ListenConfig

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class _Claim:
    """``address`` is None for a path. ``owner`` is said in messages."""

    owner: str
    address: Address | None

    def collides(self, address: Address | None) -> bool:
        if self.address is None or address is None or self.address == address:
            return True
        anywhere = self.address.is_unspecified or address.is_unspecified
        return anywhere and self.address.version == address.version


def addresses_of(endpoint: ListenConfig) -> list[Address]:
    """The addresses of an endpoint without the zones of IPv6."""
    return [ip_address(text.partition("%")[0]) for text in endpoint.addresses]


@dataclass(slots=True)
class Claims:
    """By port, path or abstract name."""

    _claims: dict[int | str, list[_Claim]] = field(default_factory=dict)

    def take(self, endpoint: ListenConfig, owner: str) -> str | None:
        """Claim an endpoint; returns the owner of one that is in the way, if any."""
        key = endpoint.port or (endpoint.at if endpoint.abstract else endpoint.path)
        claims = self._claims.setdefault(key, [])
        addresses: Sequence[Address | None] = addresses_of(endpoint) or [None]
        for claim in claims:
            if any(claim.collides(address) for address in addresses):
                return claim.owner
        claims += [_Claim(owner, address) for address in addresses]
        return None
