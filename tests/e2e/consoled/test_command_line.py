"""The command line of consoled: checks, dumps, refusals, and two servers of one directory."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tomllib

import pytest

from support import processes
from support.servers import PROBE, TELNET_OFFER
from support.site import CAT, Crowd, Site
from support.streams import Peer
from support.survivors import BIN
from support.translation import free_port


def test_check_of_a_good_configuration(site: Site) -> None:
    site.write(a={"command": CAT}, b={"command": "/no/program"})
    site.add('[group.all]\nmembers = "*"\n')
    done = site.run_to_end("-c", str(site.config), "--check-config")
    assert (done.returncode, done.stdout) == (0, "2 consoles, 1 group: ok\n")
    line = site.config.read_text().splitlines().index('command = "/no/program"') + 1
    assert done.stderr == (
        f"{site.config}:{line}: console b: command: warning: there is no program /no/program\n"
    )
    assert not site.run.exists()


def test_check_tells_all_errors_at_once(site: Site) -> None:
    site.write(a={"command": CAT})
    one = site.drop_in("one", command=CAT, holdoff="soon")
    two = site.drop_ins / "two.toml"
    two.write_text("[console.two\n")
    done = site.run_to_end("-c", str(site.config), "--check-config")
    assert (done.returncode, done.stdout) == (78, "2 errors: not usable\n")
    first, second = done.stderr.splitlines()
    assert first == f'{one}:3: console one: holdoff: expected a duration such as "15s", not "soon"'
    assert second.startswith(f"{two}:1: not TOML, column 13: ")


def test_dump_shows_every_option_and_whence_it_is(site: Site) -> None:
    site.write(a={"command": CAT, "environment": {"DB_PASSWORD": "geheim"}})
    site.add('[console.b]\ncommand = "cat"\n')
    whole = site.run_to_end("-c", str(site.config), "--dump-config")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert tomllib.loads(whole.stdout)["console"]["a"]["holdoff"] == "15s"
    assert "geheim" not in whole.stdout
    line = next(one for one in whole.stdout.splitlines() if one.startswith("run_dir"))
    assert line.endswith(f"# server at {site.config}:2")
    one = site.run_to_end("-c", str(site.config), "--dump-config", "b", "--json")
    assert one.returncode == 0
    assert "console" in json.loads(one.stdout)
    unknown = site.run_to_end("-c", str(site.config), "--dump-config", "c")
    assert (unknown.returncode, unknown.stdout) == (5, "")
    assert unknown.stderr.startswith('there is no console "c"')


def test_schema_knows_every_option(site: Site) -> None:
    done = site.run_to_end("--schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    assert {"server", "defaults", "template", "console", "group"} == set(schema["properties"])
    assert "holdoff" in done.stdout


@pytest.mark.parametrize("words", [["--bogus"], ["--keeper", "--worker"], ["word"], ["--check"]])
def test_usage_error(site: Site, words: list[str]) -> None:
    done = site.run_to_end(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: consoled ")


def test_broken_configuration_starts_nothing(site: Site) -> None:
    site.write(a={"command": CAT, "holdof": 1})
    done = site.run_to_end("-c", str(site.config))
    assert done.returncode == 78
    line = site.config.read_text().splitlines().index("holdof = 1") + 1
    told = f'{site.config}:{line}: console a: holdof: unknown option, did you mean "holdoff"?'
    assert done.stderr.splitlines() == [told, "consoled: the configuration cannot be used"]
    assert not site.run.exists()


@pytest.mark.parametrize("at", ["0.0.0.0:2000", "192.0.2.7:2000", "[::]:2000"])
def test_remote_plain_text_must_be_allowed(site: Site, at: str) -> None:
    site.write(a={"command": CAT, "listen": at})
    done = site.run_to_end("-c", str(site.config), "--check-config")
    assert done.returncode == 78
    assert f"tcp:{at} can be reached from other machines, in plain text: use" in done.stderr
    site.server["allow_remote_plaintext"] = True
    site.write(a={"command": CAT, "listen": at})
    done = site.run_to_end("-c", str(site.config), "--check-config")
    assert done.returncode == 0
    assert f"warning: tcp:{at} can be reached from other machines, in plain text" in done.stderr


def test_second_server_of_a_directory_is_refused(site: Site) -> None:
    """It touches nothing, whatever it was to be."""
    site.write(a={"command": CAT})
    site.start()
    crowd = Crowd(site, ["a"])
    before = {path: path.lstat().st_ino for path in site.run.rglob("*")}
    keeper, worker = site.keeper, site.worker
    for words in (["-c", str(site.config)], ["--keeper", "--run-dir", str(site.run)]):
        done = site.run_to_end(*words)
        assert (done.returncode, done.stdout) == (1, "")
        said = f"consoled-keeper: {site.run}: a keeper is running already, process {keeper}\n"
        assert done.stderr == said
    apart = ["--worker", "--run-dir", str(site.run), "-c", str(site.config)]
    done = site.run_to_end(*apart)
    assert done.returncode == 69
    assert f"worker {worker} is at work already" in done.stderr
    assert {path: path.lstat().st_ino for path in site.run.rglob("*")} == before
    assert (site.keeper, site.worker) == (keeper, worker)
    crowd.assert_untouched()


def test_worker_without_a_keeper(site: Site) -> None:
    """Its service manager tries again; it says once what is missing."""
    site.write(a={"command": CAT})
    done = site.run_to_end("--worker", "--run-dir", str(site.run), "-c", str(site.config))
    assert done.returncode == 69
    (told,) = done.stderr.splitlines()
    missing = f"consoled: no keeper at {site.run}/keeper.sock: No such file or directory; start "
    assert told.startswith(missing)


def test_another_server_of_another_directory(site: Site) -> None:
    """It serves what is free and says who has the rest."""
    port = free_port()
    site.write(a={"command": CAT, "listen": port})
    site.start()
    crowd = Crowd(site, ["a"])
    other = Site()
    try:
        other.write(a={"command": CAT, "listen": port})
        other.start()
        said = other.wait_errors("cannot open endpoint")
        assert str(port) in said
        assert str(site.keeper) in said  # who holds what the worker listens on
        Crowd(other, ["a"]).assert_untouched()
    finally:
        other.close()
    crowd.assert_untouched()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_signal_to_the_keeper_ends_everything_in_order(site: Site, number: signal.Signals) -> None:
    """Children get their time; nothing is left but the logs."""
    tidy = "trap 'echo tidy; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    site.write(a={"command": ["/bin/sh", "-c", tidy]}, b={"command": CAT})
    site.start()
    site.wait_log("a", b"\r\nup\r\n")
    peer = site.connect("a")
    pids = [site.child("a"), site.child("b"), site.worker, site.starter]
    assert site.popen is not None
    site.popen.send_signal(number)
    heard = peer.read_eof()
    assert b"tidy\r\n" in heard
    assert b"Normal exit status = 3" in heard
    assert site.popen.wait(10) == 0
    for pid in pids:
        processes.wait_gone(pid)
    assert site.log("a").endswith(b"server will exit\r\n")
    left = {path.name for path in site.run.rglob("*")}
    assert left == {"keeper.lock", "children"}


def test_keeper_and_worker_of_their_own(site: Site) -> None:
    """As two units: the worker may go and come, its children run on."""
    site.write(a={"command": CAT})
    first = site.start_apart()
    pid = site.child("a")
    first.terminate()
    first.wait(10)
    site.spawn("--worker", "--run-dir", str(site.run), "-c", str(site.config))
    assert site.child("a") == pid


def test_socket_activation(site: Site) -> None:
    """Sockets of the service manager are taken by their address, and nothing else is bound."""
    activate = shutil.which("systemd-socket-activate")
    assert activate, "systemd-socket-activate is missing: apt install systemd"
    port, path = free_port(), site.dir / "given.sock"
    site.write(a={"command": PROBE, "listen": [f"127.0.0.1:{port}", f"unix:{path}"]})
    site.popen = site.spawn("--keeper", "--run-dir", str(site.run))
    processes.wait_for(lambda: (site.run / "keeper.sock").exists(), "the keeper's socket")
    site.prefix = (activate, "-l", f"127.0.0.1:{port}", "-l", str(path), "-E", processes.MARK)
    site.spawn("--worker", "--run-dir", str(site.run), "-c", str(site.config))
    processes.wait_for(path.is_socket, "the given socket")
    inode = path.stat().st_ino
    with Peer.tcp("127.0.0.1", port) as peer:  # this connection starts it
        peer.read_until(TELNET_OFFER)
    site.accept(path).read_until(TELNET_OFFER)
    assert path.stat().st_ino == inode
    assert "cannot open" not in site.errors()
    peer = site.question("a")
    peer.send(b"environ\n")
    answer = peer.read_until(re.compile(rb"<<(\{.*\})>>"))
    assert b"LISTEN_" not in answer
    peer.send(b"fds\n")
    found = json.loads(re.findall(rb"<<(.*)>>", peer.read_until(re.compile(rb"<<.*>>")))[0])
    assert set(found) == {"0", "1", "2"}


def test_help_and_version(site: Site) -> None:
    done = site.run_to_end("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: consoled ")
    assert re.fullmatch(r"consoled \S+\n", site.run_to_end("--version").stdout)
    assert os.access(BIN, os.X_OK)
