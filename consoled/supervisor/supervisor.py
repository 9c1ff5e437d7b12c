"""Supervisor: every console of one server, and what becomes of them when the site changes.

Owned by the worker, lives on its loop's thread. Makes consoles out of their configuration,
finds again those that a predecessor has left, and carries out a reload's plan. What peers see
of a console is its ``doors``' business.

Never true: a running child ended by a reload; a console that nobody could get rid of.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Protocol

from consoled.config.model import ConsoleConfig, RestartMode, SiteConfig
from consoled.console.console import Console
from consoled.console.localtime import format_time
from consoled.console.logfile import Logfile
from consoled.console.note import Found, Note
from consoled.console.output import Typing
from consoled.keeper.checkpoint import Checkpoint
from consoled.keeper.link import FoundConsole, KeeperLink
from consoled.protocol import notices, plain
from consoled.protocol.keys import KeyFilter, KeyMap
from consoled.protocol.stamp import LineStamper
from consoled.supervisor import meaning
from consoled.supervisor.disks import Disks
from consoled.supervisor.intent import Intent
from consoled.supervisor.reload import Plan, plan

_LOG_RECHECK = 0.01


class Doors(Protocol):
    """Who lets peers in."""

    def claim(self, site: SiteConfig) -> None:
        """Endpoints are those of these consoles from now on."""

    def furnish(self, console: Console, config: ConsoleConfig) -> None:
        """A console is there."""

    def refurnish(self, console: Console, config: ConsoleConfig) -> None:
        """A console is offered otherwise."""

    def remove(self, console: Console, config: ConsoleConfig) -> None:
        """A console is no more."""


class _Tended:
    """A console and the configuration it lives by."""

    def __init__(self, console: Console, config: ConsoleConfig) -> None:
        self.console = console
        self.config = config
        self.log: Logfile | None = None
        self.condemned = False


class Supervisor:
    """All consoles by name; ``on_all_ended`` is called once after ``stop_all``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: KeeperLink,
        disks: Disks,
        intent: Intent,
        doors: Doors,
        on_all_ended: Callable[[], None],
        server_started: float,
        complain: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._link = link
        self._disks = disks
        self.intent = intent
        self._doors = doors
        self._on_all_ended = on_all_ended
        self._server_started = server_started
        self._complain = complain
        self._tended: dict[str, _Tended] = {}
        self._typing = Typing()
        self._stopping = False
        self._ending: set[str] = set()
        self.site: SiteConfig | None = None

    # -- finding and making ---------------------------------------------------------------

    def restore(
        self,
        site: SiteConfig,
        found: dict[str, FoundConsole],
        condemned: Sequence[ConsoleConfig] = (),
    ) -> None:
        """Go on with what a predecessor has left; what it has not is made."""
        self.site = site
        self._doors.claim(site)
        for config in (*site.consoles, *condemned):
            try:
                tended = self._make(config, found.get(config.name))
            except Exception as error:  # one that cannot be restored must not take all along
                self._complain(f"console {config.name} cannot be restored: {error!r}")
                continue
            if config in condemned:  # whoever was killed may not have noted that it is to go
                self._condemn(tended)
            elif config.name not in found:
                self._begin(tended)
        for tended in tuple(self._tended.values()):
            self._bury(tended)

    def apply(self, site: SiteConfig) -> Plan:
        """Carry out what this configuration changes; never ends a running child."""
        before = self.site or replace(site, consoles=())
        changes = plan(before, site)
        self.site = site
        self._doors.claim(site)
        wanted = {console.name: console for console in site.consoles}
        for name in changes.removed:
            self._condemn(self._tended[name])
        for name in changes.changed:
            self._change(self._tended[name], wanted[name])
        for name in changes.added:
            self._add(wanted[name])
        return changes

    def _add(self, config: ConsoleConfig) -> None:
        tended = self._tended.get(config.name)
        if tended is None:
            self._begin(self._make(config, None))
            return
        tended.condemned = False  # it was to go, and is wanted again before it went
        self._change(tended, config)

    def _begin(self, tended: _Tended) -> None:
        if not self.intent.is_stopped(tended.config.name):
            tended.console.begin()

    def _make(self, config: ConsoleConfig, found: FoundConsole | None) -> _Tended:
        pid = self._link.keeper_pid
        spool = None if found is None else self._link.spool_of(config.name)
        console = Console(
            self._loop,
            self._link,
            meaning.facts_of(config, pid, self._server_started),
            partial(meaning.spec_of, config, pid),
            meaning.policy_of(config),
            _filter_of(config.keys),
            _formatter_of(config.time_format),
            partial(self._on_quit, config.name),
            spool=spool,
            scrollback=config.scrollback,
            typing=self._typing,
        )
        tended = self._tended[config.name] = _Tended(console, config)
        self._add_log(tended)
        if found is not None:
            console.adopt(_note_of(found), _child_of(found))
        console.on_change = partial(self._bury, tended)
        self._doors.furnish(console, config)
        return tended

    def _add_log(self, tended: _Tended) -> None:
        log, console = tended.config.log, tended.console
        checkpoint = Checkpoint(console.spool)
        if log.file is None:
            checkpoint.withdraw()
            return
        if checkpoint.patience is None:  # what was said before there was a log is not for it
            checkpoint.skip_to(console.spool.head)
        stamp = log.stamp
        console.notes_arrivals = stamp is not None
        if stamp is not None:
            console.note_arrivals()
        tended.log = Logfile(
            self._loop,
            self._disks.of(log.file),
            console.spool,
            log.file,
            stamper=None if stamp is None else _stamper(stamp),
            arrivals=console.arrivals,
            checkpoint=checkpoint,
            patience=log.patience,
            on_trouble=console.announce,
            on_progress=console.log_moved,
        )
        console.add_log(tended.log)

    # -- changing -------------------------------------------------------------------------

    def _change(self, tended: _Tended, config: ConsoleConfig) -> None:
        before, tended.config = tended.config, config
        pid = self._link.keeper_pid
        tended.console.retune(
            meaning.facts_of(config, pid, self._server_started),
            partial(meaning.spec_of, config, pid),
            meaning.policy_of(config),
            _filter_of(config.keys),
        )
        if config.log != before.log:
            self._change_log(tended)
        self._doors.refurnish(tended.console, config)

    def _change_log(self, tended: _Tended) -> None:
        """The old log may be in the middle of a write: the new one begins after it."""
        log = tended.log
        if log is not None:
            tended.log = None
            tended.console.drop_log(log)
        if log is not None and log.busy:
            self._loop.call_later(_LOG_RECHECK, self._after_log, tended, log)
        else:
            self._add_log(tended)

    def _after_log(self, tended: _Tended, log: Logfile) -> None:
        if log.busy:
            self._loop.call_later(_LOG_RECHECK, self._after_log, tended, log)
        elif tended.log is None:
            self._add_log(tended)

    def _condemn(self, tended: _Tended) -> None:
        """It goes as soon as it has no child; until then it starts no other one."""
        tended.condemned = True
        policy = replace(meaning.policy_of(tended.config), mode=RestartMode.OFF)
        tended.console.retire(policy)
        self._bury(tended)

    def _bury(self, tended: _Tended) -> None:
        if tended.condemned and tended.console.is_down:
            name = tended.config.name
            if self._tended.get(name) is tended:
                del self._tended[name]
                self._loop.call_soon(self._remove, tended)

    def _remove(self, tended: _Tended) -> None:
        self._doors.remove(tended.console, tended.config)
        if tended.log is not None:
            tended.log.leave()
        self._link.close(tended.config.name)

    @property
    def condemned(self) -> tuple[ConsoleConfig, ...]:
        """Consoles that are configured no more and still have a child."""
        return tuple(t.config for t in self._tended.values() if t.condemned)

    # -- looking and asking ---------------------------------------------------------------

    @property
    def consoles(self) -> dict[str, Console]:
        """All consoles by name."""
        return {name: tended.console for name, tended in self._tended.items()}

    def snapshot(self, name: str) -> dict[str, Any]:
        """What ``status`` tells of one console."""
        tended = self._tended[name]
        told = tended.console.snapshot()
        told["condemned"] = tended.condemned
        told["stopped_by_hand"] = self.intent.is_stopped(name)
        told["listen"] = [one.at for one in tended.config.listen]
        told["log"] = tended.config.log.file
        return told

    def start(self, name: str) -> None:
        """Somebody wants a child, also after the next restart of the server."""
        self.intent.note(name, stopped=False)
        self._tended[name].console.start()

    def stop(self, name: str) -> None:
        """Somebody wants no child until further notice."""
        self.intent.note(name, stopped=True)
        self._tended[name].console.stop()

    def reopen_logs(self) -> None:
        """Close and open every log."""
        self._disks.forget_mounts()
        for tended in self._tended.values():
            tended.console.reopen_logs()

    def keeper_changed(self) -> None:
        """People are told the new keeper's pid; children hear of it at their next start."""
        for tended in self._tended.values():
            self._change(tended, tended.config)

    def announce(self, name: str, text: bytes) -> None:
        """Say something on a console, if it is there."""
        if name in self._tended:
            self._tended[name].console.announce(text)

    def announce_survivors(self, name: str, processes: Sequence[str]) -> None:
        """Tell what could not be ended with a child."""
        self.announce(name, notices.survivors(processes))

    # -- the end --------------------------------------------------------------------------

    def stop_all(self) -> None:
        """End every child; asked again, without grace."""
        if not self._stopping:
            self._stopping = True
            self._ending = set(self._tended)
        for name in tuple(self._ending):
            self._tended[name].console.shut_down()
        self._look_for_end()

    def _on_quit(self, name: str) -> None:
        if self._stopping:
            self._ending.discard(name)
            self._look_for_end()

    def _look_for_end(self) -> None:
        if not self._ending:
            self._on_all_ended()

    @property
    def settled(self) -> bool:
        """Whether every reader and log has taken what it can."""
        return all(tended.console.settled for tended in self._tended.values())

    def detach(self) -> None:
        """Read and write no more: a successor goes on."""
        for tended in self._tended.values():
            tended.console.detach()

    @property
    def writing(self) -> bool:
        """Whether a log is being written this moment."""
        return any(tended.console.writing for tended in self._tended.values())


@cache
def _filter_of(keys: KeyMap) -> KeyFilter:
    """Consoles with the same keys share one."""
    return KeyFilter(keys)


@cache
def _formatter_of(pattern: str) -> Callable[[float], str]:
    return partial(format_time, pattern)


def _stamper(pattern: str) -> LineStamper:
    return LineStamper(lambda second: os.fsencode(format_time(pattern, second)))


def _note_of(found: FoundConsole) -> Note:
    return Note() if found.note is None else plain.load(Note, found.note)


def _child_of(found: FoundConsole) -> Found | None:
    if found.pid is None:
        return None
    return Found(found.pid, found.master, found.status, found.failure)
