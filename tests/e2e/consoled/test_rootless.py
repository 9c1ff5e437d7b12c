"""An ordinary user's own server: XDG directories, nobody else's children."""

from __future__ import annotations

import os
import pwd

import pytest

from support import processes
from support.site import Site

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")

SEES = "+dac_read_search"
"""The one right this user has more than others: to read our interpreter, wherever it lies."""
DEMOTED = (
    *("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"),
    *("--inh-caps", SEES, "--ambient-caps", SEES, "--bounding-set", f"-all,{SEES}"),
)


class Home:
    """The directories that a login would give to nobody."""

    def __init__(self, site: Site) -> None:
        site.prefix = DEMOTED
        person = pwd.getpwnam("nobody")
        self.path = site.dir / "home"
        self.runtime = site.dir / "runtime"
        self.config = self.path / ".config" / "consoled"
        self.config.mkdir(parents=True)
        self.runtime.mkdir(mode=0o700)
        for folder in (self.path, self.path / ".config", self.config, self.runtime):
            os.chown(folder, person.pw_uid, person.pw_gid)
        self.env = {"HOME": str(self.path), "XDG_RUNTIME_DIR": str(self.runtime)}
        site.run = self.runtime / "consoled"
        site.logs = self.path / ".local" / "state" / "consoled" / "log"

    def write(self, text: str) -> None:
        """The configuration that is read when nobody names one."""
        (self.config / "consoled.toml").write_text(text)


def test_everything_is_below_the_users_directories(site: Site) -> None:
    home = Home(site)
    mark = f'environment = {{ {processes.MARK} = "{site.mark}" }}'
    home.write(f'[console.a]\ncommand = "/bin/cat"\n{mark}\n')
    site.start_default(env=home.env)
    pid = site.child("a")
    assert (site.run / "a.sock").is_socket()
    site.wait_log("a", b"@@@ Restarting child")
    site.words_of("a")
    uid = str(pwd.getpwnam("nobody").pw_uid)
    assert processes.status(pid, "Uid").split() == 4 * [uid]
    assert os.readlink(f"/proc/{pid}/cwd") == str(home.path)
    environ = site.environment_of("a")
    assert environ["USER"] == "nobody"
    assert site.log_path("a").stat().st_uid == int(uid)
    site.ask("stop", console="a")
    intent = home.path / ".local" / "state" / "consoled" / "stopped.json"
    processes.wait_for(intent.exists, "saved intent")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ('user = "root"', "user: the server runs as nobody and cannot become root; only root can"),
        ('group = "daemon"', "group: the server runs as nobody and cannot change its group"),
        ('listen = "unix:root:::x"', "listen: only root can give a socket to root"),
    ],
)
def test_what_only_root_can(site: Site, option: str, told: str) -> None:
    home = Home(site)
    home.write(f'[console.a]\ncommand = "cat"\n{option}\n')
    done = site.run_to_end(env=home.env)
    assert done.returncode == 78
    assert done.stderr.startswith(f"{home.config}/consoled.toml:3: console a: {told}")
    assert list(home.runtime.iterdir()) == []


def test_no_runtime_directory(site: Site) -> None:
    home = Home(site)
    home.write('[console.a]\ncommand = "cat"\n')
    done = site.run_to_end(env={"HOME": str(home.path)})
    assert done.returncode == 78
    assert 'XDG_RUNTIME_DIR is not set: give run_dir = "..." in [server]' in done.stderr


def test_another_users_directory_is_refused(site: Site) -> None:
    """Children are noted where only their server may write."""
    home = Home(site)
    (home.runtime / "consoled" / "children").mkdir(parents=True)
    home.write('[console.a]\ncommand = "cat"\n')
    done = site.run_to_end(env=home.env)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
