"""Scripts of real clients: what a person at their keyboard does, and what must come back.

A script runs the same way against either server. It waits for texts only; each ends when the
echo of its last key is there, so that a recording never lacks the answer.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pexpect  # type: ignore[import-untyped]

from support import processes

from .stage import SIZES, Stage, command_keys, greeted, local, press

_TELNETLIB: Final = """\
import sys, telnetlib
peer = telnetlib.Telnet("127.0.0.1", int(sys.argv[1]))
peer.read_until(b"(plus you)")
for key in (b"dbl\\r\\n", b"\\xff~"):
    peer.write(key)
    peer.read_until(b"<%02x>" % key[-1])
peer.close()
"""
_CONSERVER: Final = """\
config * {{ sslrequired no; }}
default * {{ master 127.0.0.1; rw *; logfile {folder}/conserver.log; options !ondemand; }}
access * {{ trusted 127.0.0.1; }}
console ioc {{ {where} }}
"""


def telnet(stage: Stage, *options: str) -> Any:
    """inetutils' telnet, greeted."""
    user = stage.run("telnet", *options, "127.0.0.1", stage.port)
    greeted(user)
    return user


def telnet_keys(stage: Stage) -> None:
    """Typing in character mode: text, Return, controls, cursor keys, what is no ASCII."""
    user = telnet(stage)
    press(user, b"ls -l")
    press(user, b"\r", b"<0d>")
    press(user, b"\x01\x03\x04\x0b\x1a\x1c")
    press(user, b"\x1b[A\x7f\t")
    press(user, "é€".encode())
    press(user, b"\x00\xfe\xff~", b"<fe>", b"<7e>")
    command_keys(user)
    local(user, "quit")


def telnet_window(stage: Stage) -> None:
    """A window that is resized while text is typed."""
    user = telnet(stage)
    ours = b"\xff\xfd\x1f" in stage.proxy.recording.said("S")
    for rows, columns in SIZES[1:]:
        user.setwinsize(rows, columns)
        stage.sizes.append((rows, columns))
        if ours:
            told = b"".join(n.to_bytes(2, "big") for n in (columns, rows))
            stage.proxy.expect(b"\xff\xfa\x1f" + told.replace(b"\xff", b"\xff\xff") + b"\xff\xf0")
        press(user, b"w")
    local(user, "quit")


def telnet_line(stage: Stage) -> None:
    """Line mode: whole lines, and ^C as a telnet command; then back to single keys."""
    user = telnet(stage)
    local(user, "mode line")
    local(user, "mode isig")
    press(user, b"abc\r", b"<63>")
    user.send(b"\x03")
    press(user, b"de\r", b"<65>")
    local(user, "mode character")
    press(user, b"~")
    local(user, "quit")


SENT: Final = (
    *("ao", "ayt", "brk", "ec", "el", "escape", "ga", "ip", "nop", "eor", "abort", "susp"),
    *("eof", "synch", "do echo", "dont echo", "do echo", "do suppress", "dont suppress"),
    *("will naws", "wont naws", "will linemode", "wont linemode", "will binary", "do binary"),
)


def telnet_commands(stage: Stage) -> None:
    """Everything that `send` sends, each followed by a key."""
    user = telnet(stage)
    for command in SENT:
        local(user, f"send {command}")
        press(user, b"~")
    local(user, "quit")


def telnet_toggles(stage: Stage) -> None:
    """Return as CR LF, ^C as IP with a synch behind it, eight-bit mode."""
    user = telnet(stage)
    local(user, "toggle crlf")
    press(user, b"a\r", b"<0d>")
    for toggle in ("autoflush", "autosynch", "localchars"):
        local(user, f"toggle {toggle}")
    user.send("\x03\x1c")
    press(user, b"~")
    local(user, "toggle binary")
    press(user, b"\r\xff~", b"<7e>")
    local(user, "quit")


def telnet_eight_bit(stage: Stage) -> None:
    """-8 asks for BINARY at once and in both directions."""
    user = telnet(stage, "-8")
    press(user, b"a\xe9\r", b"<0d>")
    local(user, "quit")


def busybox_keys(stage: Stage) -> None:
    """busybox' telnet, which tells its window and little else."""
    user = stage.run("busybox", "telnet", "127.0.0.1", stage.port)
    user.expect_exact("Entering character mode")  # said in the middle of the greeting
    press(user, b"~")
    press(user, b"ls\r", b"<0d>")
    press(user, b"\x03\x1b[A\xff~", b"<7e>")
    command_keys(user)
    user.send("\x1d")
    user.expect_exact("e\texit telnet")
    user.send("e")


def plink_keys(stage: Stage) -> None:
    """PuTTY, which offers and asks for much at once, and sends lines, for it hears no WILL SGA."""
    user = stage.run("plink", "-telnet", "-P", stage.port, "127.0.0.1")
    user.expect_exact("(plus you)")
    press(user, b"ls\r", b"<73>")
    press(user, b"\xe9\xff~\r", b"<7e>")
    press(user, b".\r", b"<2e>")
    user.close(force=True)


def telnetlib_script(stage: Stage) -> None:
    """The library of Python 3.12 and older, which refuses everything."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TELNETLIB, stage.port], check=True, timeout=10
    )


def socat_keys(stage: Stage) -> None:
    """socat on a raw terminal: no telnet at all, so a NUL is a key."""
    where = f"UNIX-CONNECT:{stage.proxy.address}"
    user = stage.run("socat", "-,raw,echo=0,escape=0x1d", where)
    greeted(user)
    press(user, b"a\r\n\x00b~", b"<7e>")
    command_keys(user)
    user.send("\x1d")


def nc_lines(stage: Stage) -> None:
    """nc on a UNIX socket with lines from a terminal in line mode."""
    user = stage.run("nc", "-U", stage.proxy.address)
    user.expect_exact("(plus you)")
    press(user, b"caput X 1\n", b"<0a>")
    press(user, b"~\n", b"<7e><0a>")
    user.close(force=True)


def nc_negotiates(stage: Stage) -> None:
    """nc -t, which refuses whatever is asked, first thing and forever."""
    user = stage.run("nc", "-t", "127.0.0.1", stage.port)
    user.expect_exact("(plus you)")
    press(user, b"x\n", b"<0a>")
    user.close(force=True)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as peer:
        return peer.connect_ex(("127.0.0.1", port)) == 0


def conserver(stage: Stage, where: str) -> None:
    """A conserver in front: its client types, breaks the line, and sends telnet's escape."""
    config = stage.folder / "conserver.cf"
    config.write_text(_CONSERVER.format(folder=stage.folder, where=where))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    master = stage.run("conserver", "-E", "-C", str(config), "-M", "127.0.0.1", "-p", port)
    stage.proxy.expect(rb"\(plus you\)\r\n", "S")
    processes.wait_for(lambda: listens(int(port)), "conserver's own port")
    user = stage.run(
        "console", "-E", "-M", "127.0.0.1", "-p", port, "-l", "user", "-C", "/dev/null", "ioc"
    )
    user.expect_exact("for help]")
    user.waitnoecho()
    press(user, b"ls\r", b"<0d>")
    press(user, b"\xff~z", b"<7a>")  # on a raw console nobody doubles 0xFF: it takes the ~ along
    user.send(b"\x05cl0")
    user.expect_exact("halt sent]")
    press(user, b"~")
    command_keys(user)
    user.send(b"\x05c.")
    user.expect(pexpect.EOF)
    master.terminate()


def conserver_telnet(stage: Stage) -> None:
    """conserver's `type host`, which negotiates."""
    conserver(stage, f"type host; host 127.0.0.1; port {stage.port}; protocol telnet;")


def conserver_uds(stage: Stage) -> None:
    """conserver's `type uds`, which is raw."""
    conserver(stage, f"type uds; uds {stage.proxy.address};")


def _debian(package: str) -> Callable[[], str]:
    def version() -> str:
        asked = ["dpkg-query", "-W", "-f", "${Package} ${Version}", package]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    return version


@dataclass(frozen=True)
class Script:
    """A client's script, how to learn the client's version, and the kind of its endpoint."""

    play: Callable[[Stage], None]
    version: Callable[[], str]
    unix: bool = False

    @property
    def name(self) -> str:
        """Its part of the recordings' file names."""
        return self.play.__name__.replace("_", "-")


_TELNET: Final = _debian("inetutils-telnet")
SCRIPTS: Final = (
    *(
        Script(play, _TELNET)
        for play in (
            *(telnet_keys, telnet_window, telnet_line, telnet_commands),
            *(telnet_toggles, telnet_eight_bit),
        )
    ),
    Script(busybox_keys, _debian("busybox")),
    Script(plink_keys, _debian("putty-tools")),
    Script(telnetlib_script, lambda: "telnetlib of Python " + sys.version.split()[0]),
    Script(socat_keys, _debian("socat"), unix=True),
    Script(nc_lines, _debian("netcat-openbsd"), unix=True),
    Script(nc_negotiates, _debian("netcat-openbsd")),
    Script(conserver_telnet, _debian("conserver-server")),
    Script(conserver_uds, _debian("conserver-server"), unix=True),
)
