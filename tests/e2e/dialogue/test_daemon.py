"""Section 1.4: going into the background."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from support import processes
from support.servers import CAT, Lab, find_kind

from .helpers import cites
from .scope import not_for_consoled

NO_LOG = b"Warning: No log file and no port for log connections specified.\n"
NO_FILE = b"Warning: No log file specified.\n"


@not_for_consoled("no daemon")
@cites("1.4/parent message", "1.4/warnings", "1.4/parent leaves at once", "1.4/argv0")
@pytest.mark.parametrize(
    ("options", "warning"),
    [([], NO_LOG), (["-l", "unix:log"], NO_FILE), (["-L", "log"], b"")],
    ids=["nothing", "port", "file"],
)
def test_parent_tells_the_pid_and_warns_about_logging(
    lab: Lab, options: list[str], warning: bytes
) -> None:
    done = lab.run("-I", "info", *options, "-P", "unix:ctl", *CAT)
    assert (done.returncode, done.stdout) == (0, b"")
    told = rb"%s: spawning daemon process: (\d+)\n" % lab.kind.prog
    match = re.fullmatch(told + re.escape(warning), done.stderr)
    assert match, done.stderr
    processes.wait_for((lab.dir / "info").exists, "info file")
    processes.wait_for(lambda: (lab.dir / "info").read_text().endswith("ctl\n"), "its content")
    assert (lab.dir / "info").read_bytes().startswith(b"pid:" + match[1] + b"\n")


@not_for_consoled("command line")
@cites("1.4/argv0")
def test_the_name_in_messages_is_the_one_it_was_called_by(lab: Lab) -> None:
    target = lab.kind.argv[0] if lab.ours else "/usr/bin/procServ"
    (lab.dir / "procServ").symlink_to(target)
    lab.kind = type(lab.kind)(lab.kind.name, ("./procServ", *lab.kind.argv[1:]), b"")
    done = lab.run()
    told = lab.differs(
        procserv=rb"\./procServ: missing argument\n",
        ours=rb"(?:\S*/)?procServ: missing argument\n",
        why="a script does not learn how it was typed",
    )
    assert re.fullmatch(told, done.stderr), done.stderr


@not_for_consoled("no daemon")
@cites("1.4/session", "1.4/standard files", "1.4/cwd and umask")
def test_daemon_has_its_own_session_and_nothing_of_the_callers(lab: Lab) -> None:
    server = lab.start(mode="daemon")
    assert server.pid != server.popen.pid
    assert server.popen.wait(10) == 0
    peer = server.talk()
    assert os.getsid(server.pid) == server.pid
    assert processes.status(server.pid, "PPid") == str(os.getpid())  # adopted by us
    files = processes.open_files(server.pid)
    assert {files[0], files[1], files[2]} == {"/dev/null"}
    assert os.readlink(f"/proc/{server.pid}/cwd") == str(lab.dir)
    mask = os.umask(0o22)
    os.umask(mask)
    assert json.loads(server.ask(peer, "umask")) == mask
    assert json.loads(server.ask(peer, "cwd")) == str(lab.dir)


@not_for_consoled("no daemon")
@cites("1.4/rc despite a broken child")
def test_parent_does_not_wait_for_the_childs_program(lab: Lab) -> None:
    program = lab.dir / "program"
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)
    server = lab.start("-c", ".", mode="daemon", command=["./program"])
    assert server.popen.wait(10) == 0
    assert server.running()


@cites("3/SIGTERM", "3/SIGTERM rc", "3/files at exit")
@pytest.mark.parametrize(
    "mode", [pytest.param("daemon", marks=not_for_consoled("no daemon")), "foreground"]
)
def test_sigterm_removes_sockets_and_info_but_not_the_log(lab: Lab, mode: str) -> None:
    server = lab.start("-L", "log", "-l", "unix:logs", mode=mode)
    server.talk()
    child = server.child()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    processes.wait_gone(child)
    left = {path.name for path in lab.dir.iterdir()}
    assert left == {"log", "stdout", "stderr"} | lab.among_many(
        alone=set(),
        many={"consoled.toml", "keeper.lock", "children"},
        why="its configuration, and what finds out whether anybody is left",
    )


def test_missing_server_is_a_failure_that_tells_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The suite itself: no silent skip on a machine without procServ."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AssertionError, match="apt install procserv"):
        find_kind("procServ")
