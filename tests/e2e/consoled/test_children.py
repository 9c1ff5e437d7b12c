"""What a child of consoled is given: user, environment, directory, limits, descriptors."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import resource
from pathlib import Path

import pytest

from support import processes
from support.servers import PROBE
from support.site import CAT, Site

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start children as others")
STANDARD = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ"}
OUR_OWN = {"CONSOLED_CONSOLE", "PROCSERV_INFO", processes.MARK}


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    """Soft and hard limits by the words of /proc/PID/limits."""
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    found = [re.split(r"  +", row.strip()) for row in rows]
    return {row[0].removeprefix("Max "): (row[1], row[2]) for row in found}


@ROOT
def test_another_user(site: Site) -> None:
    """All of that user's identity, and nothing of ours."""
    person = pwd.getpwnam("nobody")
    site.write(a={"command": CAT, "user": "nobody", "chdir": "/tmp"})
    site.start()
    site.words_of("a")
    pid = site.child("a")
    assert processes.status(pid, "Uid").split() == 4 * [str(person.pw_uid)]
    assert processes.status(pid, "Gid").split() == 4 * [str(person.pw_gid)]
    groups = os.getgrouplist("nobody", person.pw_gid)
    assert sorted(map(int, processes.status(pid, "Groups").split())) == sorted(groups)
    assert int(processes.status(pid, "CapEff"), 16) == 0
    environ = site.environment_of("a")
    assert (environ["USER"], environ["LOGNAME"]) == ("nobody", "nobody")
    assert (environ["HOME"], environ["SHELL"]) == (person.pw_dir, person.pw_shell)
    assert "sbin" not in environ["PATH"]


@ROOT
def test_another_group(site: Site) -> None:
    group = grp.getgrnam("daemon").gr_gid
    site.write(a={"command": CAT, "user": "nobody", "group": "daemon"})
    site.start()
    site.words_of("a")
    assert processes.status(site.child("a"), "Gid").split() == 4 * [str(group)]


@ROOT
def test_terminal_belongs_to_the_child(site: Site) -> None:
    """Its user can open it, other users cannot."""
    site.write(a={"command": CAT, "user": "nobody"})
    site.start()
    site.words_of("a")
    status = os.stat(os.readlink(f"/proc/{site.child('a')}/fd/0"))
    assert status.st_uid == pwd.getpwnam("nobody").pw_uid
    assert status.st_mode & 0o007 == 0


def test_clean_environment(site: Site) -> None:
    """Nothing that the server was started with, but for language and time zone."""
    site.write(a={"command": CAT})
    site.start(env={"PLANT": "north", "LD_PRELOAD": "", "PYTHONPATH": "", "NOTIFY_SOCKET": ""})
    site.words_of("a")
    environ = site.environment_of("a")
    assert environ.keys() == STANDARD | OUR_OWN
    assert environ["TERM"] == "xterm"
    assert environ["CONSOLED_CONSOLE"] == "a"
    assert environ["PROCSERV_INFO"] == f"PID={site.keeper};CTL=unix:{site.run}/a.sock"


def test_environment_and_its_files(site: Site) -> None:
    """Files in their order, then the configured values; a missing file is only a warning."""
    (site.dir / "site.env").write_text('A=1\nB="two words"\nC=3\n')
    (site.drop_ins / "a.env").write_text("export B=own\n# comment\n")
    mark = {processes.MARK: site.mark}
    site.write()
    site.drop_in(
        "a",
        command=CAT,
        env_file=["../site.env", "{name}.env", "missing.env"],
        environment={"C": "strong", **mark},
    )
    site.start()
    environ = site.environment_of("a")
    assert (environ["A"], environ["B"], environ["C"]) == ("1", "own", "strong")
    warning = f"warning: {site.drop_ins}/a.toml:3: console a: env_file[2]:"
    assert warning in site.errors()


def test_directory_umask_and_limits(site: Site) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = {"core": "0:1M", "nofile": f"256:{min(512, hard)}", "stack": "4M", "nproc": 4000}
    site.write(
        a={"command": PROBE, "chdir": str(site.logs), "umask": "0037", "limits": limits},
        b={"command": CAT},
    )
    site.start()
    peer = site.question("a")
    peer.send(b"umask\n")
    peer.read_until(b"<<%d>>" % 0o037)
    peer.send(b"cwd\n")
    peer.read_until(b'<<"%s">>' % bytes(site.logs))
    found = limits_of(site.child("a"))
    assert found["core file size"] == ("0", str(1 << 20))
    assert found["open files"] == ("256", str(min(512, hard)))
    assert found["stack size"] == (str(4 << 20), str(4 << 20))
    assert found["processes"] == ("4000", "4000")
    site.words_of("b")
    assert os.readlink(f"/proc/{site.child('b')}/cwd") == "/"


def test_untouched_limits_are_those_the_server_was_given(site: Site) -> None:
    """It raises its own number of files, and children never see that."""
    site.prefix = ()
    site.write(a={"command": CAT})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(500, soft)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
    try:
        site.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    site.words_of("a")
    assert limits_of(site.child("a")) == {
        **limits_of(os.getpid()),
        "open files": (str(lower), str(hard)),
    }
    assert limits_of(site.keeper)["open files"] == (str(hard), str(hard))
    score = Path(f"/proc/{site.child('a')}/oom_score_adj").read_text()
    assert score == Path("/proc/self/oom_score_adj").read_text()


def test_only_the_terminal_and_clean_signals(site: Site) -> None:
    """Also of the second child, when logs, sockets and other consoles are open."""
    site.write(a={"command": PROBE, "holdoff": 0, "listen": "unix:x"}, b={"command": CAT})
    site.start()
    site.child("b")
    site.question("a").send(b"exit 0\n")
    processes.wait_for(lambda: site.status("a")["starts"] == 2, "second child")
    peer = site.question("a")
    peer.send(b"fds\n")
    answer = peer.read_until(re.compile(rb"<<(\{.*\})>>"))
    found = json.loads(answer[answer.index(b"<<") + 2 : -2])
    assert set(found) == {"0", "1", "2"}
    assert len(set(found.values())) == 1
    assert found["0"].startswith("/dev/pts/")
    site.words_of("b")
    for field in ("SigBlk", "SigIgn", "SigCgt"):
        assert processes.signal_set(site.child("b"), field) == set(), field


def test_terminal_has_the_configured_size(site: Site) -> None:
    site.write(a={"command": PROBE, "size": "50x132"})
    site.start()
    peer = site.question("a")
    peer.send(b"size\n")
    peer.read_until(b"<<[50, 132]>>")


def test_command_is_found_along_the_childs_own_path(site: Site) -> None:
    tools = site.dir / "tools"
    tools.mkdir()
    (tools / "greet").write_text("#!/bin/sh\necho hello $0; exec cat\n")
    (tools / "greet").chmod(0o755)
    mark = {processes.MARK: site.mark}
    site.write(a={"command": "greet", "environment": {"PATH": f"{tools}:/bin", **mark}})
    site.start()
    site.wait_log("a", b"hello " + bytes(tools) + b"/greet\r\n")


FAILURES = [
    ({"chdir": "/no/where"}, b"could not chdir to /no/where, No such file or directory\r\n"),
    (
        {"executable": "/no/program"},
        b"could not execute: /no/program, No such file or directory\r\n",
    ),
    ({"executable": "/etc/passwd"}, b"could not execute: /etc/passwd, Permission denied\r\n"),
]


@pytest.mark.parametrize(("options", "told"), FAILURES, ids=["chdir", "missing", "not executable"])
def test_failure_of_a_start_is_told_on_its_console(
    site: Site, options: dict[str, str], told: bytes
) -> None:
    """And disturbs nobody else."""
    site.write(a={"command": CAT, **options}, b={"command": CAT})
    site.start()
    site.wait_log("a", told)
    assert b"Normal exit status = 255" in site.wait_log("a", b"is shutting down")
    site.child("b")
