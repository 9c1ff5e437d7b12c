"""Section 1: the files a server writes, and who may be told about what fails."""

from __future__ import annotations

import os
import re
import signal

import pytest

from support.servers import CAT, PROBE, QUIT, RESTART, TELNET_OFFER, Lab, Server

from .helpers import cites, read_death
from .scope import not_for_consoled


@cites("1/-I", "1.3/pid line", "1.3/order", "1.3/forms")
def test_info_file(lab: Lab) -> None:
    abstract = f"unix:@{lab.mark}"
    server = lab.start("-l", "unix:log", endpoints=("127.0.0.1:0", "unix:./ctl", abstract))
    port = server.port(0)
    assert server.info[0] == f"pid:{server.popen.pid}"
    forms = ["unix:log", abstract, "unix:./ctl", f"tcp:127.0.0.1:{port}"]
    here = f"unix:{lab.dir}/"
    whole = [f"{here}log", abstract, f"{here}ctl", f"tcp:127.0.0.1:{port}"]
    assert server.info[1:] == lab.among_many(
        alone=forms, many=whole, why="it has no directory that a path could be relative to"
    )
    server.talk()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (lab.dir / "info").exists()


@cites("1.3/written once")
def test_info_file_exists_before_the_child_and_stays_as_it_is(lab: Lab) -> None:
    look = lab.among_many(
        alone="grep -q unix:ctl info",
        many="until grep -q /ctl info; do :; done",
        why="it is written beside the start, which must not wait for a path",
    )
    script = f"{look} && echo unix:ctl-first; exec cat"
    server = lab.start("-L", "log", "--holdoff", "0", command=["/bin/sh", "-c", script])
    before = (lab.dir / "info").stat()
    server.await_file("log", b"unix:ctl-first\r\n")
    peer = server.attach()
    peer.send(b"\x18")
    read_death(lab, peer)
    peer.send(b"\x12")
    server.await_file("log", re.compile(rb"(?s)-first\r\n.*-first\r\n"))
    after = (lab.dir / "info").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def await_log_trouble(server: Server, reason: bytes) -> None:
    """Start the child; people are told on its console, for they may not see the stderr."""
    peer, _ = server.greet()
    peer.send(RESTART)
    peer.read_until(re.compile(rb"@@@ Log file \S+/log: " + reason))


def pid_file(server: Server, name: str) -> bytes | None:
    path = server.dir / name
    return path.read_bytes() if path.exists() else None


@not_for_consoled("no daemon")
@cites("1/-p", "1/PROCSERV_PID")
@pytest.mark.parametrize("way", ["option", "variable"])
def test_pid_file_of_a_daemon(lab: Lab, way: str) -> None:
    option = ["-p", "pid"] if way == "option" else []
    env = {"PROCSERV_PID": "pid"} if way == "variable" else {}
    server = lab.start(*option, env=env, mode="daemon")
    server.await_file("pid", b"\n")
    assert pid_file(server, "pid") == b"%d\n" % server.pid
    assert (lab.dir / "pid").stat().st_mode & 0o777 == 0o644
    server.talk()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (lab.dir / "pid").exists()


@not_for_consoled("no daemon")
@cites("1/-p in foreground")
def test_pid_file_in_foreground(lab: Lab) -> None:
    server = lab.start("-p", "pid")
    server.talk()
    wanted = lab.differs(
        procserv=None, ours=b"%d\n" % server.pid, why="asked for is asked for; as 2.8"
    )
    assert pid_file(server, "pid") == wanted


@not_for_consoled("no daemon")
@cites("1/-p unwritable")
def test_unwritable_pid_file(lab: Lab) -> None:
    server = lab.start("-p", "missing/pid", mode="daemon")
    server.talk()
    told = b"unable to open PID file missing/pid" in server.err()
    assert told == lab.differs(procserv=False, ours=True, why="a failure is told; as 2.9")


@not_for_consoled("no daemon")
@cites("0/pid.txt")
def test_pid_txt_is_not_dropped_into_the_directory(lab: Lab) -> None:
    server = lab.start(mode="daemon")
    server.talk()
    wanted = lab.differs(procserv=b"%d\n" % server.pid, ours=None, why="nobody asked for it")
    assert pid_file(server, "pid.txt") == wanted


@cites("1/-L", "0/no log file line")
def test_log_file_is_appended_to(lab: Lab) -> None:
    (lab.dir / "log").write_bytes(b"before\n")
    server = lab.start("-L", "log")
    peer = server.talk()
    content = server.await_file("log", b"pong\r\n")
    assert content.startswith(b"before\n@@@ Restarting child ")
    told = b"@@@ Child log file: %s/log" % bytes(lab.dir) in server.greet()[1]
    assert told == (lab.kind.compat == "2.8")
    peer.close()


@cites("1/-L mode")
def test_log_file_mode(lab: Lab) -> None:
    server = lab.start("-L", "log")
    server.talk()
    server.await_file("log", b"pong\r\n")
    mode = lab.differs(procserv=0o644, ours=0o640, why="consoles show secrets")
    assert (lab.dir / "log").stat().st_mode & 0o777 == mode


@not_for_consoled("stdout")
@cites("1/-L -")
def test_log_to_stdout(lab: Lab) -> None:
    server = lab.start("-n", "ioc", "-L", "-")
    server.talk()
    out = server.await_file("stdout", b"pong\r\n")
    assert out.startswith(b'@@@ Restarting child "ioc"\r\n')


@cites("1/-L failure")
@pytest.mark.parametrize(
    "quiet", [[], pytest.param(["-q"], marks=not_for_consoled("command line"))]
)
def test_log_file_that_cannot_be_opened(lab: Lab, quiet: list[str]) -> None:
    if lab.many:
        await_log_trouble(lab.start("-w", "-L", "missing/log"), b"No such file or directory")
        return
    server = lab.start("-L", "missing/log", *quiet)
    server.talk()
    told = rb"(?m)^%s: .*unable to open log file missing/log" % lab.kind.prog
    server.await_file("stderr", re.compile(told))


@cites("4/not through links")
@pytest.mark.parametrize("trap", ["symlink", "fifo"])
def test_log_file_that_is_something_else(lab: Lab, trap: str) -> None:
    """A symlink in a shared log directory, or a FIFO that blocks, are traps for a root server."""
    if trap == "symlink":
        (lab.dir / "target").touch()
        (lab.dir / "log").symlink_to("target")
    else:
        os.mkfifo(lab.dir / "log")
        keeper = os.open(lab.dir / "log", os.O_RDWR | os.O_NONBLOCK)
    if lab.many:
        server = lab.start("-w", "-L", "log")
        await_log_trouble(server, b"")
    else:
        server = lab.start("-L", "log")
    server.talk()
    if lab.ours and not lab.many:
        server.await_file("stderr", b"unable to open log file log")
    if trap == "symlink":
        if not lab.ours:
            server.await_file("target", b"pong\r\n")
        else:
            assert (lab.dir / "target").read_bytes() == b""
    else:
        got = b""
        try:
            got = os.read(keeper, 65536)
        except BlockingIOError:
            pass
        os.close(keeper)
        assert bool(got) != lab.ours


@not_for_consoled("command line")
@cites("1/-l last wins", "1/-l")
def test_the_last_log_endpoint_wins(lab: Lab) -> None:
    server = lab.start("-l", "unix:first", "-l", "unix:second")
    assert server.endpoints == ["unix:ctl", "unix:second"]
    assert not (lab.dir / "first").exists()
    _, lines = server.greet(1)
    assert lines[0].startswith(b"@@@ procServ server PID: ")


@not_for_consoled("any port")
@cites("1/-l binding", "1/--restrict", "1.1/log any address")
@pytest.mark.parametrize("restrict", [[], ["--restrict"]])
def test_log_port_listens_everywhere_unless_restricted(lab: Lab, restrict: list[str]) -> None:
    server = lab.start("-l", "0", *restrict)
    listed = [line for line in server.info if line.startswith("tcp:") and "[" not in line]
    assert [line.rpartition(":")[0] for line in listed] == [
        "tcp:127.0.0.1" if restrict else "tcp:0.0.0.0"
    ]
    server.talk()
    server.greet(1)


@cites("1/--timefmt")
def test_timefmt(lab: Lab) -> None:
    server = lab.start("--timefmt", "t%Yt", "-n", "ioc")
    peer = server.talk()
    _, lines = server.greet()
    assert sum(re.search(rb" started at: t\d{4}t$", line) is not None for line in lines) == 2
    peer.send(b"exit 0\n")
    peer.read_until(re.compile(rb"@@@ Current time: t\d{4}t\r\n"))


@not_for_consoled("command line")
@cites("1/-q")
def test_quiet_hides_information_not_errors(lab: Lab) -> None:
    done = lab.run("-q", "-P", "unix:ctl", "--killsig", "99", *CAT)
    assert done.returncode == 0
    assert b"spawning" not in done.stderr
    assert b"Warning" not in done.stderr
    assert b"invalid kill signal 99" in done.stderr


@not_for_consoled("any port")
@cites("1/--allow")
def test_allow(lab: Lab) -> None:
    """Debian's is built without it and says so; ours supports it."""
    server = lab.start("--allow", endpoints=("0",))
    if lab.ours:
        assert any(line.startswith("tcp:0.0.0.0:") for line in server.info)
    else:
        assert server.err() == b"procServ: --allow not supported\n"
        assert server.info[1].startswith("tcp:127.0.0.1:")
    server.talk()


@cites("1/--logstamp", "1/--logstamp FMT")
@pytest.mark.parametrize("form", ["default", "given"])
def test_logstamp(lab: Lab, form: str) -> None:
    option = "--logstamp" if form == "default" else "--logstamp=[%Y] "
    server = lab.start("-n", "ioc", "-L", "log", option)
    server.talk()
    content = server.await_file("log", b"pong\r\n")
    date = lab.among_many(
        alone=rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}",
        many=rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ",
        why="a stamp that sorts, with a blank behind it",
    )
    stamp = date if form == "default" else rb"\[\d{4}\] "
    lines = content.split(b"\r\n")[:-1]
    assert all(re.match(stamp, line) for line in lines)
    assert re.fullmatch(stamp + rb'@@@ Restarting child "ioc"', lines[0])


@not_for_consoled("command line")
@cites("1/--logstamp argument")
def test_logstamp_takes_its_argument_only_with_an_equals_sign(lab: Lab) -> None:
    server = lab.start("-L", "log", "--logstamp", endpoints=(), command=["unix:fmt", *PROBE])
    assert server.endpoints == ["unix:fmt"]
    server.connect().read_until(TELNET_OFFER)


@not_for_consoled("one child")
@cites("0/exit code", "2.3/^Q down")
def test_exit_code_is_zero_whatever_the_child_did(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    peer.send(b"exit 3\n")
    read_death(lab, peer)
    peer.send(QUIT)
    assert peer.read_eof() == b""
    assert server.wait() == 0
