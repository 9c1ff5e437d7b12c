"""Endpoints: everything that a server listens on, over reloads and over its own restarts.

Owned by the worker. A disk's thread binds, for it may hang; the keeper holds what is bound, so
that nothing is refused while workers change. Paths that are deleted under us are made anew,
what cannot be bound is tried again.

Never true: an endpoint unbound for an instant by a restart or a reload that keeps it.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from consoled.config.endpoint import UnixEndpoint
from consoled.config.model import ListenConfig
from consoled.disk import Disk
from consoled.errors import EndpointError
from consoled.keeper.link import KeeperLink
from consoled.transports import tcp, unix
from consoled.transports.bound import Bound
from consoled.transports.listener import Listener, Room

PREFIX = "listen:"
_LOOK_AFTER = 5.0

Answer = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class Offer:
    """An endpoint with its sockets; one for each address."""

    listen: ListenConfig
    bound: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What came of binding: offers by ``at``, and why the others could not be."""

    offers: dict[str, Offer]
    errors: dict[str, str]


class Endpoints:
    """Listening sockets by endpoint; ``complain`` gets one line for each trouble."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: KeeperLink,
        paths: Disk,
        room: Room,
        complain: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._link = link
        self._paths = paths
        self._room = room
        self._complain = complain
        self._offers: dict[str, Offer] = {}
        self._answers: dict[str, Answer] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._missing: dict[str, ListenConfig] = {}
        self._told: set[str] = set()
        self._closed = False

    # -- binding --------------------------------------------------------------------------

    def adopt(self, found: dict[str, tuple[int, Any]], activated: Sequence[socket.socket]) -> None:
        """Take what a predecessor, or the service manager, has bound for us."""
        pieces: dict[str, list[Bound]] = {}
        for fd, note in found.values():
            identity = note["identity"]
            bound = Bound(
                socket.socket(fileno=fd),
                note["address"],
                note["raw"],
                note["path"],
                None if identity is None else (identity[0], identity[1]),
            )
            pieces.setdefault(note["at"], []).append(bound)
        self._found = {at: tuple(bound) for at, bound in pieces.items()}
        self._activated = {_name_of(one): one for one in activated}

    def bind(self, wanted: Iterable[ListenConfig], done: Callable[[Bindings], None]) -> None:
        """Bind what is not bound yet; ``done`` decides whether to ``keep`` or ``discard``."""
        first = {one.at: one for one in reversed(tuple(wanted))}
        missing = [one for at, one in first.items() if at not in self._offers]
        ready = {one.at: offer for one in missing if (offer := self._ready_made(one)) is not None}
        rest = [one for one in missing if one.at not in ready]
        if not rest:
            done(Bindings(ready, {}))
            return
        self._paths.submit(partial(_bind_all, rest), partial(self._bound, ready, done))

    def _ready_made(self, listen: ListenConfig) -> Offer | None:
        if listen.at in self._found:
            return Offer(listen, self._found.pop(listen.at))
        names = (
            [listen.path]
            if listen.port is None
            else [f"{address}:{listen.port}" for address in listen.addresses]
        )
        sockets = [self._activated[name] for name in names if name in self._activated]
        if not sockets:
            return None
        return Offer(listen, tuple(Bound(one, listen.at, listen.raw) for one in sockets))

    def _bound(
        self, ready: dict[str, Offer], done: Callable[[Bindings], None], result: Any
    ) -> None:
        if isinstance(result, Exception):
            result = Bindings({}, {"": str(result)})
        done(Bindings(ready | result.offers, result.errors))

    def keep(self, bindings: Bindings, wanted: Sequence[ListenConfig]) -> None:
        """These are ours from now on; those that could not be bound are tried again."""
        for at, offer in bindings.offers.items():
            self._offers[at] = offer
            self._hold(offer)
            for one in offer.bound:
                if one.warning is not None:
                    self._complain(f"endpoint {one.warning}")
        by_name = {one.at: one for one in reversed(wanted)}
        for at, text in bindings.errors.items():
            self._complain(f"cannot open endpoint {text}")
            if at in by_name:
                self._missing[at] = by_name[at]

    def discard(self, bindings: Bindings) -> None:
        """Not these after all."""
        for offer in bindings.offers.values():
            self._paths.submit(partial(_release, offer))

    def _hold(self, offer: Offer) -> None:
        for index, one in enumerate(offer.bound):
            note = {
                "at": offer.listen.at,
                "address": one.address,
                "raw": one.raw,
                "path": one.path,
                "identity": one.identity,
            }
            self._link.hold(f"{PREFIX}{offer.listen.at}:{index}", note, one.listening.fileno())

    # -- listening ------------------------------------------------------------------------

    def open(self, listen: ListenConfig, answer: Answer) -> None:
        """Accept peers from now on; an endpoint that is not bound yet begins when it is."""
        self._answers[listen.at] = answer
        self._listen(listen.at)

    def _listen(self, at: str) -> None:
        offer, answer = self._offers.get(at), self._answers.get(at)
        if offer is None or answer is None or self._closed:
            return
        self._unlisten(at)
        self._listeners[at] = [
            Listener(self._loop, one.listening, self._room, answer) for one in offer.bound
        ]

    def _unlisten(self, at: str) -> None:
        for listener in self._listeners.pop(at, ()):
            listener.pause()

    def close(self, at: str) -> None:
        """Offer this no more."""
        self._unlisten(at)
        self._answers.pop(at, None)
        self._missing.pop(at, None)
        offer = self._offers.pop(at, None)
        if offer is not None:
            self._drop(offer)
            self._paths.submit(partial(_release, offer))

    def _drop(self, offer: Offer) -> None:
        for index in range(len(offer.bound)):
            self._link.drop(f"{PREFIX}{offer.listen.at}:{index}")

    def drop_unclaimed(self) -> None:
        """Close what a predecessor had bound and nobody wants any more."""
        for at, bound in self._found.items():
            offer = Offer(ListenConfig(at), bound)
            self._drop(offer)
            self._paths.submit(partial(_release, offer))
        self._found = {}

    def detach(self) -> None:
        """Accept no more; everything stays bound for a successor."""
        self._closed = True
        for at in tuple(self._listeners):
            self._unlisten(at)

    def release(self) -> None:
        """The server ends: remove what is ours. For a disk's thread."""
        for offer in self._offers.values():
            _release(offer)

    def retune(self, listen: ListenConfig) -> None:
        """A kept endpoint may have another owner or mode."""
        offer = self._offers.get(listen.at)
        if offer is not None and offer.listen != listen:
            self._offers[listen.at] = replace(offer, listen=listen)
            if listen.path and not listen.abstract:
                self._paths.submit(partial(_give, listen), self._given)

    def _given(self, result: object) -> None:
        if isinstance(result, Exception):
            self._complain(f"cannot change an endpoint: {result}")

    # -- looking after them ---------------------------------------------------------------

    def start(self) -> None:
        """Look after the endpoints from now on."""
        self._loop.call_later(_LOOK_AFTER, self.look_after)

    def look_after(self) -> None:
        """Every few seconds: make anew what was deleted, try again what was taken."""
        if not self._closed:
            offers, missing = tuple(self._offers.values()), tuple(self._missing.values())
            self._paths.submit(partial(_look, offers, missing), self._looked)

    def _looked(self, result: Any) -> None:
        if self._closed:
            return
        self._loop.call_later(_LOOK_AFTER, self.look_after)
        for at, bound in {} if isinstance(result, Exception) else result.items():
            if isinstance(bound, str):
                self._tell(f"endpoint {bound}")
                continue
            again = at in self._offers
            if not again and at not in self._missing:  # closed while the thread was looking
                self._paths.submit(partial(_release, Offer(ListenConfig(at), bound)))
                continue
            known = self._missing.pop(at, None) or self._offers[at].listen
            self._offers[at] = Offer(known, bound)
            self._hold(self._offers[at])
            self._listen(at)
            self._complain(f"{at}: {'was deleted; ' if again else ''}listening there again")
            self._told = {text for text in self._told if at not in text}

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._complain(text)


def _name_of(listening: socket.socket) -> str:
    """How an endpoint's configuration would name an inherited socket."""
    name = listening.getsockname()
    return os.fsdecode(name) if isinstance(name, str | bytes) else f"{name[0]}:{name[1]}"


def _bind_one(listen: ListenConfig) -> tuple[Bound, ...]:
    if listen.port is not None:
        return tuple(
            replace(one, raw=listen.raw) for one in tcp.bind(listen.addresses, listen.port)
        )
    endpoint = UnixEndpoint(listen.path, mode=listen.mode, abstract=listen.abstract, raw=listen.raw)
    return (unix.bind(endpoint, (listen.uid, listen.gid)),)


def _give(listen: ListenConfig) -> None:
    if (listen.uid, listen.gid) != (-1, -1):
        os.chown(listen.path, listen.uid, listen.gid)
    os.chmod(listen.path, listen.mode)


def _bind_all(wanted: Sequence[ListenConfig]) -> Bindings:
    bindings = Bindings({}, {})
    for listen in wanted:
        try:
            bindings.offers[listen.at] = Offer(listen, _bind_one(listen))
        except (EndpointError, OSError) as error:
            bindings.errors[listen.at] = str(error)
    return bindings


def _release(offer: Offer) -> None:
    for one in offer.bound:
        unix.unbind(one)
        one.listening.close()


def _look(
    offers: Sequence[Offer], missing: Sequence[ListenConfig]
) -> dict[str, tuple[Bound, ...] | str]:
    """New sockets for those that are lost or missing, or why there are none."""
    lost = [
        offer.listen
        for offer in offers
        if any(one.path is not None and not unix.is_ours(one) for one in offer.bound)
    ]
    found: dict[str, tuple[Bound, ...] | str] = {}
    for listen in (*lost, *missing):
        try:
            found[listen.at] = _bind_one(listen)
        except (EndpointError, OSError) as error:
            found[listen.at] = str(error)
    return found
