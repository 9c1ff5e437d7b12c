"""What a procServ command line means in terms of one console: values out of options."""

import errno
import os
import resource
import stat
import time
from collections.abc import Sequence

from consoled.config.model import RestartMode, RestartPolicy, SpawnSpec
from consoled.config.procserv import ProcservOptions
from consoled.console.localtime import format_time
from consoled.errors import ConfigError
from consoled.protocol.keys import show_key
from consoled.protocol.notices import PROFILES, Facts

_DEFAULT_PATH = "/bin:/usr/bin"


class CommandError(ConfigError):
    """The command cannot be run; ``code`` is the exit code that says so."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def facts_of(program: str, options: ProcservOptions, server_pid: int) -> Facts:
    """The unchanging subject of all notices."""
    directory = _working_directory()
    keys = options.keys
    return Facts(
        profile=PROFILES[options.compat],
        program=program,
        name=_shown_name(options.name),
        titled=options.titled,
        command=options.command[0],
        argv0=options.argv0,
        server_pid=server_pid,
        server_directory=directory,
        child_directory=options.chdir if options.chdir is not None else directory,
        log=options.logfile,
        kill_key=_shown(keys.kill),
        toggle_key=_shown(keys.toggle),
        logout_key=_shown(keys.logout),
        server_started=format_time(options.timefmt, time.time()),
    )


def _shown_name(name: str) -> str:
    """A name may hold any byte but those that would begin a line of their own."""
    return "".join(
        "?" if character < " " or character == "\x7f" else character for character in name
    )


def _shown(key: int | None) -> str | None:
    return None if key is None else show_key(key)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.environ.get("PWD", "(deleted)")


def policy_of(options: ProcservOptions) -> RestartPolicy:
    """When the child is started again and how it is ended."""
    ring = PROFILES[options.compat].ring
    return RestartPolicy(
        mode=RestartMode(options.mode.upper()),
        ring=tuple(RestartMode(mode) for mode in ring),
        holdoff=options.holdoff,
        wait_for_start=options.wait,
        kill_signal=options.killsig,
        grace_period=options.grace_period,
    )


def spec_of(
    options: ProcservOptions, addresses: Sequence[str], files: tuple[int, int]
) -> SpawnSpec:
    """How to start the child; ``files`` is the limit of open files the server was given."""
    environment = dict(os.environb)
    environment[b"PROCSERV_INFO"] = os.fsencode(";".join((f"PID={os.getpid()}", *addresses)))
    limits = [(resource.RLIMIT_NOFILE, *files)]
    if options.coresize is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        soft = options.coresize if hard < 0 else min(options.coresize, hard)
        limits.append((resource.RLIMIT_CORE, soft, hard))
    return SpawnSpec(
        argv=tuple(os.fsencode(word) for word in options.arguments),
        files=tuple(os.fsencode(file) for file in _candidates(options)),
        environment=environment,
        chdir=None if options.chdir is None else os.fsencode(options.chdir),
        limits=tuple(limits),
    )


def _candidates(options: ProcservOptions) -> list[str]:
    """The files an exec will try: the command itself, or that name along PATH."""
    command = options.exec_file or options.command[0]
    if "/" in command:
        return [command]
    path = os.environ.get("PATH", _DEFAULT_PATH)
    return [os.path.join(directory or ".", command) for directory in path.split(":")]


def check_command(options: ProcservOptions) -> None:
    """Refuse a command that could never start; looks where the exec will look."""
    command = options.exec_file or options.command[0]
    denied = None
    for file in _candidates(options):
        try:
            mode = os.stat(os.path.join(options.chdir or "", file)).st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            denied = f"{command} is not a regular file"
        elif not mode & 0o111:
            denied = f"{command} is not executable; make it so: chmod +x {file}"
        else:
            return
    if denied:
        raise CommandError(denied, errno.EACCES)
    where = "" if "/" in command else " in $PATH"
    raise CommandError(f"{command}: No such file or directory{where}", errno.EINVAL)
