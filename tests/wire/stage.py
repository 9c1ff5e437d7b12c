"""Stage: where a script plays, a client on a terminal with the proxy before its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pexpect  # type: ignore[import-untyped]

from .proxy import Proxy

SIZES: Final = ((31, 97), (50, 255), (24, 80))
"""Rows and columns that windows take; 255 has to be doubled on the wire."""


@dataclass
class Stage:
    """One session: the proxy in front of a server, and the terminal its client runs on."""

    proxy: Proxy
    folder: Path
    environment: dict[str, str]
    sizes: list[tuple[int, int]] = field(default_factory=lambda: [SIZES[0]])
    spawned: list[Any] = field(default_factory=list)

    @property
    def port(self) -> str:
        """The port that a TCP client connects to."""
        return str(self.proxy.address[1])

    def run(self, *argv: str) -> Any:
        """Start a client on a terminal."""
        user = pexpect.spawn(
            argv[0], list(argv[1:]), env=self.environment, dimensions=SIZES[0], timeout=10
        )
        self.spawned.append(user)
        return user

    def close(self) -> None:
        """End what still runs."""
        for user in self.spawned:
            user.close(force=True)


def press(user: Any, keys: bytes, *echoes: bytes) -> None:
    """Press keys and wait for what the child got, by default just these bytes."""
    user.send(keys)
    for echo in echoes or [b"".join(b"<%02x>" % key for key in keys)]:
        user.expect_exact(echo)


def greeted(user: Any) -> None:
    """Wait for the greeting and show that the connection works."""
    user.expect_exact("(plus you)")
    press(user, b"~")


def command_keys(user: Any) -> None:
    """Toggle twice, then have the child killed and started again."""
    press(user, b"\x14", b"restart to OFF")
    press(user, b"\x14", b"restart to ON")
    press(user, b"\x18", b"killed by signal 9", b"READY")
    press(user, b"~")


def local(user: Any, command: str) -> None:
    """Give telnet itself a command."""
    user.send("\x1d")
    user.expect_exact("telnet> ")
    user.send(command + "\r")
