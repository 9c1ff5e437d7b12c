"""Section 1.2: what is refused before serving, with which exit code and words."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.servers import CAT, Lab

from .helpers import cites
from .scope import not_for_consoled
from .test_endpoints import powerless

SPEC_ERRORS = [
    ("70000", rb"%s: invalid control port 70000 \(<1024\)\n", "1.2/port range"),
    ("-1", rb"%s: invalid control port -1 \(<1024\)\n", "1.2/port range"),
    ("abc", rb"Invalid socket spec 'abc'\n", "1.2/bad spec"),
    ("", rb"Invalid socket spec ''\n", "1.2/bad spec"),
    ("0x10", rb"Invalid socket spec '0x10'\n", "1.2/bad spec"),
    ("1.2.3:2000", rb"Invalid socket spec '1\.2\.3:2000'\n", "1.2/bad spec"),
    ("unix:", rb"expected unix socket path spec\.\n", "1.2/unix empty"),
    ("unix:a:b", rb"Unix path\+permissions spec unparsable 'a:b'\n", "1.2/unix one colon"),
    ("unix:no-such-user:::s", rb"Unknown user 'no-such-user'\n", "1.2/unknown user"),
    ("unix::no-such-group::s", rb"Unknown group 'no-such-group'\n", "1.2/unknown group"),
    ("unix:" + 108 * "p", rb"Unix path is too long \(must be <108\)\n", "1.2/long path"),
]
SPEC_PARAMS = [
    pytest.param(spec, message, marks=cites(statement), id=spec[:24])
    for spec, message, statement in SPEC_ERRORS
]


@not_for_consoled("refused")
@cites("1.2/bad spec", "1.2/port range", "1.2/unix empty", "1.2/unix one colon")
@cites("1.2/unknown user", "1.2/unknown group", "1.2/long path", "1.2/before daemon")
@pytest.mark.parametrize("option", ["-P", "-l"])
@pytest.mark.parametrize(("spec", "message"), SPEC_PARAMS)
def test_bad_endpoint(lab: Lab, option: str, spec: str, message: bytes) -> None:
    """Without -f: the invoking shell sees it all the same. Wording is the same for -l."""
    endpoint = f"{option}{spec}" if spec else f"--{'port' if option == '-P' else 'logport'}="
    extra = ["-P", "unix:ctl"] if option == "-l" else []
    done = lab.run(endpoint, *extra, *CAT)
    assert done.returncode == 1
    assert done.stdout == b""
    remark = lab.differs(procserv=rb"\n", ours=rb"\W[^\n]*\n", why="a remedy may follow")
    wanted = message.replace(b"%s", lab.kind.prog).removesuffix(rb"\n")
    assert re.fullmatch(wanted + rb"(?:\n|" + remark + rb")", done.stderr), done.stderr


def bind_error(lab: Lab, code: int, which: str, *args: str) -> bytes:
    """Run into a bind error and check code and last line; what was said before that."""
    done = lab.run(*args)
    assert done.returncode == code, done
    assert done.stdout == b""
    last = rb"%s: Exiting with error code: %d\n\Z" % (lab.kind.prog, code)
    assert re.search(rb"(?m)^" + last, done.stderr), done.stderr
    if not lab.ours:
        assert done.stderr.startswith(
            b"Caught an exception creating the initial %s telnet port: " % which.encode()
        )
    return done.stderr


@not_for_consoled("goes on")
@cites("1.2/in use", "1.2/before daemon")
@pytest.mark.parametrize("which", ["control", "log"])
def test_port_in_use(lab: Lab, which: str) -> None:
    """procServ shows the text of a later errno; ours names endpoint and holder."""
    holder = lab.start(endpoints=("0",))
    port = str(holder.port())
    args = ["-P", port] if which == "control" else ["-l", port, "-P", "unix:other"]
    message = bind_error(lab, 98, which, *args, *CAT)
    if lab.ours:
        assert port.encode() in message
        assert str(holder.pid).encode() in message
        assert b"Address already in use" in message
    leftover = lab.differs(procserv=which == "log", ours=False, why="nothing is left behind")
    assert (lab.dir / "other").exists() == leftover


@not_for_consoled("goes on")
@cites("1.2/no directory", "1.2/log endpoint")
@pytest.mark.parametrize("which", ["control", "log"])
def test_no_such_directory(lab: Lab, which: str) -> None:
    args = ["-P", "unix:no/s"] if which == "control" else ["-l", "unix:no/s", "-P", "unix:other"]
    message = bind_error(lab, 2, which, *args, *CAT)
    if lab.ours:
        assert b"no/s" in message
        assert b"No such file or directory" in message


@not_for_consoled("goes on")
@cites("1.2/denied")
def test_directory_without_permission(lab: Lab) -> None:
    lab.prefix = powerless()
    (lab.dir / "closed").mkdir(mode=0o555)
    message = bind_error(lab, 13, "control", "-P", "unix:closed/s", *CAT)
    if lab.ours:
        assert b"closed/s" in message
        assert b"Permission denied" in message


@not_for_consoled("goes on")
@cites("1.2/command missing")
@pytest.mark.parametrize("command", ["no-such-program", "/no/such/program", "./here"])
def test_missing_command(lab: Lab, command: str) -> None:
    done = lab.run("-P", "unix:ctl", command)
    assert done.returncode == 22
    assert done.stdout == b""
    if lab.ours:
        assert command.encode() in done.stderr
    else:
        assert done.stderr == b"%s: No such file or directory\n" % command.encode()


@cites("1.2/command without path", "0/command check")
def test_command_in_the_search_path(lab: Lab) -> None:
    """procServ wants a path; ours looks in $PATH like every shell, and like procServ 2.8."""
    if lab.ours:
        server = lab.start("-n", "ioc", command=["cat"])
        server.attach()
    else:
        done = lab.run("-P", "unix:ctl", "cat")
        assert (done.returncode, done.stderr) == (22, b"cat: No such file or directory\n")


@not_for_consoled("goes on")
@cites("1.2/command not regular")
def test_command_is_a_directory(lab: Lab) -> None:
    done = lab.run("-P", "unix:ctl", str(lab.dir))
    assert done.returncode == lab.differs(procserv=0, ours=13, why="a failure is a failure")
    if lab.ours:
        assert str(lab.dir).encode() in done.stderr
    else:
        assert done.stderr == b"procServ: %s is not a regular file\n" % bytes(lab.dir)


@not_for_consoled("goes on")
@cites("1.2/command not executable")
def test_command_is_not_executable(lab: Lab) -> None:
    (lab.dir / "program").write_text("#!/bin/sh\n")
    done = lab.run("-P", "unix:ctl", "./program")
    assert done.returncode == lab.differs(procserv=0, ours=13, why="a failure is a failure")
    if lab.ours:
        assert b"./program" in done.stderr
    else:
        assert done.stderr == (
            b"procServ: Error - Please change permissions on ./program to at least ---x--x--x\n"
            b"procServ is not able to continue without execute permission\n"
        )


@cites("1.2/command unreadable")
def test_command_that_is_not_readable_is_only_a_warning(lab: Lab) -> None:
    program = lab.dir / "program"
    program.write_bytes(b"#!/bin/sh\nexec cat\n")
    program.chmod(0o311)
    server = lab.start("-w", command=["./program"])
    if not lab.ours:
        assert server.err() == (
            b"procServ: Warning - Please change permissions on ./program to at least -r-xr-xr-x\n"
            b"procServ may not be able to continue without read and execute permissions\n"
        )
    server.greet()


@not_for_consoled("goes on")
@cites("1.2/privileged port")
def test_port_below_1024_is_a_matter_of_rights_not_of_parsing(lab: Lab) -> None:
    """The words `<1024` of the port message are wrong: only the system decides."""
    lab.prefix = ("setpriv", "--bounding-set", "-net_bind_service") if os.geteuid() == 0 else ()
    first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first_free > 79:
        bind_error(lab, 13, "control", "-P", "79", *CAT)
    else:
        assert lab.start(endpoints=("79",)).port() == 79
