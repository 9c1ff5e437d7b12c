"""Frozen values that describe a console, whatever words or file they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class RestartMode(Enum):
    """What happens when a child has ended: start it again, leave it, or end the server."""

    ON = "ON"
    OFF = "OFF"
    ONESHOT = "ONESHOT"


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """All that is needed to start a child; resolved before the fork, used after it.

    ``files`` are the paths to try in turn, as execvp(3) would; ``limits`` are triples of
    resource number, soft and hard limit, set in this order.
    """

    argv: tuple[bytes, ...]
    files: tuple[bytes, ...]
    environment: Mapping[bytes, bytes]
    chdir: bytes | None = None
    limits: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a child is started again and how it is told to go; all times in seconds."""

    mode: RestartMode = RestartMode.ON
    ring: tuple[RestartMode, ...] = (RestartMode.ON, RestartMode.OFF)
    holdoff: float = 15.0
    wait_for_start: bool = False
    kill_signal: int = 9
    grace_period: float = 5.0
    kill_window: float = 2.0
