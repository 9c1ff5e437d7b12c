"""Frozen values that describe a site, whatever words or file they came from.

All names are resolved here: users are numbers, hosts are addresses, paths are absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from consoled.protocol.keys import KeyMap


class RestartMode(Enum):
    """What happens when a child has ended: start it again, leave it, or end with it."""

    ON = "ON"
    OFF = "OFF"
    ONESHOT = "ONESHOT"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a child runs as: numbers only, ``groups`` are all of its supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """All that is needed to start a child; resolved before the fork, used after it.

    ``files`` are the paths to try in turn, as execvp(3) would; ``limits`` are triples of
    resource number, soft and hard limit, set in this order; ``size`` is rows and columns of
    the terminal, which a new pty has not.
    """

    argv: tuple[bytes, ...]
    files: tuple[bytes, ...]
    environment: Mapping[bytes, bytes]
    chdir: bytes | None = None
    limits: tuple[tuple[int, int, int], ...] = ()
    identity: Identity | None = None
    umask: int | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a child is started again and how it is told to go; all times in seconds.

    ``solitary`` tells that the server lives for this one console and ends with it. A stop
    types ``stop_keys``, waits ``grace_period``, sends ``stop_signal``, waits again, and kills.
    More than ``start_limit`` starts within ``start_limit_interval`` make the console give up;
    0 means never.
    """

    mode: RestartMode = RestartMode.ON
    ring: tuple[RestartMode, ...] = (RestartMode.ON, RestartMode.OFF)
    holdoff: float = 15.0
    wait_for_start: bool = False
    kill_signal: int = 9
    grace_period: float = 5.0
    kill_window: float = 2.0
    solitary: bool = True
    stop_keys: bytes = b""
    stop_signal: int = 9
    start_limit: int = 0
    start_limit_interval: float = 60.0


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """One endpoint of a console.

    ``at`` is its canonical spelling (``tcp:127.0.0.1:2000``, ``unix:/run/consoled/x.sock``)
    and its identity over reloads. With ``port`` None it is the UNIX socket ``path``, to be
    given ``uid`` and ``gid`` (-1 leaves either) and ``mode``. ``raw``: no telnet spoken.
    """

    at: str
    addresses: tuple[str, ...] = ()
    port: int | None = None
    path: str = ""
    abstract: bool = False
    uid: int = -1
    gid: int = -1
    mode: int = 0o660
    raw: bool = False
    read_only: bool = False
    profile: str = "2.7"


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Where a console's output goes; ``stamp`` is a strftime pattern put before each line.

    ``patience`` is how many seconds a slow disk may make the child wait per stall.
    """

    file: str | None = None
    stamp: str | None = None
    patience: float = 1.0


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """One console, ready to be served; ``environment`` is all that the child gets.

    ``replay`` is the number of lines a new peer is shown, ``scrollback`` the bytes of output
    that are kept. ``file`` and ``line`` are where it was defined. ``profile`` rules the words
    in the stream and the ^T ring.
    """

    name: str
    command: tuple[str, ...]
    directory: str
    description: str = ""
    executable: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    user: str = ""
    umask: int | None = None
    limits: tuple[tuple[int, int, int], ...] = ()
    size: tuple[int, int] = (24, 80)
    policy: RestartPolicy = RestartPolicy(solitary=False, stop_signal=15, grace_period=10.0)
    keys: KeyMap = field(default_factory=KeyMap)
    listen: tuple[ListenConfig, ...] = ()
    log: LogConfig = LogConfig()
    info_file: str | None = None
    replay: int = 20
    scrollback: int = 1024 * 1024
    time_format: str = "%c"
    profile: str = "2.7"
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What concerns the whole server. ``gid`` owns the control socket (-1: leave it).

    ``own_log_dir`` is the directory of logs if it is the usual one, which is made if it is
    missing; another one that is missing may be a disk that is not mounted.
    """

    run_dir: str
    state_dir: str
    gid: int = -1
    allow_remote_plaintext: bool = False
    own_log_dir: str | None = None


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """A whole configuration. ``groups`` names consoles; ``notes`` are lines worth telling."""

    server: ServerConfig
    consoles: tuple[ConsoleConfig, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
