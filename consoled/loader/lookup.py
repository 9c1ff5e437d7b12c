"""Lookup: users, groups, hosts and places of this machine, each asked for once.

These questions go to files, LDAP or DNS and may take long, which is why a server does not
ask them itself. ``uid`` and ``environ`` are those of the server.
"""

import grp
import os
import posixpath
import pwd
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from consoled.config.model import Identity
from consoled.errors import ConfigError

LOOPBACK: Final = ("127.0.0.1", "::1")

_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_ROOT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Person:
    """A user; one that is only a number has no group."""

    name: str
    uid: int
    gid: int | None
    home: str = "/"
    shell: str = "/bin/sh"

    def environment(self) -> dict[str, str]:
        """What a login would set."""
        return {
            "PATH": _ROOT_PATH if self.uid == 0 else _PATH,
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": self.shell,
        }


@cache
def find_user(name: str) -> Person:
    """A user by name or number."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        if (uid := _number(name)) is None:
            raise ConfigError(f'there is no user "{name}" on this machine') from None
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return Person(name, uid, None)
    home, shell = entry.pw_dir or "/", entry.pw_shell or "/bin/sh"
    return Person(entry.pw_name, entry.pw_uid, entry.pw_gid, home, shell)


@cache
def find_group(name: str) -> int:
    """The number of a group by name or number."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if (gid := _number(name)) is not None:
            return gid
    raise ConfigError(f'there is no group "{name}" on this machine')


def _number(text: str) -> int | None:
    """A uid or gid; the highest number means "nobody is changed" to the system."""
    if re.fullmatch("[0-9]{1,10}", text) and int(text) < 2**32 - 1:
        return int(text)
    return None


@cache
def find_addresses(host: str) -> tuple[str, ...]:
    """The addresses of a host; an address is its own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f'host "{host}" has no address: {reason}') from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _all_groups(name: str, gid: int) -> tuple[int, ...]:
    return tuple(os.getgrouplist(name, gid))


class Lookup:
    """Answers as the server's user would get them."""

    def __init__(self, uid: int | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.uid = os.geteuid() if uid is None else uid
        self.environ = os.environ if environ is None else environ
        self.own = find_user(str(self.uid))

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    def person(self, user: str | None, group: str | None) -> Person:
        """Who a child is to be; ConfigError if that cannot be had."""
        person = find_user(user) if user else self.own
        if not self.is_root and person.uid != self.uid:
            raise ConfigError(f"{self._who()} cannot become {person.name}; only root can")
        if self.is_root and person.gid is None and not group:
            raise ConfigError(f"user {person.name} is no user of this machine: give a group, too")
        return person

    def identity(self, person: Person, user: str | None, group: str | None) -> Identity | None:
        """What to change for a child to be ``person``; None if nothing is to be changed."""
        gid = find_group(group) if group else person.gid
        if not self.is_root:
            if gid != self.own.gid:
                raise ConfigError(f"{self._who()} cannot change its group; only root can")
            return None
        if gid is None or not (user or group):
            return None
        return Identity(person.uid, gid, _all_groups(person.name, gid))

    def _who(self) -> str:
        return f"the server runs as {self.own.name} and"

    def home_directory(self) -> str:
        """Where children start if nothing else is said, as under systemd."""
        return "/" if self.is_root else self.environ.get("HOME") or self.own.home

    def run_dir(self) -> str:
        if self.is_root:
            return "/run/consoled"
        if runtime := self.environ.get("XDG_RUNTIME_DIR"):
            return posixpath.join(runtime, "consoled")
        raise ConfigError('XDG_RUNTIME_DIR is not set: give run_dir = "..." in [server]')

    def state_dir(self) -> str:
        if self.is_root:
            return "/var/lib/consoled"
        state = self.environ.get("XDG_STATE_HOME")
        return posixpath.join(state or f"{self.home_directory()}/.local/state", "consoled")

    def log_dir(self, state_dir: str) -> str:
        return "/var/log/consoled" if self.is_root else posixpath.join(state_dir, "log")
