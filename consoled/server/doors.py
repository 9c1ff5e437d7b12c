"""Doors: how each console is offered; one attach frontend for each.

Owned by the worker. Follows the supervisor: opens the endpoints of a console that is made,
closes those of one that is removed, and changes nothing about the others.

Never true: a peer of an endpoint that is kept loses its connection by a reload.
"""

import asyncio
import os
import socket
from functools import partial

from consoled.config.model import ConsoleConfig, ListenConfig, SiteConfig
from consoled.console.console import Console
from consoled.disk import Disk
from consoled.frontends.attach import AttachFrontend
from consoled.keeper.link import KeeperLink
from consoled.protocol.notices import PROFILES
from consoled.protocol.stamp import LineStamper
from consoled.server.endpoints import Endpoints
from consoled.server.heirs import Heirs, PeerNote, Registry
from consoled.server.infofile import remove_info, write_info
from consoled.transports.hangup import HangupWatch
from consoled.transports.listener import Room

_INTERRUPT = b"\x03"


def _no_stamps() -> LineStamper | None:
    return None


class Doors:
    """Attach frontends by console."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoints: Endpoints,
        registry: Registry,
        room: Room,
        paths: Disk,
        link: KeeperLink,
    ) -> None:
        self._loop = loop
        self._endpoints = endpoints
        self._registry = registry
        self._room = room
        self._paths = paths
        self._link = link
        self._hangups = HangupWatch(loop)
        self._frontends: dict[str, AttachFrontend] = {}
        self._listens: dict[str, tuple[ListenConfig, ...]] = {}
        self._infos: dict[str, str] = {}
        self._claims: dict[str, str] = {}
        self._holders: dict[str, str] = {}

    def claim(self, site: SiteConfig) -> None:
        """Whose each endpoint is now: it may move from one console to another."""
        self._claims = {one.at: c.name for c in site.consoles for one in c.listen}

    def furnish(self, console: Console, config: ConsoleConfig) -> None:
        """Let peers onto a console, by all its endpoints."""
        frontend = self._frontends[config.name] = AttachFrontend(
            self._loop,
            console,
            self._room,
            config.replay,
            _no_stamps,
            hangups=self._hangups,
            heirs=Heirs(self._registry, config.name),
            interrupt=_INTERRUPT,
        )
        for listen in config.listen:
            if self._may_have(config.name, listen.at):
                self._open(frontend, listen, config.name)
        self._listens[config.name] = config.listen
        self._write_info(config)

    def refurnish(self, console: Console, config: ConsoleConfig) -> None:
        """Offer a console as it is configured now."""
        frontend, before = self._frontends[config.name], self._listens[config.name]
        frontend.replay = config.replay
        kept = {one.at for one in config.listen}
        for one in before:
            if one.at not in kept:
                self._close(config.name, one.at)
        for one in config.listen:
            held = one in before and self._holders.get(one.at) == config.name
            if not held and self._may_have(config.name, one.at):
                self._open(frontend, one, config.name)
                self._endpoints.retune(one)
        self._listens[config.name] = config.listen
        self._write_info(config)

    def remove(self, console: Console, config: ConsoleConfig) -> None:
        """Let go of everybody on a console that is no more."""
        for session in console.roster:
            session.close()
        for one in self._listens.pop(config.name):
            self._close(config.name, one.at)
        del self._frontends[config.name]
        self._remove_info(config.name)

    def close(self) -> None:
        """The server ends: nobody shall be told to find it here."""
        for name in tuple(self._infos):
            self._remove_info(name)

    def adopt(self, fd: int, note: PeerNote, position: int) -> None:
        """A peer that a predecessor has let in; of a console that is gone, it goes too."""
        frontend = self._frontends.get(note.console)
        if frontend is None:
            os.close(fd)
            return
        peer = socket.socket(fileno=fd)
        peer.setblocking(False)
        frontend.adopt(peer, note.session, position, note.at)

    def _may_have(self, name: str, at: str) -> bool:
        """A console that is configured no more keeps what nobody else wants."""
        return self._claims.get(at, name) == name

    def _close(self, name: str, at: str) -> None:
        """Offer this no more, unless another console has it, or is about to."""
        if self._holders.get(at) == name and self._may_have(name, at):
            del self._holders[at]
            self._endpoints.close(at)

    def _open(self, frontend: AttachFrontend, listen: ListenConfig, name: str) -> None:
        self._holders[listen.at] = name
        attach = frontend.logger if listen.read_only else frontend.user
        profile = PROFILES[listen.profile]
        self._endpoints.open(listen, partial(attach, raw=listen.raw, at=listen.at, profile=profile))

    def _write_info(self, config: ConsoleConfig) -> None:
        if self._infos.get(config.name) != config.info_file:
            self._remove_info(config.name)
        if config.info_file is not None:
            self._infos[config.name] = config.info_file
            self._paths.submit(partial(write_info, config, self._link.keeper_pid))

    def _remove_info(self, name: str) -> None:
        path = self._infos.pop(name, None)
        if path is not None:
            self._paths.submit(partial(remove_info, path))
