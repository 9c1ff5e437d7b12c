"""Startup: everything that comes before the loop, in the one order that is right.

Look at the command, bind, open the log, leave the shell, write the files. What goes wrong is
told to the shell that asked; whatever hangs meanwhile holds the server and never the shell.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from consoled.config.procserv import ProcservOptions
from consoled.console.logfile import open_log
from consoled.disk import attempt
from consoled.errors import ConfigError, EndpointError
from consoled.procserv import daemon, endpoints, meaning
from consoled.procserv.endpoints import Offer

PATH_PATIENCE = 1.0
"""Seconds that start and end wait for a file system: a hung one must not hang us."""

_BIND_PATIENCE = 10.0
"""Seconds that all endpoints together may take: names may have to be looked up."""


class Startup:
    """What a server stands on once it runs: its options, endpoints, log and files.

    ``log_fd`` is -1 while the log could not be opened. ``release`` gives everything back.
    """

    def __init__(self, program: str, options: ProcservOptions) -> None:
        self.program = program
        self.options = options
        self.offers: list[Offer] = []
        self.log_fd = -1
        self._files: dict[str, str] = {}

    def run(self, serve: Callable[["Startup"], int]) -> int:
        """Prepare, then serve, in the background if so wanted; returns the exit code."""
        daemon.fill_standard_descriptors()
        for note in self.options.notes:
            print(note, file=sys.stderr)
        if self.options.foreground or self.options.debug:
            self._mind_early_signals()
            return self._try_to_prepare() or self._try_to_serve(serve)
        leaving = daemon.Leaving()
        if leaving.is_shell:
            return leaving.wait()
        self._mind_early_signals()
        code = self._try_to_prepare()
        if code == 0 and not self.options.quiet:
            self._announce_daemon()
        leaving.tell(code)
        return code or self._try_to_serve(serve)

    def complain(self, text: str) -> None:
        """One line for whoever started the server."""
        print(f"{self.program}: {text}", file=sys.stderr, flush=True)

    def release(self) -> None:
        """Close the endpoints and remove what is ours of sockets and files."""
        endpoints.release(self.offers)
        for path, text in self._files.items():
            daemon.remove_file(path, text)

    def _mind_early_signals(self) -> None:
        """Until the loop takes them over: told to end means to clean up and end."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if self.options.foreground:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    def _try_to_prepare(self) -> int:
        """Prepare, or say what is in the way; returns the exit code so far."""
        try:
            self._prepare()
        except meaning.CommandError as error:
            self.complain(str(error))
            return error.code
        except EndpointError as error:
            self.complain(str(error))
            self.complain(f"Exiting with error code: {error.errno}")
            return error.errno or 1
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            self.release()
            return 1
        return 0

    def _try_to_serve(self, serve: Callable[["Startup"], int]) -> int:
        """Serve; whatever goes wrong with the machine leaves one line and no files behind."""
        try:
            return serve(self)
        except OSError as error:
            self.complain(f"cannot serve the console: {error}")
        except KeyboardInterrupt:
            self.complain("told to end before the console was served")
        self.release()
        return 1

    def _prepare(self) -> None:
        """Everything whose failure the invoking shell wants to see."""
        options = self.options
        if options.compat == "2.7":
            self._check_command()
        self._bind()
        if options.chdir is not None:
            self._try_path(partial(os.stat, options.chdir), options.chdir, "")
        if options.logfile is not None and options.logfile != "-":
            trouble = f"unable to open log file {options.logfile}"
            fd = self._try_path(partial(open_log, options.logfile), trouble)
            self.log_fd = fd if isinstance(fd, int) else -1
        self._write_files()

    def _check_command(self) -> None:
        try:
            attempt(partial(meaning.check_command, self.options), PATH_PATIENCE)
        except TimeoutError:
            self.complain(f"{self.options.command[0]}: does not answer; going on all the same")

    def _bind(self) -> None:
        try:
            bind = partial(endpoints.bind_all, self.options, self.complain)
            self.offers = attempt(bind, _BIND_PATIENCE)
        except TimeoutError as error:
            text = "the endpoints cannot be opened: a directory or the name service hangs"
            raise EndpointError(text, errno.ETIMEDOUT) from error

    def _try_path(
        self, job: Callable[[], object], subject: str, hint: str = "; is its directory there?"
    ) -> object:
        """Do what touches a path; a failure is told and no reason to stop."""
        try:
            return attempt(job, PATH_PATIENCE)
        except FileNotFoundError as error:
            self.complain(f"{subject}: {error.strerror}{hint}")
        except OSError as error:
            self.complain(f"{subject}: {error.strerror}")
        return None

    def _announce_daemon(self) -> None:
        self.complain(f"spawning daemon process: {os.getpid()}")
        if self.log_fd < 0:
            port = "" if self.options.log is not None else " and no port for log connections"
            print(f"Warning: No log file{port} specified.", file=sys.stderr, flush=True)

    def _write_files(self) -> None:
        pid = os.getpid()
        info = daemon.info_text(pid, endpoints.addresses(self.offers))
        wanted = (
            ("PID", self.options.pidfile, f"{pid}\n"),
            ("info", self.options.infofile, info),
        )
        for kind, path, text in wanted:
            if path is not None:
                self._files[path] = text
                write = partial(daemon.write_file, path, text)
                self._try_path(write, f"unable to open {kind} file {path}")
