"""Endpoints of all consoles: names resolved, nobody in the way of another.

What is reachable from elsewhere is refused unless the server allows it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from consoled.config.claims import Claims, addresses_of
from consoled.config.endpoint import PATH_LIMIT
from consoled.config.listening import DEFAULT_MODE, Place
from consoled.config.locate import Path
from consoled.config.model import ListenConfig, ServerConfig
from consoled.config.problem import Problem
from consoled.config.resolve import Resolved
from consoled.config.schema import ListenOptions
from consoled.errors import ConfigError
from consoled.loader.lookup import LOOPBACK, Lookup, find_addresses, find_group, find_user

TAKEN: Final = {
    "control.sock": "the server's control socket",
    "keeper.sock": "the keeper's socket",
}
"""Sockets of the run directory that no console can have."""


@dataclass(slots=True)
class Endpoints:
    """Endpoints that are taken, over all consoles; problems and warnings gather here."""

    server: ServerConfig
    lookup: Lookup
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _claims: Claims = field(default_factory=Claims)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, whose in TAKEN.items():
            path = os.path.join(self.server.run_dir, name)
            self._claims.take(ListenConfig(path, path=path), whose)

    def listen(self, console: Resolved) -> tuple[ListenConfig, ...]:
        """All endpoints of a console, its own socket first unless it wants none."""
        configured = list(self._configured(console))
        for place, endpoint in configured:
            self._claim(console, ("listen", place), endpoint)
        endpoints = tuple(endpoint for _, endpoint in configured)
        own = self._own_socket(console)
        wanted = not any(item.at.nowhere for item in console.options.listen)
        if not wanted or own.path in {e.path for e in endpoints if not e.abstract}:
            return endpoints
        if fault := _path_fault(own.path):
            self.problems.append(console.merged.own.problem((), fault))
        self._claim(console, (), own)
        return (own, *endpoints)

    def _own_socket(self, console: Resolved) -> ListenConfig:
        path = os.path.normpath(os.path.join(self.server.run_dir, f"{console.name}.sock"))
        return ListenConfig(
            at=f"unix:{path}",
            path=path,
            gid=self.server.gid,
            raw=True,
            profile=console.options.profile,
        )

    def _configured(self, console: Resolved) -> Iterator[tuple[int, ListenConfig]]:
        for place, item in enumerate(console.options.listen):
            try:
                if item.at.port is not None:
                    yield place, self._tcp(console, item, item.at, item.at.port)
                elif not item.at.nowhere:
                    yield place, self._unix(console, item, item.at)
            except ConfigError as error:
                path = ("listen", place)
                self.problems.append(console.merged.problem(path, str(error)))

    def _tcp(self, console: Resolved, item: ListenOptions, place: Place, port: int) -> ListenConfig:
        if (item.mode, item.user, item.group) != (None, None, None):
            raise ConfigError("only a UNIX socket has mode, user and group")
        host = f"[{place.host}]" if ":" in place.host else place.host
        return ListenConfig(
            at=f"tcp:{host}:{port}" if host else f"tcp:{port}",
            addresses=find_addresses(place.host) if place.host else LOOPBACK,
            port=port,
            raw=bool(item.raw),
            read_only=item.role == "ro",
            profile=item.profile or console.options.profile,
        )

    def _unix(self, console: Resolved, item: ListenOptions, place: Place) -> ListenConfig:
        path = place.path
        if not place.abstract:
            path = os.path.normpath(os.path.join(self.server.run_dir, path))
        if fault := _path_fault(path):
            raise ConfigError(fault)
        mode = item.mode if item.mode is not None else place.mode
        return ListenConfig(
            at=f"unix:@{path}" if place.abstract else f"unix:{path}",
            path=path,
            abstract=place.abstract,
            uid=self._owner(item.user or place.user),
            gid=find_group(group) if (group := item.group or place.group) else self.server.gid,
            mode=DEFAULT_MODE if mode is None else mode,
            raw=place.raw if item.raw is None else item.raw,
            read_only=item.role == "ro",
            profile=item.profile or console.options.profile,
        )

    def _owner(self, user: str) -> int:
        if not user:
            return -1
        uid = find_user(user).uid
        if not self.lookup.is_root and uid != self.lookup.uid:
            raise ConfigError(f"only root can give a socket to {user}")
        return uid

    def _claim(self, console: Resolved, path: Path, endpoint: ListenConfig) -> None:
        """Note who has an endpoint; complain once of a line that is in the way of others."""
        problem = console.merged.problem(path, "")
        where = f"{problem.file}:{problem.line}"
        owner = self._claims.take(endpoint, f"console {console.name} ({where})")
        if owner is not None and where not in self._told:
            self._told.add(where)
            text = f"{endpoint.at} of console {console.name} is already taken by {owner}"
            self.problems.append(replace(problem, text=text))
        self._judge_reach(problem, endpoint)

    def _judge_reach(self, problem: Problem, endpoint: ListenConfig) -> None:
        if all(address.is_loopback for address in addresses_of(endpoint)):
            return
        reach = f"{endpoint.at} can be reached from other machines, in plain text"
        if self.server.allow_remote_plaintext:
            self.warnings.append(replace(problem, text=reach))
        else:
            remedy = "use a port alone, or set allow_remote_plaintext = true in [server]"
            self.problems.append(replace(problem, text=f"{reach}: {remedy}"))


def _path_fault(path: str) -> str:
    length = len(os.fsencode(path))
    if length < PATH_LIMIT:
        return ""
    return f"the socket path {path} has {length} bytes, at most {PATH_LIMIT - 1} are possible"
