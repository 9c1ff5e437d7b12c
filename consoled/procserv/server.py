"""Server: one console with its endpoints, from the first bind to the exit code.

Owned by ``main``. The order matters and is the same for everybody: look at the command, bind,
open the log, leave the shell, write the files, run. After that the loop never touches a
configured path: the log and the paths each have a Disk.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from consoled.config.procserv import ProcservOptions
from consoled.console.console import Console
from consoled.console.logfile import Logfile, open_log
from consoled.disk import Disk, attempt
from consoled.errors import ConfigError, EndpointError
from consoled.frontends.attach import AttachFrontend
from consoled.keeper.keeper import Keeper
from consoled.procserv import daemon, endpoints, meaning
from consoled.procserv.endpoints import Offer
from consoled.protocol.keys import KeyFilter
from consoled.protocol.stamp import LineStamper
from consoled.transports.listener import Listener, Room, raise_descriptor_limit
from consoled.transports.terminal import TerminalPeer, in_foreground

_PATH_PATIENCE = 1.0
"""Seconds that start and end wait for a file system: a hung one must not hang us."""

_LAST_WORDS = 1.0
"""Seconds that readers and logs get at the end to take what there is."""

_LOOK_AFTER_PATHS = 5.0


class Server:
    """One run of ``consoled-procserv``."""

    def __init__(self, program: str, options: ProcservOptions) -> None:
        self._program = program
        self._options = options
        self._offers: list[Offer] = []
        self._listeners: dict[int, Listener] = {}
        self._log_fd = -1
        self._reported_paths: set[str] = set()

    # -- before the loop ------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to stop; returns the exit code."""
        daemon.fill_standard_descriptors()
        for note in self._options.notes:
            print(note, file=sys.stderr)
        if self._options.foreground or self._options.debug:
            return self._try_to_prepare() or self._serve()
        leaving = daemon.Leaving()
        if leaving.is_shell:
            return leaving.wait()
        code = self._try_to_prepare()
        if code == 0 and not self._options.quiet:
            self._announce_daemon()
        leaving.tell(code)
        return code or self._serve()

    def _try_to_prepare(self) -> int:
        """Prepare, or say what is in the way; returns the exit code so far."""
        try:
            self._prepare()
        except meaning.CommandError as error:
            self._complain(str(error))
            return error.code
        except EndpointError as error:
            self._complain(f"{error}")
            self._complain(f"Exiting with error code: {error.errno}")
            return error.errno or 1
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 1
        self._write_files(os.getpid())
        return 0

    def _complain(self, text: str) -> None:
        print(f"{self._program}: {text}", file=sys.stderr, flush=True)

    def _prepare(self) -> None:
        """Everything whose failure the invoking shell wants to see."""
        options = self._options
        if options.compat == "2.7":
            attempt(partial(meaning.check_command, options), _PATH_PATIENCE)
        self._offers = endpoints.bind_all(options, self._complain)
        if options.chdir is not None:
            self._try_path(partial(os.stat, options.chdir), options.chdir)
        if options.logfile is not None and options.logfile != "-":
            trouble = f"unable to open log file {options.logfile}"
            fd = self._try_path(partial(open_log, options.logfile), trouble)
            self._log_fd = -1 if fd is None else fd

    def _try_path(self, job: Callable[[], object], subject: str) -> int | None:
        try:
            result = attempt(job, _PATH_PATIENCE)
        except OSError as error:
            self._complain(f"{subject}: {error.strerror}")
            return None
        return result if isinstance(result, int) else None

    def _announce_daemon(self) -> None:
        self._complain(f"spawning daemon process: {os.getpid()}")
        if self._log_fd < 0:
            port = "" if self._options.log is not None else " and no port for log connections"
            print(f"Warning: No log file{port} specified.", file=sys.stderr, flush=True)

    def _write_files(self, pid: int) -> None:
        info = daemon.info_text(pid, endpoints.addresses(self._offers))
        for path, text in ((self._options.pidfile, f"{pid}\n"), (self._options.infofile, info)):
            if path is not None:
                kind = "PID" if path == self._options.pidfile else "info"
                write = partial(daemon.write_file, path, text)
                self._try_path(write, f"unable to open {kind} file {path}")

    # -- the loop -------------------------------------------------------------------------

    def _serve(self) -> int:
        files_limit = raise_descriptor_limit()
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._paths = Disk("paths", loop)
        self._stopping = False
        options = self._options
        self._console = Console(
            loop,
            Keeper(loop),
            meaning.facts_of(self._program, options, os.getpid()),
            meaning.spec_of(options, endpoints.info_items(self._offers), files_limit),
            meaning.policy_of(options),
            KeyFilter(options.keys),
            partial(meaning.format_time, options.timefmt),
            self._stop,
        )
        self._console.notes_arrivals = options.logstamp is not None
        self._add_logs()
        self._room = Room()
        self._frontend = AttachFrontend(
            loop, self._console, self._room, options.replay, self._stamper
        )
        for offer in self._offers:
            self._listen(offer)
        self._take_signals()
        self._take_terminal()
        loop.call_soon(self._console.begin)
        if any(offer.bound.path for offer in self._offers):
            loop.call_later(_LOOK_AFTER_PATHS, self._look_after_paths)
        gc.collect()
        gc.freeze()
        loop.run_forever()
        loop.run_until_complete(self._finish())
        return self._exit_code()

    def _stamper(self) -> LineStamper | None:
        pattern = self._options.logstamp
        if pattern is None:
            return None
        return LineStamper(lambda second: os.fsencode(meaning.format_time(pattern, second)))

    def _add_logs(self) -> None:
        options = self._options
        if options.logfile == "-" or options.debug:
            self._add_log("-", 1, named=False)
        if options.logfile is not None and options.logfile != "-":
            self._add_log(os.path.abspath(options.logfile), self._log_fd, named=True)

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
            if self._options.foreground:
                signal.signal(number, signal.SIG_IGN)
            else:
                loop.add_signal_handler(number, console.shut_down)

    def _take_terminal(self) -> None:
        wanted = self._options.foreground and self._options.logfile != "-"
        if wanted and not self._options.debug and in_foreground(0):
            try:
                terminal = TerminalPeer(0)
            except OSError as error:
                self._complain(f"cannot serve this terminal: {error.strerror}: {error.filename}")
                return
            # A server that was put into the background must not be stopped for its terminal.
            for number in (signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, signal.SIG_IGN)
            self._frontend.terminal(terminal)
            self._loop.add_signal_handler(signal.SIGWINCH, self._resized, terminal)

    def _resized(self, terminal: TerminalPeer) -> None:
        if terminal.fileno() >= 0:
            self._console.resized(*terminal.size())

    # -- looking after paths --------------------------------------------------------------

    def _look_after_paths(self) -> None:
        """A socket's path may be deleted under us (tmp cleaners): make it anew."""
        self._paths.submit(partial(endpoints.restore, tuple(self._offers)), self._restored)

    def _restored(self, found: Sequence[tuple[Offer, Offer | str]] | Exception) -> None:
        for lost, new in () if isinstance(found, Exception) else found:
            if isinstance(new, str):
                self._report_path(lost, new)
                continue
            if self._stopping:
                endpoints.release([new])
                continue
            self._listeners.pop(id(lost)).close()
            self._offers[self._offers.index(lost)] = new
            self._listen(new)
            self._report_path(lost, "was deleted; listening there again")
        if not self._stopping:
            self._loop.call_later(_LOOK_AFTER_PATHS, self._look_after_paths)

    def _report_path(self, lost: Offer, what: str) -> None:
        text = f"socket {lost.bound.path} {what}"
        if text not in self._reported_paths:
            self._reported_paths.add(text)
            self._complain(text)

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
        self._paths.submit(self._remove_paths, lambda _: removed.set())
        try:
            await asyncio.wait_for(removed.wait(), _PATH_PATIENCE)
        except TimeoutError:
            self._complain("a file system hangs: socket, pid and info files stay behind")

    def _remove_paths(self) -> None:
        endpoints.release(self._offers)
        named = (self._options.pidfile, self._options.infofile)
        daemon.remove_files(path for path in named if path is not None)

    def _exit_code(self) -> int:
        status = self._console.status
        if not self._console.facts.profile.truthful_exit or status is None:
            return 0
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status)
        return os.WEXITSTATUS(status)
