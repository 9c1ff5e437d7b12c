"""The servers: one file per kind, this table to find them by name."""

from .base import Farm, Peer
from .conserver import Conserver
from .consoled import Consoled
from .ours import Ours
from .procserv import ProcServ

PEERS: dict[str, Peer] = {peer.name: peer for peer in (ProcServ(), Conserver(), Ours(), Consoled())}

__all__ = ["PEERS", "Farm", "Peer"]
