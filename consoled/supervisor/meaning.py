"""What a console's configuration means in terms of its objects: values out of values."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from consoled.config.model import ConsoleConfig, ListenConfig, RestartMode, RestartPolicy, SpawnSpec
from consoled.console.localtime import format_time
from consoled.protocol.keys import show_key
from consoled.protocol.notices import PROFILES, Facts


def facts_of(config: ConsoleConfig, server_pid: int, server_started: float) -> Facts:
    """The subject of all notices of a console; the server people see is the keeper."""
    keys = config.keys
    return Facts(
        profile=PROFILES[config.profile],
        program="consoled",
        name=config.name,
        titled=True,
        command=config.executable or config.command[0],
        argv0=config.command[0],
        server_pid=server_pid,
        server_directory="/",
        child_directory=config.directory,
        log=config.log.file,
        kill_key=_shown(keys.kill),
        toggle_key=_shown(keys.toggle),
        logout_key=_shown(keys.logout),
        server_started=format_time(config.time_format, server_started),
        alone=False,
    )


def _shown(key: int | None) -> str | None:
    return None if key is None else show_key(key)


def policy_of(config: ConsoleConfig) -> RestartPolicy:
    """The restart policy, with the ring of ^T that the console's profile has."""
    ring = tuple(RestartMode(mode) for mode in PROFILES[config.profile].ring)
    return replace(config.policy, ring=ring)


def spec_of(config: ConsoleConfig, server_pid: int) -> SpawnSpec:
    """How to start the child: exactly the environment that was configured, and PROCSERV_INFO."""
    environment = {os.fsencode(k): os.fsencode(v) for k, v in config.environment.items()}
    items = (f"PID={server_pid}", *_offers(config.listen))
    environment[b"PROCSERV_INFO"] = os.fsencode(";".join(items))
    return SpawnSpec(
        argv=tuple(os.fsencode(word) for word in config.command),
        files=tuple(os.fsencode(file) for file in _candidates(config)),
        environment=environment,
        chdir=os.fsencode(config.directory),
        limits=config.limits,
        identity=config.identity,
        umask=config.umask,
        size=config.size,
    )


def _offers(listen: Sequence[ListenConfig]) -> Iterator[str]:
    """Endpoints in the order of an info file; LOG is one where nobody may type."""
    for one in reversed(listen):
        yield from (f"{'LOG' if one.read_only else 'CTL'}={at}" for at in addresses_of(one))


def _candidates(config: ConsoleConfig) -> Sequence[str]:
    """The files an exec will try: the command itself, or that name along the child's PATH."""
    command = config.executable or config.command[0]
    if "/" in command:
        return [command]
    path = config.environment.get("PATH", "/usr/bin:/bin")
    return [os.path.join(directory or ".", command) for directory in path.split(":")]


def addresses_of(listen: ListenConfig) -> list[str]:
    """An endpoint as info files have it, one line for each address."""
    if listen.port is None:
        return [f"unix:{'@' if listen.abstract else ''}{listen.path}"]
    shown = (f"[{a}]" if ":" in a else a for a in listen.addresses)
    return [f"tcp:{address}:{listen.port}" for address in shown]
