"""Worker: one process that serves all consoles, between its predecessor and its successor.

Joins the link to the keeper, the supervisor, the endpoints and the frontends. Takes over what
the keeper has, serves it, and hands it over again; only ``stop_all`` ends children.

Never true: an endpoint listened on before everything that was found is served; two workers
that both read.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from consoled.config.model import ConsoleConfig, ListenConfig, SiteConfig
from consoled.disk import Disk, attempt
from consoled.errors import KeeperError
from consoled.frontends.control import ControlFrontend
from consoled.keeper.link import Inventory, KeeperLink
from consoled.keeper.sdnotify import notify
from consoled.protocol import notices, plain
from consoled.server import kept, loading
from consoled.server.doors import Doors
from consoled.server.endpoints import PREFIX as LISTEN
from consoled.server.endpoints import Bindings, Endpoints
from consoled.server.heirs import PREFIX as PEER
from consoled.server.heirs import PeerNote, Registry
from consoled.server.waiter import (
    BAD_CONFIG,
    DETACHED,
    LEFT,
    NO_KEEPER,
    PASSED_ON,
    REFUSED,
    with_keeper,
)
from consoled.supervisor.disks import Disks
from consoled.supervisor.intent import Intent
from consoled.supervisor.supervisor import Supervisor
from consoled.transports.listener import Room, raise_descriptor_limit

FAILED = 70
"""Exit code of a worker that has met an error of ours before it served."""

CONTROL = "control.sock"
_LAST_WORDS = 1.0
_LOOK_FOR_STARTER = 0.5
_POLL = 0.005
_PER_CONSOLE = 6
_KEPT_BACK = 64


@dataclass(frozen=True, slots=True)
class Options:
    """``fresh``: read the configuration even if there is one from before; ``replace``: take
    over from whoever is at work; ``starter``: the command line that starts our successor."""

    run_dir: str
    config: str | None = None
    fresh: bool = False
    replace: bool = False
    starter: tuple[str, ...] = ()


def say(text: str) -> None:
    """One line for the journal."""
    print(f"consoled: {text}", file=sys.stderr, flush=True)


class Worker:
    """One run; ``run`` returns an exit code of the list above."""

    def __init__(self, options: Options, activated: Sequence[socket.socket] = ()) -> None:
        self._options = options
        self._activated = activated
        self._code = LEFT
        self._supervisor: Supervisor | None = None
        self._prepared = -1
        self._leaving = False
        self._told_to_go = False
        self._starter = os.getppid()
        self._serving = False
        self.resumed = False
        """Whether it ended because its successor failed: the next one is of this very code."""
        self.on_serving: Callable[[], None] = lambda: None
        """Called when everything that was found is served."""
        self._loading = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reload_again = False
        self._on_reloaded: list[Callable[[list[str], bool], None]] = []
        self._waiting: list[Callable[[list[str], bool], None]] = []

    def run(self) -> int:
        """Serve until somebody else does, or nobody shall."""
        raise_descriptor_limit()
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._link = KeeperLink(
            self._loop, os.path.join(self._options.run_dir, "keeper.sock"), self
        )
        self._loop.set_exception_handler(self._on_error)
        self._take_signals()
        try:
            self._link.begin(replace=self._options.replace)
        except KeeperError as error:
            say(str(error))
            return NO_KEEPER
        self._look_for_starter()
        self._loop.run_forever()
        if self.resumed:  # this process goes on
            self._loop.close()
        return self._code

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.hand_over, 0)
        self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._loop.add_signal_handler(signal.SIGUSR2, self._reopen_logs)
        self._loop.add_signal_handler(signal.SIGUSR1, self.upgrade)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def _look_for_starter(self) -> None:
        """Without the one who would replace us we are in the way of who would start it."""
        if os.getppid() != self._starter:
            say("whoever started this worker is gone; making room for another one")
            self.hand_over(0)
        else:
            self._loop.call_later(_LOOK_FOR_STARTER, self._look_for_starter)

    def _start(self, job: Any) -> None:
        task = self._loop.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_error(self._loop, {"message": "a task failed", "exception": error})

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error harms what it is about; but who never came to serve makes room for others."""
        loop.default_exception_handler(context)
        if not self._serving:
            self._end(FAILED)

    def _end(self, code: int) -> None:
        self._code = code
        self._loop.stop()

    # -- taking over ----------------------------------------------------------------------

    def prepare(self, config: int) -> None:
        """Somebody is at work: have a configuration before they are asked to go."""
        self._start(self._prepare(config))

    async def _prepare(self, config: int) -> None:
        loaded = await loading.load(self._options.config, self._link.run)
        if loaded.site is None:
            self._tell_errors(loaded, "the new worker cannot start")
            self._end(BAD_CONFIG)
            return
        condemned = [] if config < 0 else kept.read(config)[1]
        self._prepared = kept.write(loaded.plain, [plain.dump(one) for one in condemned])
        self._link.ready()

    def take_over(self, inventory: Inventory) -> None:
        """Everything is ours; without a configuration there has to be one first."""
        config = self._prepared if self._prepared >= 0 else inventory.config
        if config < 0:
            self._start(self._load_first(inventory))
            return
        self._install(config, inventory)

    async def _load_first(self, inventory: Inventory) -> None:
        loaded = await loading.load(self._options.config, self._link.run)
        self._tell_warnings(loaded)
        if loaded.site is None:
            self._tell_errors(loaded, "there is no configuration to start with")
            self._end(BAD_CONFIG)
            return
        self._install(kept.write(loaded.plain), inventory)

    def _install(self, config: int, inventory: Inventory) -> None:
        loop, link = self._loop, self._link
        site, kept_condemned = kept.read(config)
        condemned = [one for one in kept_condemned if one.name in inventory.consoles]
        self._paths = Disk("paths", loop)
        if site.server.run_dir != self._options.run_dir:
            say(
                f"server.run_dir is {site.server.run_dir}, but this is {self._options.run_dir}:"
                " start the keeper and this with --run-dir"
            )
        consoles = len(site.consoles) + len(condemned)
        room = Room(_KEPT_BACK + _PER_CONSOLE * consoles)
        self._registry = Registry(link)
        self._endpoints = Endpoints(loop, link, self._paths, room, say)
        sockets = {k: v for k, v in inventory.sockets.items() if k.startswith(LISTEN)}
        self._endpoints.adopt(sockets, self._activated)
        self._doors = Doors(loop, self._endpoints, self._registry, room, self._paths, link)
        self._control = ControlFrontend(loop, self, room)
        disks = Disks(loop)
        logs = site.server.own_log_dir
        if logs is not None:
            disks.of(logs).submit(partial(os.makedirs, logs, 0o750, exist_ok=True))
        intent = Intent(site.server.state_dir, disks.of(site.server.state_dir), say)
        try:
            attempt(intent.load, _LAST_WORDS)
        except TimeoutError:
            say(f"{site.server.state_dir} does not answer; nothing counts as stopped by hand")
        self._supervisor = Supervisor(
            loop, link, disks, intent, self._doors, self._on_all_ended, link.keeper_started, say
        )
        wanted = [self._control_endpoint(site), *_endpoints_of(site.consoles, condemned)]
        self._endpoints.bind(
            wanted, partial(self._bound, site, condemned, inventory, wanted, config)
        )

    def _control_endpoint(self, site: SiteConfig) -> ListenConfig:
        path = os.path.join(self._options.run_dir, CONTROL)
        return ListenConfig(f"unix:{path}", path=path, gid=site.server.gid, raw=True)

    def _bound(
        self,
        site: SiteConfig,
        condemned: Sequence[ConsoleConfig],
        inventory: Inventory,
        wanted: Sequence[ListenConfig],
        config: int,
        bindings: Bindings,
    ) -> None:
        """Everything that can be bound is: serve."""
        self._endpoints.keep(bindings, wanted)
        assert self._supervisor is not None
        self._supervisor.restore(site, inventory.consoles, condemned)
        self._adopt_peers(inventory)
        self._tell_news(inventory)
        self._endpoints.open(wanted[0], self._control.accept)
        self._endpoints.drop_unclaimed()
        self._endpoints.start()
        self._link.keep_config(config)
        self._link.serving()
        self._serving = True
        self.on_serving()
        self._tell_manager()
        gc.collect()
        gc.freeze()
        again, self._reload_again = self._reload_again, False
        if again or (self._options.fresh and self._prepared < 0 <= inventory.config):
            self.reload()

    def _adopt_peers(self, inventory: Inventory) -> None:
        found, fds = {}, {}
        for key, (fd, note) in inventory.sockets.items():
            if key.startswith(PEER):
                found[key], fds[key] = plain.load(PeerNote, note), fd
        self._registry.adopt(
            found, lambda key, note, position: self._doors.adopt(fds[key], note, position)
        )
        for key in found:
            self._registry.drop_unknown(key)

    def _tell_news(self, inventory: Inventory) -> None:
        assert self._supervisor is not None
        for frame in inventory.news:
            if frame["do"] == "survivors":
                self._supervisor.announce_survivors(frame["console"], frame["processes"])
            else:
                text = notices.leftover(frame["pid"], frame["ended"])
                say(f"console {frame['console']}: {text.decode().strip()}")
                self._supervisor.announce(frame["console"], text)

    def _tell_manager(self) -> None:
        notify("READY=1", f"MAINPID={os.getppid()}", "STATUS=serving")
        interval = int(os.environ.get("WATCHDOG_USEC", 0)) / 2e6
        if interval:
            self._ping_manager(interval)

    def _ping_manager(self, interval: float) -> None:
        notify("WATCHDOG=1")
        self._loop.call_later(interval, self._ping_manager, interval)

    # -- reloading ------------------------------------------------------------------------

    def _on_hangup(self) -> None:
        self._reopen_logs()
        self.reload()

    def _reopen_logs(self) -> None:
        if self._supervisor is not None:
            self._supervisor.reopen_logs()

    def reload(self, done: Callable[[list[str], bool], None] | None = None) -> None:
        """Read the configuration and do what it changes; ``done(lines, ok)`` hears of it."""
        if not self._serving:
            self._reload_again = True
            return
        if done is not None:
            self._waiting.append(done)
        if self._loading:  # the files may have been read before they were changed
            self._reload_again = True
            return
        self._loading = True
        self._on_reloaded, self._waiting = self._waiting, []
        notify("RELOADING=1")
        self._start(self._reload())

    async def _reload(self) -> None:
        loaded = await loading.load(self._options.config, self._link.run)
        self._tell_warnings(loaded)
        if loaded.site is None:
            self._reloaded([*loaded.errors, "nothing was changed"], ok=False)
            return
        endpoints = _endpoints_of(loaded.site.consoles, self._supervisor_now.condemned)
        self._endpoints.bind(endpoints, partial(self._reload_bound, loaded, endpoints))

    @property
    def _supervisor_now(self) -> Supervisor:
        assert self._supervisor is not None
        return self._supervisor

    def _reload_bound(
        self, loaded: loading.Loaded, wanted: Sequence[ListenConfig], bindings: Bindings
    ) -> None:
        if self._leaving:  # the successor reads the files itself
            self._endpoints.discard(bindings)
            return
        if bindings.errors:
            self._endpoints.discard(bindings)
            errors = [f"cannot open endpoint {text}" for text in bindings.errors.values()]
            self._reloaded([*errors, "nothing was changed"], ok=False)
            return
        self._endpoints.keep(bindings, wanted)
        assert loaded.site is not None
        changes = self._supervisor_now.apply(loaded.site)
        self.keep_config(loaded.plain)
        self._reloaded(list(changes.lines()), ok=True)

    def keep_config(self, site: Any) -> None:
        """Leave to a successor what is in force now."""
        condemned = [plain.dump(one) for one in self._supervisor_now.condemned]
        self._link.keep_config(kept.write(site, condemned))

    def _reloaded(self, lines: list[str], *, ok: bool) -> None:
        self._loading = False
        say("reloaded:" if ok else "reload refused:")
        for line in lines:
            say(f"  {line}")
        notify("READY=1")
        self._answer_reloads(lines, ok=ok)
        again, self._reload_again = self._reload_again, False
        if again:
            self.reload()

    def _answer_reloads(self, lines: list[str], *, ok: bool) -> None:
        waiting, self._on_reloaded = self._on_reloaded, []
        for done in waiting:
            done(lines, ok)

    def _tell_errors(self, loaded: loading.Loaded, what: str) -> None:
        for line in loaded.errors:
            say(line)
        say(what)

    def _tell_warnings(self, loaded: loading.Loaded) -> None:
        for line in loaded.warnings:
            say(f"warning: {line}")

    # -- handing over ---------------------------------------------------------------------

    def upgrade(self) -> None:
        """Start the newest version beside us; it takes over when it is ready, or never."""
        argv = [*with_keeper(self._options.starter, self._link.keeper_pid), "--replace"]
        os.posix_spawn(argv[0], argv, os.environ, setsid=True, setsigmask=())

    def hand_over(self, successor: int) -> None:
        """Leave everything to the keeper, and to whoever comes."""
        if self._leaving:
            return
        if self._link.lost and not self._told_to_go:
            self._told_to_go = True
            say("told to go, but only we hold the children: staying until there is a keeper")
            return
        self._leaving = True
        if self._supervisor is None:
            self._end(DETACHED)
            return
        self._endpoints.detach()
        self._answer_reloads(["a new worker takes over, and reads the files"], ok=False)
        self._loop.call_later(_POLL, self._control.close)
        self._supervisor.detach()
        self._registry.detach()
        self._start(self._detach(successor))

    async def _detach(self, successor: int) -> None:
        """A write that is under way has to end before somebody else writes."""
        await self._until(lambda: not self._supervisor_now.writing)
        self._link.detached()
        await self._until(self._link.has_said_all)
        if not successor or self._supervisor_now.writing:
            self._end(DETACHED)

    async def _until(self, reached: Callable[[], bool]) -> None:
        deadline = self._loop.time() + _LAST_WORDS
        while not reached() and self._loop.time() < deadline:
            await asyncio.sleep(_POLL)

    def leave(self) -> None:
        """The successor serves."""
        self._end(LEFT)

    def resume(self, why: str) -> None:
        """The successor has failed: our starter forks us anew, with our code."""
        say(f"going on as before: {why}")
        self.resumed = True
        self._link.abandon()
        self._end(DETACHED)

    def refused(self, why: str) -> None:
        """The keeper has no use for us."""
        say(f"refused by the keeper: {why}")
        self._end(REFUSED)

    def note_of(self, console: str) -> Any:
        """What the keeper was last told of a console."""
        return self._supervisor_now.consoles[console].note

    def keeper_lost(self) -> None:
        """Children run on; their exits are seen, and a new keeper gets them."""
        if self._supervisor is None:
            say("the keeper was gone before it had handed over anything")
            self._end(NO_KEEPER)
            return
        say("the keeper is gone; children run on, waiting for a new one")

    def keeper_back(self, pid: int) -> None:
        """A new keeper has everything."""
        say(f"keeper {pid} has taken over all children")
        self._supervisor_now.keeper_changed()
        if self._told_to_go:
            self.hand_over(0)

    # -- the end --------------------------------------------------------------------------

    def survivors(self, console: str, processes: Sequence[str]) -> None:
        """What could not be ended with a child."""
        say(f"console {console}: still running, in spite of SIGKILL: {', '.join(processes)}")
        self._supervisor_now.announce_survivors(console, processes)

    def stop_all(self) -> None:
        """Every child is to end, and then we."""
        if self._supervisor is None:
            self._on_all_ended()
        else:
            self._supervisor.stop_all()

    def _on_all_ended(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._start(self._finish())

    async def _finish(self) -> None:
        """Let readers and logs have the last words, then leave nothing behind."""
        if self._supervisor is not None:
            await self._until(lambda: self._supervisor_now.settled)
            self._endpoints.detach()
            for console in self._supervisor.consoles.values():
                for session in console.roster:
                    session.close()
            self._doors.close()
            removed = asyncio.Event()
            self._paths.submit(self._endpoints.release, lambda _: removed.set())
            await self._until(removed.is_set)
        self._link.stopped()
        await self._until(self._link.has_said_all)
        self._end(LEFT)

    # -- what the control frontend needs --------------------------------------------------

    @property
    def supervisor(self) -> Supervisor:
        """All consoles."""
        return self._supervisor_now

    @property
    def link(self) -> KeeperLink:
        """The keeper."""
        return self._link


def _endpoints_of(*groups: Sequence[ConsoleConfig]) -> list[ListenConfig]:
    return [one for group in groups for console in group for one in console.listen]
