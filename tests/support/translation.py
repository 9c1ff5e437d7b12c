"""procServ's command line as one console of `consoled`: the same wishes in the other words.

Options are read as getopt_long(3) does. What has no meaning there is not known here, so that a
case which needs it fails instead of testing something else.
"""

from __future__ import annotations

import getopt
import json
import resource
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMELESS = "nameless"
"""A console must have a name; this one stands for procServ's child without -n."""

_SHORT = "wc:e:i:k:l:n:x:I:L:"
_LONG = [
    *("autorestartcmd=", "chdir=", "coresize=", "exec=", "grace-period=", "holdoff=", "ignore="),
    *("info-file=", "killcmd=", "killsig=", "logfile=", "logport=", "logstamp=", "logoutcmd="),
    *("name=", "noautorestart", "oneshot", "timefmt=", "wait"),
]
_FULL = {
    "-w": "--wait",
    "-c": "--chdir",
    "-e": "--exec",
    "-i": "--ignore",
    "-k": "--killcmd",
    "-l": "--logport",
    "-n": "--name",
    "-x": "--logoutcmd",
    "-I": "--info-file",
    "-L": "--logfile",
}
_SAME = {
    "--autorestartcmd": "toggle",
    "--exec": "executable",
    "--ignore": "ignore",
    "--info-file": "info_file",
    "--killcmd": "kill",
    "--logoutcmd": "logout",
    "--timefmt": "time_format",
}
"""Options whose argument is the same text there."""


@dataclass
class Console:
    """A name and its options, as they will stand in TOML."""

    name: str = NAMELESS
    options: dict[str, Any] = field(default_factory=dict)


def translate(
    words: Sequence[str], endpoints: Sequence[str], command: Sequence[str], folder: Path
) -> Console:
    """One console that does what this command line asks procServ for, in *folder*."""
    console = Console(options={"command": list(command), "chdir": str(folder), "log": {"file": ""}})
    console.options["replay"] = 0  # a newcomer to procServ sees nothing of what was before
    listen: list[Any] = ["none", *map(endpoint, endpoints)]
    argued = ["--logstamp=" if word == "--logstamp" else word for word in words]
    given, rest = getopt.getopt(argued, _SHORT, _LONG)
    assert not rest, rest
    for option, value in given:
        name = _FULL.get(option, option)
        if name == "--name":
            console.name = value
        elif name == "--logport":
            listen.append({"at": endpoint(value), "role": "ro"})
        else:
            _set(console.options, name, value, folder)
    if "executable" in console.options:  # its argv[0] is the word before the command
        console.options["command"] = [endpoints[-1], *command]
    console.options["listen"] = listen
    return console


def _set(options: dict[str, Any], name: str, value: str, folder: Path) -> None:
    match name:
        case "--chdir":
            options["chdir"] = str(folder / value)
        case "--coresize" if int(value) >= 0:  # the soft limit only; a negative one is ignored
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            options["limits"] = {"core": f"{value}:{'unlimited' if hard < 0 else hard}"}
        case "--coresize":
            pass
        case "--grace-period":
            options["stop_timeout"] = f"{value}s"
        case "--holdoff" if float(value) >= 0:
            options["holdoff"] = float(value)
        case "--holdoff":  # as procServ, which then keeps its default
            pass
        case "--killsig":
            number: Any = abs(int(value)) if value.lstrip("-").isdigit() else value
            options["kill_signal"] = options["stop_signal"] = number
        case "--logfile":
            options["log"]["file"] = value
        case "--logstamp":
            options["log"]["timestamp"] = value or True
        case "--noautorestart":
            options["restart"] = "off"
        case "--oneshot":
            options["restart"] = "oneshot"
        case "--wait":
            options["autostart"] = False
        case _:
            options[_SAME[name]] = value


def endpoint(spec: str) -> str:
    """An endpoint; any free port is chosen here, because a configuration has to name one."""
    if spec.startswith("unix:"):
        return spec
    host, colon, port = spec.rpartition(":")
    return f"tcp:{host}{colon}{port if int(port) else free_port()}"


def free_port() -> int:
    """A port that is free on both loopbacks this moment."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            try:
                socket.create_server(("::1", port), family=socket.AF_INET6).close()
            except OSError:
                continue
            return port


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables by their headings, as TOML."""
    return "\n".join(line for name, table in tables.items() for line in _table(name, table))


def _table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{name}]"
    yield from (f"{key} = {_value(value)}" for key, value in table.items())
    yield ""


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, signal.Signals):
        return str(int(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
