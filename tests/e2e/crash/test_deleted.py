"""What a keeper lives by may be deleted under it, and telnet may be cut anywhere."""

from __future__ import annotations

import os
import signal

from support import processes
from support.servers import CAT
from support.survivors import Station, kill

INSIDE = b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50"
REST = b"\x00\x18\xff\xf0"
"""A window of 80 columns and 24 rows, cut so that the rest begins with what ^X is."""


def test_keeper_socket_is_made_again(station: Station) -> None:
    """Else the next worker would find nobody, and the children would be lost to everybody."""
    station.console("a", CAT)
    station.start()
    child = station.child("a")
    socket = station.run / "keeper.sock"
    socket.unlink()
    (station.run / "keeper.lock").unlink()
    keeper = station.popen.pid if station.popen is not None else 0
    station.wait_errors("keeper.sock was deleted")
    kill(station.worker)
    station.wait_errors("standing in for it")
    processes.wait_for(lambda: station.children() == {"a": child}, "the next worker")
    assert station.keeper == keeper


def test_a_second_server_without_the_lock_harms_nobody(station: Station) -> None:
    """The lock was deleted; the socket still answers."""
    station.console("a", CAT)
    station.start()
    child = station.child("a")
    (station.run / "keeper.lock").unlink()
    second = station.spawn("--config", str(station.config))
    assert second.wait(20) == 1
    assert "a keeper is running already" in station.errors()
    assert station.child("a") == child


def test_a_window_size_cut_by_a_kill_is_no_kill_key(station: Station) -> None:
    station.console("a", CAT, tcp=True)
    station.start()
    user, child = station.connect("a", tcp=True), station.child("a")
    user.send(INSIDE)
    user.send(b"")
    user.read_until(b"\xff\xfd\x1f")
    kill(station.worker)
    station.wait_errors("standing in for it")
    user.send(REST + b"word\n")
    user.read_until(b"word\r\nword\r\n")
    assert station.child("a") == child


def test_a_reload_wanted_while_there_is_no_worker_comes_about(station: Station) -> None:
    station.console("a", CAT)
    station.start()
    station.console("b", CAT)
    station.write_config()
    worker, starter = station.worker, station.starter
    os.kill(starter, signal.SIGSTOP)
    kill(worker)
    os.kill(starter, signal.SIGHUP)
    os.kill(starter, signal.SIGCONT)
    names = lambda: {one["console"] for one in station.ask("list")["consoles"]}  # noqa: E731
    processes.wait_for(lambda: names() == {"a", "b"}, "the new console")
