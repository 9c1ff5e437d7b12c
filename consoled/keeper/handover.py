"""Handover: the keeper becomes its newest version, in the same process and with everything.

The table of all it holds goes into a memfd, its descriptors are made inheritable, and the
program is executed anew. As the process stays the same, it stays the children's parent and the
worker's keeper. Before that, the new version has to read the very table in a process of its
own: one that cannot is refused, with its reason, and nothing has happened.

Never true: an exec of a version that has not read the table.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consoled.errors import KeeperError
from consoled.keeper.board import Board
from consoled.keeper.child import Child
from consoled.keeper.loop import Loop
from consoled.keeper.service import Service
from consoled.protocol import plain

_CHECK_SECONDS = 10.0
_ONCE = {"--files": 3, "--thaw": 2, "--config": 2}
"""Options that an exec writes anew or has no use for, with the words they take."""


@dataclass(frozen=True, slots=True)
class FrozenChild:
    """A child; ``status`` None while it runs."""

    pid: int
    master: int
    pidfd: int
    report: int
    own: bool
    status: int | None
    failure: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class FrozenWard:
    """A console, with its note."""

    name: str
    note: str | None
    spool: int
    child: FrozenChild | None


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that a keeper holds; all numbers but pids are descriptors."""

    lock: int
    listening: int
    board: int
    config: int
    wards: tuple[FrozenWard, ...]
    sockets: tuple[tuple[str, int, str], ...]
    worker: int | None
    starter: int | None
    arguments: tuple[str, ...]


def freeze(service: Service, lock: int, listening: int, starter: int | None) -> Table:
    """The table of a service that is not being handed from one worker to another."""
    if service.unsettled is not None:
        raise KeeperError(f"{service.unsettled}; try again")
    worker = service.at_work
    held = service.estate.sockets.items()
    return Table(
        lock,
        listening,
        service.board.fd,
        service.estate.config,
        tuple(_freeze_ward(service, name) for name in service.wards),
        tuple((key, fd, note) for key, (fd, note) in held),
        None if worker is None else worker.channel.fd,
        starter,
        _lasting(sys.argv[1:]),
    )


def _lasting(words: list[str]) -> tuple[str, ...]:
    """The command line without what was meant for one start only."""
    lasting: list[str] = []
    while words and words[0] != "--":
        count = _ONCE.get(words[0], 0)
        if not count:
            lasting.append(words[0])
        words = words[max(count, 1) :]
    return (*lasting, *words)


def _freeze_ward(service: Service, name: str) -> FrozenWard:
    ward, child = service.wards[name], service.keeper.child(name)
    frozen = None
    if child is not None:
        running = service.keeper.is_running(name)
        status = None if running else ward.status
        pidfd = child.pidfd if running else -1
        frozen = FrozenChild(
            child.pid, child.master, pidfd, child.report, child.own, status, ward.failure
        )
    return FrozenWard(name, ward.note, ward.spool, frozen)


def descriptors(table: Table) -> list[int]:
    """All that has to live through the exec."""
    fds = [
        table.lock,
        table.listening,
        table.board,
        table.config,
        *(fd for _, fd, _ in table.sockets),
    ]
    if table.worker is not None:
        fds.append(table.worker)
    for ward in table.wards:
        fds.append(ward.spool)
        if ward.child is not None:
            fds += [ward.child.master, ward.child.pidfd, ward.child.report]
    return [fd for fd in fds if fd >= 0]


def save(table: Table) -> int:
    """A memfd with the table."""
    fd = os.memfd_create("handover", os.MFD_CLOEXEC)
    text = json.dumps(plain.dump(table)).encode()
    while text:
        text = text[os.write(fd, text) :]
    return fd


def read(fd: int) -> Table:
    """The table in a memfd; PlainError if it is none that we understand."""
    return plain.load(Table, json.loads(os.pread(fd, os.fstat(fd).st_size, 0)))


def become(table: Table, argv: list[str]) -> None:
    """Execute the new version; returns only by an OSError."""
    fd = save(table)
    inherited = [fd, *descriptors(table)]
    for one in inherited:
        os.set_inheritable(one, True)
    try:
        os.execv(argv[0], [*argv, "--thaw", str(fd), *table.arguments])
    finally:
        for one in inherited:
            os.set_inheritable(one, False)


def thaw(table: Table, service: Service) -> None:
    """Hold everything again; descriptors are ours alone once more."""
    for fd in descriptors(table):
        os.set_inheritable(fd, False)
    service.board = Board(table.board)
    service.estate.config = table.config
    for key, fd, note in table.sockets:
        service.estate.hold(key, note, fd)
    for frozen in table.wards:
        ward = service.add_ward(frozen.name, frozen.spool)
        ward.note = frozen.note
        if frozen.child is not None:
            _thaw_child(service, ward.name, frozen.child)


def _thaw_child(service: Service, name: str, frozen: FrozenChild) -> None:
    child = Child(frozen.pid, frozen.master, frozen.report, pidfd=frozen.pidfd, own=frozen.own)
    service.wards[name].thaw(child, frozen.status, frozen.failure)


class Rehearsal:
    """The new version reads the table in a process of its own; ``done`` hears why not."""

    def __init__(
        self, loop: Loop, argv: list[str], table: Table, done: Callable[[str | None], None]
    ) -> None:
        import subprocess  # only ever needed here

        self._loop = loop
        self._done = done
        fd = save(table)
        self._process = subprocess.Popen(
            [*argv, "--rehearse", str(fd)],
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        os.close(fd)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._ended)
        self._timer = loop.call_later(_CHECK_SECONDS, self._process.kill)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._timer.cancel()
        _, said = self._process.communicate()
        words: Any = said.decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else f"exit status {self._process.returncode}"
        self._done(None if self._process.returncode == 0 else reason)
