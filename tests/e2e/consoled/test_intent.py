"""Stopping and starting by hand: the steps of a stop, what is remembered, and giving up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from support import processes
from support.servers import KILL, PROBE, QUIT, RESTART
from support.site import CAT, Crowd, Site


def saved(site: Site) -> list[str]:
    """The consoles that are remembered as stopped."""
    path = site.dir / "state" / "stopped.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def test_stopped_by_hand_stays_stopped_over_a_restart_of_the_server(site: Site) -> None:
    site.write(a={"command": CAT}, b={"command": CAT})
    site.start()
    site.child("a")
    site.ask("stop", console="a")
    site.wait_state("a", "STOPPED")
    processes.wait_for(lambda: saved(site) == ["a"], "saved intent")
    site.stop()
    site.start()
    site.child("b")
    assert site.status("a")["state"] == "STOPPED"
    assert site.status("a")["stopped_by_hand"]
    site.ask("start", console="a")
    site.child("a")
    processes.wait_for(lambda: saved(site) == [], "forgotten intent")
    site.stop()
    site.start()
    site.child("a")


def test_reload_does_not_start_what_was_stopped(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    site.child("a")
    site.ask("stop", console="a")
    site.wait_state("a", "STOPPED")
    site.write(a={"command": CAT, "holdoff": 0})
    site.reload()
    assert site.status("a")["state"] == "STOPPED"
    peer = site.connect("a")
    peer.send(RESTART)
    peer.read_until(b"@@@ The PID of new child")


def test_stopping_and_starting_twice_is_no_error(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    pid = site.child("a")
    site.ask("start", console="a")
    assert site.child("a") == pid
    for _ in range(2):
        site.ask("stop", console="a")
        site.wait_state("a", "STOPPED")


def test_autostart_off_waits_for_somebody(site: Site) -> None:
    site.write(a={"command": CAT, "autostart": False}, b={"command": CAT})
    site.start()
    site.child("b")
    assert site.status("a")["state"] == "STOPPED"
    site.ask("start", console="a")
    site.child("a")


def test_kill_leaves_it_to_the_restart_mode_and_is_not_remembered(site: Site) -> None:
    site.write(a={"command": CAT, "holdoff": 0}, b={"command": CAT, "restart": "off"})
    site.start()
    first = site.child("a")
    site.child("b")
    site.ask("kill", console=["a", "b"])
    processes.wait_for(lambda: site.status("a")["pid"] not in (None, first), "next child")
    site.wait_state("b", "EXITED")
    assert saved(site) == []


def test_restart_replaces_the_child(site: Site) -> None:
    site.write(a={"command": CAT, "holdoff": "30s"}, b={"command": CAT})
    site.start()
    crowd = Crowd(site, ["b"])
    first = site.child("a")
    peer = site.connect("a")
    site.ask("restart", console="a")
    peer.read_until(b"a new one is started in its place\r\n")
    assert site.child("a") != first
    crowd.assert_untouched()


LADDER = [
    ("keys", "", b"Normal exit status = 4"),
    ("signal", "trap '' INT; ", b"Normal exit status = 5"),
    ("kill", "trap '' INT TERM; ", b"killed by signal 9"),
]


@pytest.mark.parametrize(("rung", "deaf", "cause"), LADDER, ids=[rung for rung, _, _ in LADDER])
def test_steps_of_a_stop(site: Site, rung: str, deaf: str, cause: bytes) -> None:
    """What is typed first, then the signal, then KILL; each with its time."""
    script = {
        "keys": "while read word; do [ $word = leave ] && exit 4; done",
        "signal": "trap 'exit 5' TERM; while :; do sleep 0.05; done",
        "kill": "trap '' TERM; while :; do sleep 0.05; done",
    }[rung]
    command = ["/bin/sh", "-c", f"{deaf}echo up; {script}"]
    keys = "leave\\n" if rung == "keys" else "^C"
    site.write()
    site.add(
        f"[console.a]\ncommand = {json.dumps(command)}\nstop_timeout = '500ms'\n"
        f'stop_keys = "{keys}"\n'
    )
    site.start()
    site.wait_log("a", b"\r\nup\r\n")
    peer = site.connect("a")
    before = time.monotonic()
    site.ask("stop", console="a")
    heard = peer.read_until(b"it was told to stop and stays down\r\n")
    steps = ["keys", "signal", "kill"].index(rung)
    assert 0.45 * steps < time.monotonic() - before < 0.5 * steps + 1.5
    assert cause in heard
    site.wait_state("a", "STOPPED")


def test_giving_up(site: Site) -> None:
    """After so many starts it is FATAL; whoever starts it begins a new count."""
    site.write(a={"command": "/bin/false", "holdoff": 0, "start_limit": 3}, b={"command": CAT})
    site.start()
    crowd = Crowd(site, ["b"])
    site.wait_state("a", "FATAL")
    told = site.wait_log("a", b"it has ended too often and stays down\r\n")
    assert told.count(b"@@@ The PID of new child") == 3
    assert site.status("a")["starts"] == 3
    site.ask("start", console="a")
    processes.wait_for(lambda: site.status("a")["starts"] == 6, "three more starts")
    site.wait_state("a", "FATAL")
    site.write(a={"command": CAT, "holdoff": 0, "start_limit": 3}, b={"command": CAT})
    site.reload()
    assert site.status("a")["state"] == "FATAL"
    peer = site.connect("a")
    peer.send(KILL)
    site.child("a")
    crowd.assert_untouched()


def test_quit_key_is_for_children_that_are_down(site: Site) -> None:
    site.write(a={"command": PROBE, "holdoff": "20s"})
    site.start()
    peer = site.question("a")
    peer.send(QUIT + b"ping\n")  # the child's business while it runs
    peer.read_until(b"pong\r\n")
    peer.send(b"exit 0\n")
    peer.read_until(b"keeps it down\r\n")
    site.wait_state("a", "BACKOFF")
    peer.send(QUIT)
    peer.read_until(b'@@@ Console "a" is stopped')
    site.wait_state("a", "STOPPED")
    assert saved(site) == []


# -- files of the server, and who may use them -----------------------------------------------


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def test_modes_and_owners_of_what_is_in_the_run_directory(site: Site) -> None:
    """Only the group may use the sockets, and only we may speak with the keeper."""
    site.server["group"] = "daemon" if os.geteuid() == 0 else os.getegid()
    site.write(a={"command": CAT, "listen": ["unix:x.sock", "unix:::600:y.sock"]})
    site.start()
    site.child("a")
    gid = site.run.stat().st_gid if os.geteuid() else __import__("grp").getgrnam("daemon").gr_gid
    for name in ("control.sock", "a.sock", "x.sock"):
        status = (site.run / name).stat()
        assert (mode_of(site.run / name), status.st_uid) == (0o660, os.geteuid()), name
        assert status.st_gid == gid, name
    assert mode_of(site.run / "y.sock") == 0o600
    assert mode_of(site.run / "keeper.sock") == 0o600
    assert mode_of(site.run / "children") == 0o700
    assert mode_of(site.run / "keeper.lock") & 0o022 == 0
    assert mode_of(site.run) & 0o022 == 0
    site.wait_log("a", b"@@@")
    assert mode_of(site.log_path("a")) == 0o640


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_modes_do_not_depend_on_the_umask(site: Site, umask: int) -> None:
    site.write(a={"command": CAT})
    before = os.umask(umask)
    try:
        site.start()
    finally:
        os.umask(before)
    for name in ("control.sock", "a.sock"):
        assert mode_of(site.run / name) == 0o660
    assert mode_of(site.run / "keeper.sock") == 0o600
    assert mode_of(site.run) & 0o022 == 0
    site.wait_log("a", b"@@@")
    assert mode_of(site.log_path("a")) & 0o027 == 0


def test_deleted_socket_is_made_anew(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    site.child("a")
    (site.run / "a.sock").unlink()
    processes.wait_for((site.run / "a.sock").is_socket, "socket again")
    Crowd(site, ["a"]).assert_untouched()
