"""Section 1: how the command line is read, what is printed without serving."""

from __future__ import annotations

import json
import re

import pytest

from support.servers import PROBE, QUIT, TOGGLE, Lab

from .helpers import cites, read_death, read_start
from .scope import not_for_consoled

USAGE = re.compile(rb"Usage: [^\n]+\n +[^\n]+\n\Z")
LONG_OPTIONS = [
    "allow",
    "autorestartcmd",
    "coresize",
    "chdir",
    "debug",
    "exec",
    "foreground",
    "help",
    "holdoff",
    "ignore",
    "info-file",
    "killcmd",
    "killsig",
    "logport",
    "logfile",
    "logstamp",
    "name",
    "noautorestart",
    "pidfile",
    "port",
    "quiet",
    "restrict",
    "timefmt",
    "version",
    "wait",
]


@not_for_consoled("command line")
@cites("1/old style endpoint")
def test_without_port_option_the_first_word_is_the_endpoint(lab: Lab) -> None:
    server = lab.start("-n", "ioc", endpoints=(), command=["unix:old", *PROBE])
    assert server.endpoints == ["unix:old"]
    server.talk()


@cites("1/new style endpoints")
def test_with_port_option_the_first_word_is_the_command(lab: Lab) -> None:
    server = lab.start(endpoints=("unix:one", "unix:two"))
    assert server.endpoints == ["unix:one", "unix:two"]
    server.talk(1)


@cites("1/options stop at the command")
def test_options_after_the_command_belong_to_the_child(lab: Lab) -> None:
    server = lab.start(command=[*PROBE, "-n", "other", "--help", "-x"])
    peer = server.talk()
    assert json.loads(server.ask(peer, "argv"))[1:] == ["-n", "other", "--help", "-x"]


@not_for_consoled("command line")
@cites("1/option spellings")
def test_long_short_joined_and_abbreviated_options(lab: Lab) -> None:
    server = lab.start("--noauto", "-nioc", "--timefmt=%Y!", "--logoutc", "^Z", "--co", "0")
    _, lines = server.greet()
    assert any(
        line.startswith(b"@@@ Use ^X to kill the child, auto restart is OFF") for line in lines
    )
    assert b"@@@ Use ^Z to logout from procServ server" in lines
    assert any(line.startswith(b'@@@ Child "ioc"') for line in lines)
    assert any(re.fullmatch(rb"@@@ procServ server started at: \d{4}!", line) for line in lines)


USAGE_ERRORS = [
    ([], rb"%s: missing argument\n"),
    (["-P", "0"], rb"%s: missing argument\n"),
    (["0"], rb"%s: missing argument\n"),
    (["--bogus", "0", "/bin/cat"], rb"%s: unrecognized option '--bogus'\n"),
    (["-Z", "0", "/bin/cat"], rb"%s: invalid option -- 'Z'\n"),
    (["--quiet=1", "0", "/bin/cat"], rb"%s: option '--quiet' doesn't allow an argument\n"),
    (["--name"], rb"%s: option '--name' requires an argument\n(?:%s: missing argument\n)?"),
    (["-n"], rb"%s: option requires an argument -- 'n'\n(?:%s: missing argument\n)?"),
]


@not_for_consoled("command line")
@cites("1/usage errors")
@pytest.mark.parametrize(
    ("args", "message"), USAGE_ERRORS, ids=[" ".join(args) or "none" for args, _ in USAGE_ERRORS]
)
def test_usage_error(lab: Lab, args: list[str], message: bytes) -> None:
    done = lab.run(*args)
    assert done.returncode == 1
    assert re.fullmatch(message.replace(b"%s", lab.kind.prog), done.stderr), done.stderr
    assert USAGE.match(done.stdout), done.stdout


@not_for_consoled("command line")
@cites("1/ambiguous prefix")
def test_an_ambiguous_prefix_names_the_candidates(lab: Lab) -> None:
    done = lab.run("--log", "x", "0", "/bin/cat")
    assert done.returncode == 1
    named = (
        rb": option '--log' is ambiguous; possibilities: "
        rb"'--logport' '--logfile' '--logstamp' '--logoutcmd'\n"
    )
    assert re.fullmatch(lab.kind.prog + named, done.stderr), done.stderr
    assert USAGE.match(done.stdout)


@not_for_consoled("command line")
@cites("1/-r rejected")
def test_r_is_not_restrict_whatever_the_manual_says(lab: Lab) -> None:
    done = lab.run("-r", "0", "/bin/cat")
    assert done.returncode == 1
    assert re.fullmatch(lab.kind.prog + rb": invalid option -- 'r'\n", done.stderr)


@cites("1/-o absent", "0/oneshot")
@pytest.mark.parametrize("option", ["-o", "--oneshot"])
def test_oneshot(lab: Lab, option: str) -> None:
    """2.7 does not know it; ours has it in every profile and leaves with its child, rc 0 as 2.7."""
    if not lab.ours:
        done = lab.run(option, "0", "/bin/cat")
        assert done.returncode == 1
        short, long = b"invalid option -- 'o'", b"unrecognized option '--oneshot'"
        assert done.stderr == b"procServ: %s\n" % (short if option == "-o" else long)
        return
    server = lab.start("--oneshot" if lab.many else option)
    peer = server.talk()
    assert any(lab.says(b"auto restart is ONESHOT,") in line for line in server.greet()[1])
    server.ask(peer, "pid")
    peer.send(b"exit 3\n")
    if not lab.many:
        assert server.wait(timeout=5) == 0
        return
    assert read_death(lab, peer).fate == b"oneshot mode: it stays down"
    assert any(b"SHUT DOWN" in line for line in server.greet()[1])


@not_for_consoled("command line")
@cites("1/-h")
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_option(lab: Lab, option: str) -> None:
    done = lab.run(option)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Usage: ")
    for name in LONG_OPTIONS:
        assert b"--" + name.encode() in done.stdout, name


@not_for_consoled("command line")
@cites("1/-V")
@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(lab: Lab, option: str) -> None:
    done = lab.run(option)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[0] == b"procServ Process Server 2.7.0"


@not_for_consoled("no daemon")
@cites("1/PROCSERV_DEBUG", "1/-d")
@pytest.mark.parametrize("way", ["option", "variable"])
def test_debug_does_not_fork_and_copies_the_console_to_stdout(lab: Lab, way: str) -> None:
    """Set is enough for the variable, even empty; stdin is no client, unlike with -f."""
    if way == "option":
        server = lab.start("-n", "ioc", mode="debug")
    else:
        server = lab.start("-n", "ioc", mode="daemon", env={"PROCSERV_DEBUG": ""})
    assert server.pid == server.popen.pid
    peer = server.talk()
    peer.send(b"exit 4\n")
    read_death(lab, peer)
    peer.send(QUIT)
    assert server.wait() == 0
    out = server.out()
    assert b'@@@ Restarting child "ioc"\r\n' in out
    assert b"pong\r\n" in out
    assert b"Normal exit status = 4\r\n" in out
    debug = [line for line in out.splitlines() if line and not line.startswith(b"@@@")]
    if not lab.ours:
        assert b"Installing signal handlers" in debug


@cites("1/-w")
def test_wait_ends_for_good_with_the_first_manual_start(lab: Lab) -> None:
    server = lab.start("-w", "-n", "ioc", "--holdoff", "0")
    peer, lines = server.greet()
    assert b'@@@ Child "ioc" is SHUT DOWN' in lines
    peer.send(len(lab.ring) * TOGGLE)
    toggled = peer.read_until(lab.toggled(b"ON"))
    assert b"Restarting" not in toggled
    peer.send(b"\x12")
    read_start(peer)
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    read_start(peer)


@cites("1/--noautorestart", "2.3/^R down")
def test_noautorestart_leaves_the_child_down_until_asked(lab: Lab) -> None:
    server = lab.start("--noautorestart", "--holdoff", "0", "-n", "ioc")
    peer = server.talk()
    peer.send(b"exit 0\n")
    assert read_death(lab, peer).fate == b"auto restart is disabled"
    peer.drain(0.8)  # procServ would restart within 0.5 s
    assert peer.pending() == b""
    _, lines = server.greet()
    assert b'@@@ Child "ioc" is SHUT DOWN' in lines
    peer.send(b"\x12")
    read_start(peer)
