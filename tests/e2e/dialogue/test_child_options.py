"""Section 1: options about the child: where, what and how often it runs."""

from __future__ import annotations

import json
import re
import resource
import time

import pytest

from support import processes
from support.servers import CAT, KILL, PROBE, TELNET_OFFER, Lab

from .helpers import cites, read_death, read_start, took
from .scope import not_for_consoled


@cites("1/-c", "2.1/child directory")
def test_chdir_is_the_childs_directory_not_the_servers(lab: Lab) -> None:
    (lab.dir / "sub").mkdir()
    server = lab.start("-c", "sub")
    peer = server.talk()
    assert json.loads(server.ask(peer, "cwd")) == str(lab.dir / "sub")
    _, lines = server.greet()
    server_in, child_in = lab.among_many(
        alone=(bytes(lab.dir), b"sub"),
        many=(b"/", bytes(lab.dir / "sub")),
        why="it has no directory of its own, so a child's is absolute",
    )
    assert b"@@@ Server startup directory: " + server_in in lines
    assert b"@@@ Child startup directory: " + child_in in lines


@cites("1/-c failure", "2.4/chdir failure")
def test_chdir_failure_is_told_on_the_console_and_retried(lab: Lab) -> None:
    server = lab.start("-c", "missing", "--holdoff", "0", command=CAT)
    if not lab.many:  # which starts nothing that others wait for, and says it where it matters
        assert b"missing: No such file or directory\n" in server.err()
    peer, _ = server.greet()
    peer.read_until(
        re.compile(rb"\S+: child could not chdir to \S*missing, No such file or directory\r\n")
    )
    read_death(lab, peer)
    (lab.dir / "missing").touch()  # from now on another error: proves a second attempt
    peer.read_until(re.compile(rb"\S+: child could not chdir to \S*missing, Not a directory\r\n"))
    death = read_death(lab, peer)
    assert death.cause == b"Normal exit status = 255"
    also = b"procServ: child could not execute: /bin/cat, Not a directory\r\n"
    assert lab.differs(procserv=also, ours=b"", why="exec was never tried") in death.before
    assert death.fate == b"a new one will be restarted shortly"


@cites("2.4/exec failure")
@pytest.mark.parametrize("cause", ["no interpreter", "vanished"])
def test_exec_failure_is_told_on_the_console(lab: Lab, cause: str) -> None:
    program = lab.dir / "program"
    program.write_text(
        "#!/nonexistent/interpreter\n" if cause == "no interpreter" else "#!/bin/sh\n"
    )
    program.chmod(0o755)
    server = lab.start("-w", "--holdoff", "0", command=["./program"])
    peer, _ = server.greet()
    if cause == "vanished":
        program.unlink()
    peer.send(b"\x12")
    told = rb"\S+: child could not execute: \./program, No such file or directory\r\n"
    peer.read_until(re.compile(told))
    death = read_death(lab, peer)
    assert (death.before, death.cause) == (b"", b"Normal exit status = 255")


@cites("2.4/script without shebang")
def test_a_script_without_shebang_is_run_by_the_shell(lab: Lab) -> None:
    program = lab.dir / "program"
    program.write_text("echo it runs\n")
    program.chmod(0o755)
    server = lab.start("-w", command=["./program"])
    peer, _ = server.greet()
    peer.send(b"\x12")
    peer.read_until(b"it runs\r\n")
    assert read_death(lab, peer).cause == b"Normal exit status = 0"


@not_for_consoled("no daemon")
@cites("1/-f")
def test_foreground_does_not_fork(lab: Lab) -> None:
    server = lab.start()
    assert server.pid == server.popen.pid
    server.talk()


@cites("1/-e")
@pytest.mark.parametrize(
    "style", ["new", pytest.param("old", marks=not_for_consoled("command line"))]
)
def test_exec_option_argv0_is_the_word_before_the_command(lab: Lab, style: str) -> None:
    (lab.dir / "first").write_text("tr '\\0' '|' < /proc/$$/cmdline; echo .; exec cat\n")
    words = ["first", "second"]
    if style == "new":
        server = lab.start("-w", "-e", "/bin/sh", command=words)
    else:
        server = lab.start("-w", "-e", "/bin/sh", endpoints=(), command=["unix:ctl", *words])
    peer, lines = server.greet()
    shown, argv = lab.among_many(
        alone=(b"@@@ Child started as: first", b"unix:ctl|first|second"),
        many=(b'@@@ Child "nameless" started as: /bin/sh', b"unix:ctl|first|second"),
        why="what is shown is what is executed",
    )
    assert shown in lines
    peer.send(b"\x12")
    assert peer.read_until(b"|.\r\n").endswith(b"@@@\r\n" + argv + b"|.\r\n")


@cites("1/-n", "2.1/name")
@pytest.mark.parametrize(
    "option", [["-n", "ioc"], ["--name=ioc"], pytest.param([], marks=not_for_consoled("names"))]
)
def test_name(lab: Lab, option: list[str]) -> None:
    server = lab.start(*option, command=CAT)
    server.child()
    peer = server.connect()
    text = peer.read_until(TELNET_OFFER)
    if option:
        assert b'@@@ Child "ioc" started as: /bin/cat\r\n@@@ Child "ioc" PID: ' in text
        assert b'@@@ Child "ioc" started at: ' in text
    else:
        assert b'@@@ Child started as: /bin/cat\r\n@@@ Child "/bin/cat" PID: ' in text


@cites("1/--coresize", "1/--coresize negative")
@pytest.mark.parametrize("size", ["4096", "-5"])
def test_coresize_sets_the_soft_limit(lab: Lab, size: str) -> None:
    server = lab.start("--coresize", size)
    peer = server.talk()
    soft, hard = json.loads(server.ask(peer, "core"))
    before = resource.getrlimit(resource.RLIMIT_CORE)
    assert hard == before[1]
    assert soft == (before[0] if size == "-5" else 4096)


def gap_of_starts(lab: Lab, holdoff: str) -> float:
    """Seconds between two starts of a child that ends at once."""
    server = lab.start("--holdoff", holdoff, "-w", command=["/bin/true"])
    peer, _ = server.greet()
    peer.send(b"\x12")
    read_start(peer)
    before = time.monotonic()
    read_start(peer, timeout=20)
    return time.monotonic() - before


@cites("1/--holdoff", "3/holdoff from start")
def test_holdoff_counts_from_the_last_start(lab: Lab) -> None:
    """procServ compares whole seconds, so its 2 s may be as short as 1; ours means 2 s."""
    low = lab.differs(procserv=0.9, ours=1.9, why="ours measures with the monotonic clock")
    high = lab.differs(procserv=3.2, ours=2.6, why="no 0.5 s tick in ours")
    assert low <= gap_of_starts(lab, "2") <= high


@not_for_consoled("refused")
@cites("1/--holdoff odd values")
def test_holdoff_that_is_no_number_counts_as_zero(lab: Lab) -> None:
    assert gap_of_starts(lab, "soon") < 1.5


@cites("1/--holdoff negative", "1/--holdoff default")
def test_negative_holdoff_leaves_the_default_of_15_s(lab: Lab) -> None:
    assert 13.9 < gap_of_starts(lab, "-3") < 16.5


@cites("3/holdoff long lived")
def test_a_child_that_outlived_the_holdoff_restarts_soon(lab: Lab) -> None:
    server = lab.start("--holdoff", "1")
    peer = server.talk()
    wait_until = time.monotonic() + 1.1
    while time.monotonic() < wait_until:
        server.ask(peer, "pid")
    peer.send(b"exit 0\n")
    read_death(lab, peer)
    limit = lab.differs(procserv=1.5, ours=0.4, why="ours restarts when due, without a tick")
    assert took(lambda: read_start(peer)) < limit


@cites("1/--killsig", "2.3/kill up")
@pytest.mark.parametrize("number", ["10", "-10"])
def test_killsig_number_ignores_its_sign(lab: Lab, number: str) -> None:
    server = lab.start("--killsig", number)
    peer = server.talk()
    server.ask(peer, "trap 10 got")
    peer.send(KILL)
    death = read_death(lab, peer)
    assert death.cause == b"Normal exit status = 7"
    assert (lab.dir / "got").read_text() == "10"


@cites("1/--killsig default")
def test_kill_signal_is_9_by_default(lab: Lab) -> None:
    server = lab.start()
    peer = server.talk()
    peer.send(KILL)
    death = read_death(lab, peer)
    assert death.cause == b"The process was killed by signal 9"


@not_for_consoled("refused")
@cites("1/--killsig too big")
def test_impossible_killsig_is_told_and_replaced(lab: Lab) -> None:
    server = lab.start("--killsig", "99")
    told = rb"(?m)^%s: invalid kill signal 99 \(>31\) - using default \(9\)\n" % lab.kind.prog
    assert re.search(told, server.err()), server.err()
    peer = server.talk()
    peer.send(KILL)
    assert read_death(lab, peer).cause == b"The process was killed by signal 9"


@cites("1/--killsig name")
@pytest.mark.parametrize("name", ["TERM", "SIGTERM"])
def test_killsig_by_name(lab: Lab, name: str) -> None:
    """procServ reads a name as 0, so that ^X does nothing at all."""
    server = lab.start("--killsig", name)
    peer = server.talk()
    if lab.ours:
        peer.send(KILL)
        assert read_death(lab, peer).cause == b"The process was killed by signal 15"
    else:
        peer.send(KILL + b"ping\n")
        assert b"@@@" not in peer.read_until(b"pong\r\n")
        assert processes.alive(server.child())


@not_for_consoled("refused")
@cites("1/--killsig name")
def test_killsig_that_is_no_name(lab: Lab) -> None:
    """Silently 0 in procServ; ours says so and takes the default."""
    server = lab.start("--killsig", "NOSUCH")
    told = rb"(?m)^%s: invalid kill signal NOSUCH\b.* - using default \(9\)" % lab.kind.prog
    assert bool(re.search(told, server.err())) == lab.ours
    peer = server.talk()
    peer.send(KILL)
    if lab.ours:
        assert read_death(lab, peer).cause == b"The process was killed by signal 9"
    else:
        peer.send(b"ping\n")
        assert b"@@@" not in peer.read_until(b"pong\r\n")


@cites("1.3/child environment")
def test_child_gets_the_servers_environment(lab: Lab) -> None:
    server = lab.start(env={"TERM": "dumb", "PLANT": "north 2"}, command=PROBE)
    peer = server.talk()
    environ = json.loads(server.ask(peer, "environ"))
    seen = tuple(environ.get(name) for name in ("TERM", "PLANT", "TZ"))
    assert seen == lab.among_many(
        alone=("dumb", "north 2", "UTC"),
        many=("xterm", None, "UTC"),
        why="nobody's shell leaks into children: what they get is configured",
    )


@cites("0/PROCSERV_INFO")
def test_info_variable_in_the_childs_environment(lab: Lab) -> None:
    """Newer than 2.7; ours always tells, in the order of the info file."""
    server = lab.start("-l", "unix:log", endpoints=("unix:one", "unix:two"))
    peer = server.talk()
    here = lab.among_many(alone="", many=f"{lab.dir}/", why="a child may be in any directory")
    info = f"PID={server.pid};LOG=unix:{here}log;CTL=unix:{here}two;CTL=unix:{here}one"
    wanted = lab.differs(procserv=None, ours=info, why="head of procServ has it")
    assert json.loads(server.ask(peer, "env PROCSERV_INFO")) == wanted
