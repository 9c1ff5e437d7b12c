"""Server: one console with its endpoints, from the start of its loop to the exit code.

Owned by ``main``. The loop never touches a configured path: the log and the paths each have
a Disk.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Sequence
from functools import partial

from consoled.config.model import SpawnSpec
from consoled.console.console import Console
from consoled.console.localtime import format_time
from consoled.console.logfile import Logfile
from consoled.disk import Disk
from consoled.frontends.attach import AttachFrontend
from consoled.keeper.keeper import Keeper
from consoled.procserv import endpoints, meaning
from consoled.procserv.endpoints import Offer
from consoled.procserv.startup import PATH_PATIENCE, Startup
from consoled.protocol.keys import KeyFilter
from consoled.protocol.stamp import LineStamper
from consoled.transports.listener import Listener, Room, raise_descriptor_limit
from consoled.transports.terminal import TerminalPeer, in_foreground

_LAST_WORDS = 1.0
"""Seconds that readers and logs get at the end to take what there is."""

_LOOK_AFTER_PATHS = 5.0


class Server:
    """One run of ``consoled-procserv``."""

    def __init__(self, startup: Startup) -> None:
        self._startup = startup
        self._listeners: dict[int, Listener] = {}
        self._reported_paths: set[str] = set()

    # -- the loop -------------------------------------------------------------------------

    def serve(self) -> int:
        """Serve the console until told to stop; returns the exit code."""
        files_limit = raise_descriptor_limit()
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._paths = Disk("paths", loop)
        self._stopping = False
        options = self._startup.options
        self._console = Console(
            loop,
            Keeper(loop),
            meaning.facts_of(self._startup.program, options, os.getpid()),
            partial(self._spec, files_limit),
            meaning.policy_of(options),
            KeyFilter(options.keys),
            partial(format_time, options.timefmt),
            self._stop,
        )
        self._console.notes_arrivals = options.logstamp is not None
        self._add_logs()
        self._room = Room()
        self._frontend = AttachFrontend(
            loop, self._console, self._room, options.replay, self._stamper
        )
        for offer in self._startup.offers:
            self._listen(offer)
        self._take_signals()
        self._take_terminal()
        loop.call_soon(self._console.begin)
        if any(offer.bound.path for offer in self._startup.offers):
            loop.call_later(_LOOK_AFTER_PATHS, self._look_after_paths)
        gc.collect()
        gc.freeze()
        loop.run_forever()
        loop.run_until_complete(self._finish())
        return self._exit_code()

    def _spec(self, files_limit: tuple[int, int]) -> SpawnSpec:
        items = endpoints.info_items(self._startup.offers)
        return meaning.spec_of(self._startup.options, items, files_limit)

    def _stamper(self) -> LineStamper | None:
        pattern = self._startup.options.logstamp
        if pattern is None:
            return None
        return LineStamper(lambda second: os.fsencode(format_time(pattern, second)))

    def _add_logs(self) -> None:
        options = self._startup.options
        if options.logfile == "-" or options.debug:
            self._add_log("-", 1, named=False)
        if options.logfile is not None and options.logfile != "-":
            self._add_log(os.path.abspath(options.logfile), self._startup.log_fd, named=True)

    def _add_log(self, path: str, fd: int, *, named: bool) -> None:
        console = self._console
        console.add_log(
            Logfile(
                self._loop,
                Disk("log", self._loop),
                console.spool,
                path,
                fd=fd,
                named=named,
                stamper=self._stamper(),
                arrivals=console.arrivals,
                on_trouble=console.announce,
                on_progress=console.log_moved,
            )
        )

    def _listen(self, offer: Offer) -> None:
        attach = self._frontend.logger if offer.is_log else self._frontend.user
        self._listeners[id(offer)] = Listener(
            self._loop, offer.bound.listening, self._room, partial(attach, raw=offer.bound.raw)
        )

    def _take_signals(self) -> None:
        loop, console = self._loop, self._console
        loop.add_signal_handler(signal.SIGTERM, console.shut_down)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, console.reopen_logs)
        for number in (signal.SIGINT, signal.SIGQUIT):
            if self._startup.options.foreground:
                signal.signal(number, signal.SIG_IGN)
            else:
                loop.add_signal_handler(number, console.shut_down)

    def _take_terminal(self) -> None:
        wanted = self._startup.options.foreground and self._startup.options.logfile != "-"
        if wanted and not self._startup.options.debug and in_foreground(0):
            try:
                terminal = TerminalPeer(0)
            except OSError as error:
                self._startup.complain(
                    f"cannot serve this terminal: {error.strerror}: {error.filename}"
                )
                return
            # A server that was put into the background must not be stopped for its terminal.
            for number in (signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, signal.SIG_IGN)
            self._frontend.terminal(terminal)
            self._loop.add_signal_handler(signal.SIGWINCH, self._resized, terminal)

    def _resized(self, terminal: TerminalPeer) -> None:
        try:
            self._console.resized(*terminal.size())
        except OSError:  # logged out, or hung up
            pass

    # -- looking after paths --------------------------------------------------------------

    def _look_after_paths(self) -> None:
        """A socket's path may be deleted under us (tmp cleaners): make it anew."""
        if self._stopping:
            return
        self._paths.submit(partial(endpoints.restore, tuple(self._startup.offers)), self._restored)

    def _restored(self, found: Sequence[tuple[Offer, Offer | str]] | Exception) -> None:
        for lost, new in () if isinstance(found, Exception) else found:
            if isinstance(new, str):
                self._report_path(lost, new)
                continue
            if self._stopping:
                endpoints.release([new])
                continue
            self._listeners.pop(id(lost)).close()
            self._startup.offers[self._startup.offers.index(lost)] = new
            self._listen(new)
            self._report_path(lost, "was deleted; listening there again")
        self._loop.call_later(_LOOK_AFTER_PATHS, self._look_after_paths)

    def _report_path(self, lost: Offer, what: str) -> None:
        text = f"socket {lost.bound.path} {what}"
        if text not in self._reported_paths:
            self._reported_paths.add(text)
            self._startup.complain(text)

    # -- the end --------------------------------------------------------------------------

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._loop.stop()

    async def _finish(self) -> None:
        """Let readers and logs have the last words, then leave nothing behind."""
        for listener in self._listeners.values():
            listener.close()
        deadline = self._loop.time() + _LAST_WORDS
        while not self._console.settled and self._loop.time() < deadline:
            await asyncio.sleep(0.005)
        for session in self._console.roster:
            session.close()
        removed = asyncio.Event()
        self._paths.submit(self._startup.release, lambda _: removed.set())
        try:
            await asyncio.wait_for(removed.wait(), PATH_PATIENCE)
        except TimeoutError:
            self._startup.complain("a file system hangs: socket, pid and info files stay behind")

    def _exit_code(self) -> int:
        status = self._console.status
        if not self._console.facts.profile.truthful_exit or status is None:
            return 0
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status)
        return os.WEXITSTATUS(status)
