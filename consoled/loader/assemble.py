"""Assembles a site: options become the values of config/model.py, with every name resolved."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from consoled.config.envfile import parse_envfile
from consoled.config.locate import Path
from consoled.config.model import (
    ConsoleConfig,
    Identity,
    LogConfig,
    RestartMode,
    RestartPolicy,
    ServerConfig,
    SiteConfig,
)
from consoled.config.problem import Problem
from consoled.config.resolve import Resolution, Resolved, resolve
from consoled.config.schema import ConsoleOptions, LimitOptions
from consoled.config.table import names_of
from consoled.errors import ConfigError
from consoled.loader.endpoints import Endpoints
from consoled.loader.lookup import Lookup, Person, find_group
from consoled.loader.read import Files, Reader, UnreadableError
from consoled.protocol.keys import KeyMap
from consoled.protocol.notices import PROFILES

SERVER_GROUP: Final = "consoled"

# Those that every terminal program looks at, if the server was given them.
_INHERITED: Final = ("LANG", "TZ")
_TERMINAL: Final = "xterm"


@dataclass(slots=True)
class Outcome:
    """What came of a configuration; ``site`` is None if there are problems.

    ``consoles`` are all that could be assembled, with the options they were made of.
    """

    site: SiteConfig | None
    log_dir: str
    resolution: Resolution
    consoles: list[tuple[Resolved, ConsoleConfig]]
    problems: list[Problem]
    warnings: list[Problem]


def load(files: Files, main: str, lookup: Lookup) -> Outcome:
    """Read a configuration from its main file on; nothing is raised for what is in it."""
    reader = Reader(files)
    reader.read(main)
    resolution = resolve(reader.tables, reader.complete)
    problems = reader.problems + reader.tables.problems + resolution.problems
    server, log_dir, faults = _server(main, resolution, lookup)
    assembly = _Assembly(files, lookup, log_dir, Endpoints(server, lookup))
    assembled = [(each, assembly.console(each)) for each in resolution.consoles]
    consoles = [(each, config) for each, config in assembled if config is not None]
    problems = in_order([*problems, *faults, *assembly.problems, *assembly.endpoints.problems])
    warnings = in_order([*assembly.warnings, *assembly.endpoints.warnings])
    site = None
    if not problems:
        made = tuple(config for _, config in consoles)
        site = SiteConfig(server, made, resolution.groups, tuple(map(str, warnings)))
    return Outcome(site, log_dir, resolution, consoles, problems, warnings)


def in_order(problems: list[Problem]) -> list[Problem]:
    """By file and line, each only once however many consoles share the line."""
    return sorted(set(problems))


def _server(
    main: str, resolution: Resolution, lookup: Lookup
) -> tuple[ServerConfig, str, list[Problem]]:
    options, merged = resolution.server, resolution.server_merged
    problems: list[Problem] = []

    def note(path: Path, error: ConfigError) -> None:
        if merged is not None:
            problems.append(merged.problem(path, str(error)))
        else:
            problems.append(Problem(main, 0, "server", "", str(error)))

    run_dir, gid = options.run_dir or "/", -1
    try:
        run_dir = options.run_dir or lookup.run_dir()
    except ConfigError as error:
        note(("run_dir",), error)
    try:
        gid = _server_gid(options.group)
    except ConfigError as error:
        note(("group",), error)
    state_dir = options.state_dir or lookup.state_dir()
    usual = lookup.log_dir(state_dir)
    log_dir = options.log_dir or usual
    server = ServerConfig(
        os.path.normpath(run_dir),
        os.path.normpath(state_dir),
        gid,
        options.allow_remote_plaintext,
        usual if log_dir == usual else None,
    )
    return server, log_dir, problems


def _server_gid(group: str | None) -> int:
    if group is not None:
        return find_group(group)
    try:
        return find_group(SERVER_GROUP)
    except ConfigError:
        return -1


@dataclass(slots=True)
class _Assembly:
    """What consoles are made with; problems and warnings gather here."""

    files: Files
    lookup: Lookup
    log_dir: str
    endpoints: Endpoints
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def console(self, console: Resolved) -> ConsoleConfig | None:
        """One console; None if it cannot be one."""
        options, own = console.options, console.merged.own
        listen = self.endpoints.listen(console)
        environment = dict(self._variables(console))
        found = self._identity(console)
        if found is None or options.command is None:
            return None
        person, identity = found
        return ConsoleConfig(
            name=console.name,
            command=options.command,
            directory=options.chdir or self.lookup.home_directory(),
            description=options.description,
            executable=options.executable,
            environment=self._environment(person)
            | environment
            | {"CONSOLED_CONSOLE": console.name},
            identity=identity,
            user=person.name,
            umask=options.umask,
            limits=tuple(_limits(options.limits)),
            size=options.size,
            policy=_policy(options),
            keys=KeyMap(options.kill, options.toggle, options.logout, options.ignore),
            listen=listen,
            log=self._log(console),
            info_file=self._below_run_dir(options.info_file),
            replay=options.replay,
            scrollback=options.scrollback,
            time_format=options.time_format,
            profile=options.profile,
            file=own.document.file,
            line=own.line(),
        )

    def _identity(self, console: Resolved) -> tuple[Person, Identity | None] | None:
        """Who the child is, and what to change for that."""
        user, group = console.options.user, console.options.group
        key = "user"
        try:
            person = self.lookup.person(user, group)
            key = "group"
            return person, self.lookup.identity(person, user, group)
        except ConfigError as error:
            self.problems.append(console.merged.problem((key,), str(error)))
            return None

    def _environment(self, person: Person) -> dict[str, str]:
        """What every child finds, whatever is configured."""
        given = {name: self.lookup.environ.get(name) for name in _INHERITED}
        inherited = {name: value for name, value in given.items() if value is not None}
        return person.environment() | {"TERM": _TERMINAL} | inherited

    def _variables(self, console: Resolved) -> Iterator[tuple[str, str]]:
        for place, path in env_files(console):
            yield from self._file_variables(console, place, path)
        yield from console.options.environment.items()

    def _file_variables(
        self, console: Resolved, place: Path, path: str
    ) -> Iterator[tuple[str, str]]:
        try:
            read = parse_envfile(self.files.read(path))
        except UnreadableError as error:
            problem = console.merged.problem(place, f"{path} {error}")
            (self.warnings if error.missing else self.problems).append(problem)
            return
        self.problems += [Problem(path, line, "", "", text) for line, text in read.faults]
        yield from read.values.items()

    def _log(self, console: Resolved) -> LogConfig:
        log = console.options.log
        name = f"{console.name}.log" if log.file is None else log.file
        file = os.path.normpath(os.path.join(self.log_dir, name)) if name else None
        return LogConfig(file, log.timestamp, log.patience)

    def _below_run_dir(self, path: str | None) -> str | None:
        if path is None:
            return None
        return os.path.normpath(os.path.join(self.endpoints.server.run_dir, path))


def env_files(console: Resolved) -> Iterator[tuple[Path, str]]:
    """Where each file of variables is named, and its absolute path."""
    folder = os.path.dirname(console.merged.source(("env_file",)).document.file)
    for place, path in enumerate(console.options.env_file):
        yield ("env_file", place), os.path.normpath(os.path.join(folder, path))


def _limits(options: LimitOptions) -> Iterator[tuple[int, int, int]]:
    for name in names_of(LimitOptions):
        limit = getattr(options, "as_" if name == "as" else name)
        if limit is not None:
            yield getattr(resource, f"RLIMIT_{name.upper()}"), *limit


def _policy(options: ConsoleOptions) -> RestartPolicy:
    return RestartPolicy(
        mode=RestartMode(options.restart.upper()),
        ring=tuple(RestartMode(mode) for mode in PROFILES[options.profile].ring),
        holdoff=options.holdoff,
        wait_for_start=not options.autostart,
        kill_signal=options.kill_signal,
        grace_period=options.stop_timeout,
        solitary=False,
        stop_keys=options.stop_keys,
        stop_signal=options.stop_signal,
        start_limit=options.start_limit,
        start_limit_interval=options.start_limit_interval,
    )
