"""Reading the configuration again: what changes, when, and who is not disturbed by it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import processes
from support.servers import KILL, PROBE, QUIT, RESTART, TELNET_OFFER
from support.site import CAT, Crowd, Site
from support.streams import Peer
from support.translation import free_port

FIFTY = [f"ioc{number:02}" for number in range(50)]
ONE_CHANGED = ["~ ioc07: policy: changed now", "= 49 unchanged"]
RELOADED = "consoled: reloaded:"


@pytest.fixture
def fifty(site: Site) -> Crowd:
    """Fifty consoles in fifty files, with a client on each."""
    site.write()
    for name in FIFTY:
        site.drop_in(name, command=CAT)
    site.start()
    return Crowd(site, FIFTY)


WAYS: dict[str, Callable[[Site], None]] = {
    "verb": lambda site: None,
    "worker": lambda site: os.kill(site.worker, signal.SIGHUP),
    "starter": lambda site: os.kill(site.starter, signal.SIGHUP),
    "keeper": lambda site: os.kill(site.keeper, signal.SIGHUP),
}


@pytest.mark.parametrize("way", WAYS)
def test_one_broken_file_of_fifty_changes_nothing(site: Site, fifty: Crowd, way: str) -> None:
    """Not even what another file has right is taken, until all of them are."""
    path = site.drop_in("ioc31", command=CAT, holdof="1s")
    site.drop_in("ioc32", command=CAT, holdoff="1s")
    told = f'{path}:3: console ioc31: holdof: unknown option, did you mean "holdoff"?'
    if way == "verb":
        assert site.refused() == [told, "nothing was changed"]
    else:
        WAYS[way](site)
    said = site.wait_errors("nothing was changed\n")
    refused = f"consoled: reload refused:\nconsoled:   {told}\nconsoled:   nothing was changed\n"
    assert said.endswith(refused)
    fifty.assert_untouched()
    site.drop_in("ioc31", command=CAT)
    assert site.reload() == ["~ ioc32: policy: changed now", "= 49 unchanged"]


@pytest.mark.parametrize("way", WAYS)
def test_one_changed_file_of_fifty_disturbs_nobody(site: Site, fifty: Crowd, way: str) -> None:
    site.drop_in("ioc07", command=CAT, holdoff="1s")
    if way == "verb":
        assert site.reload() == ONE_CHANGED
    else:
        WAYS[way](site)
    said = site.wait_errors("= 49 unchanged")
    assert f"{RELOADED}\nconsoled:   {ONE_CHANGED[0]}\nconsoled:   {ONE_CHANGED[1]}\n" in said
    fifty.assert_untouched()


def refuses(port: int) -> bool:
    """Whether nobody listens on a port."""
    try:
        Peer.tcp("127.0.0.1", port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_nothing_changed(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    crowd = Crowd(site, ["a"])
    assert site.reload() == ["= 1 unchanged"]
    crowd.assert_untouched()


def test_added_console_is_there_at_once(site: Site) -> None:
    port = free_port()
    site.write(a={"command": CAT})
    site.start()
    crowd = Crowd(site, ["a"])
    site.drop_in("b", command=CAT, listen=[port])
    assert site.reload() == ["+ b: added", "= 1 unchanged"]
    site.child("b")
    with Peer.tcp("127.0.0.1", port) as peer:
        peer.read_until(TELNET_OFFER)
    Crowd(site, ["b"]).assert_untouched()
    crowd.assert_untouched()


def test_removed_console_stays_until_its_child_has_ended(site: Site) -> None:
    """Then it is gone with its sockets, its endpoints and its info file."""
    port = free_port()
    site.write(a={"command": CAT})
    path = site.drop_in("b", command=CAT, listen=[port], info_file="b.info", holdoff=0)
    site.start()
    crowd = Crowd(site, ["a", "b"])
    site.ports["b"] = port
    path.unlink()
    removed = ["- b: removed; a running child is left until it ends", "= 1 unchanged"]
    assert site.reload() == removed
    crowd.assert_untouched()
    assert site.status("b")["condemned"]
    peer = site.connect("b", tcp=True)
    peer.send(b"\x04")  # the end of what cat reads
    peer.read_eof()
    processes.wait_for(lambda: site.names() == ["a"], "console b gone")
    for name in ("b.sock", "b.info"):
        processes.wait_for(lambda name=name: not (site.run / name).exists(), f"{name} gone")
    processes.wait_for(lambda: refuses(port), "port closed")
    answer = site.request("status", console="b")
    assert (answer["ok"], answer["error"]) == (False, "no-such-console")
    crowd.assert_untouched(but=["b"])


def test_removed_console_without_a_child_goes_at_once(site: Site) -> None:
    site.write(a={"command": CAT})
    path = site.drop_in("b", command=CAT, autostart=False)
    site.start()
    path.unlink()
    site.reload()
    processes.wait_for(lambda: site.names() == ["a"], "console b gone")
    processes.wait_for(lambda: not (site.run / "b.sock").exists(), "socket gone")


def test_console_that_is_wanted_again_before_it_went(site: Site) -> None:
    site.write(a={"command": CAT})
    path = site.drop_in("b", command=CAT)
    site.start()
    crowd = Crowd(site, ["a", "b"])
    path.unlink()
    site.reload()
    site.drop_in("b", command=CAT)
    assert site.reload() == ["+ b: added", "= 1 unchanged"]
    assert not site.status("b")["condemned"]
    crowd.assert_untouched()


def test_keys_and_holdoff_change_at_once(site: Site) -> None:
    site.write(a={"command": PROBE, "restart": "on", "holdoff": "30s"})
    site.start()
    peer = site.question("a")
    pid = site.child("a")
    site.write(a={"command": PROBE, "holdoff": 0, "ignore": "#", "kill": "^K"})
    assert site.reload() == ["~ a: policy, keys: changed now", "= 0 unchanged"]
    peer.send(b"p#i#n#g\n")
    peer.read_until(b"ping\r\npong\r\n")
    assert site.child("a") == pid
    peer.send(b"exit 0\n")
    peer.read_until(b"@@@ The PID of new child")  # a holdoff of 30 s would not let it
    site.child("a")
    peer.send(b"\x0b")
    peer.read_until(b"killed by signal 9")


def test_log_file_changes_at_once(site: Site) -> None:
    site.write(a={"command": PROBE})
    site.start()
    peer = site.question("a")
    site.wait_log("a", b"pong\r\n")
    site.write(a={"command": PROBE, "log": {"file": "other.log", "timestamp": "<S>"}})
    assert site.reload() == ["~ a: log: changed now", "= 0 unchanged"]
    peer.send(rb"out second\n" + b"\n")
    peer.read_until(b"\r\nsecond\r\n")
    other = site.logs / "other.log"
    processes.wait_for(lambda: other.exists() and b"<S>second" in other.read_bytes(), "new log")
    assert b"pong" not in other.read_bytes()
    before = site.log("a")
    assert b"second" not in before
    site.write(a={"command": PROBE, "log": {"file": ""}})
    site.reload()
    peer.send(rb"out third\n" + b"\n")
    peer.read_until(b"\r\nthird\r\n")
    assert site.status("a")["log"] is None
    assert b"third" not in other.read_bytes() + site.log("a")


def test_endpoints_change_at_once_and_kept_ones_keep_their_peers(site: Site) -> None:
    first, second = free_port(), free_port()
    site.write(a={"command": CAT, "listen": [first, "unix:kept.sock"]})
    site.start()
    site.child("a")
    kept = site.accept(site.run / "kept.sock")
    kept.read_until(TELNET_OFFER)
    site.write(a={"command": CAT, "listen": ["unix::::kept.sock", {"at": second, "role": "ro"}]})
    assert site.reload()[0] == "~ a: listen: changed now"
    with Peer.tcp("127.0.0.1", second) as logger:
        logger.read_until(TELNET_OFFER)
        kept.send(b"hello\n")
        kept.read_until(b"hello\r\nhello\r\n")
        logger.read_until(b"hello\r\nhello\r\n")
        logger.send(b"nobody hears\n")
        kept.send(b"end\n")
        assert b"nobody" not in kept.read_until(b"end\r\nend\r\n")
    processes.wait_for(lambda: refuses(first), "port closed")


def test_mode_of_a_kept_socket_changes_at_once(site: Site) -> None:
    site.write(a={"command": CAT, "listen": {"at": "unix:x.sock", "mode": "0600"}})
    site.start()
    path = site.run / "x.sock"
    inode = path.stat().st_ino
    site.write(a={"command": CAT, "listen": {"at": "unix:x.sock", "mode": "0666"}})
    site.reload()
    processes.wait_for(lambda: path.stat().st_mode & 0o777 == 0o666, "mode 0666")
    assert path.stat().st_ino == inode


def test_profile_changes_at_once(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    site.child("a")
    peer = site.accept(site.run / "a.sock")
    assert b"Server 2.7.0)" in peer.read_until(b"(plus you)\r\n")
    site.write(a={"command": CAT, "profile": "2.8"})
    site.reload()
    newcomer = site.accept(site.run / "a.sock")
    greeting = newcomer.read_until(b"(plus you)\r\n")
    assert b"Server 2.8.0)" in greeting
    assert b"auto restart mode is ON" in greeting
    for mode in (b"OFF", b"ONESHOT", b"ON"):
        newcomer.send(b"\x14")
        peer.read_until(b"@@@ Toggled auto restart mode to %s\r\n" % mode)


def test_one_console_speaks_two_profiles(site: Site) -> None:
    """Each endpoint may have its own."""
    at = [{"at": f"unix:{name}", "profile": name} for name in ("2.7", "2.8")]
    site.write(a={"command": CAT, "listen": at})
    site.start()
    for name, phrase in (("2.7", b"auto restart is ON"), ("2.8", b"auto restart mode is ON")):
        greeting = site.accept(site.run / name).read_until(TELNET_OFFER)
        assert b"Server %s.0)" % name.encode() in greeting
        assert phrase in greeting


def test_what_a_child_was_started_with_waits_for_its_next_start(site: Site) -> None:
    inside = site.dir / "inside"
    inside.mkdir()
    site.write(a={"command": PROBE})
    site.start()
    peer = site.question("a")
    pid = site.child("a")
    more = {"PLANT": "north", processes.MARK: site.mark}
    site.write(a={"command": [*PROBE, "word"], "environment": more, "chdir": str(inside)})
    later = "~ a: command, directory, environment: changes at its next start"
    assert site.reload() == [later, "= 0 unchanged"]
    peer.send(b"ping\n")
    peer.read_until(b"pong\r\n")
    assert site.child("a") == pid
    assert "PLANT" not in site.environment_of("a")
    peer.send(KILL)
    peer.read_until(b"killed by signal 9")
    peer.send(RESTART)
    processes.wait_for(lambda: site.status("a")["pid"] not in (None, pid), "next child")
    processes.wait_for(lambda: site.words_of("a")[-1:] == ["word"], "its exec")
    assert site.environment_of("a")["PLANT"] == "north"
    assert os.readlink(f"/proc/{site.child('a')}/cwd") == str(inside)


def test_port_that_is_taken_refuses_the_whole_reload(site: Site) -> None:
    """What could be bound is let go again, and nothing else is changed."""
    free, taken = free_port(), free_port()
    site.write(a={"command": CAT})
    site.start()
    crowd = Crowd(site, ["a"])
    site.write(a={"command": CAT, "holdoff": "1s"})
    site.drop_in("b", command=CAT, listen=[free, "unix:b2.sock"])
    site.drop_in("c", command=CAT, listen=taken)
    with Listening(taken):
        refusal = site.refused()
        assert refusal[-1] == "nothing was changed"
        assert re.match(rf"cannot open endpoint .*{taken}", refusal[0])
        assert str(os.getpid()) in refusal[0]
        assert site.names() == ["a"]
        processes.wait_for(lambda: refuses(free), "port let go")
        for name in ("b.sock", "b2.sock", "c.sock"):
            processes.wait_for(lambda name=name: not (site.run / name).exists(), f"no {name}")
    added = ["+ b: added", "+ c: added"]
    assert site.reload() == [*added, "~ a: policy: changed now", "= 0 unchanged"]
    crowd.assert_untouched()


class Listening:
    """Somebody else's server on a port."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._sock.close()


def test_duplicates_across_files_name_both_places(site: Site) -> None:
    site.write(a={"command": CAT})
    one = site.drop_in("one", command=CAT, listen="2000")
    site.start()
    crowd = Crowd(site, ["a", "one"])
    two = site.drop_ins / "two.toml"
    again = '[console.one]\ncommand = "cat"\n\n'
    two.write_text(f'{again}[console.b]\ncommand = "cat"\nlisten = 2000\n')
    assert site.refused() == [
        f"{two}:1: console one: already given in {one}:1",
        f"{two}:6: console b: listen: tcp:2000 of console b is already taken by"
        f" console one ({one}:3)",
        "nothing was changed",
    ]
    crowd.assert_untouched()


def test_what_concerns_the_server_waits_for_its_restart(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    site.server["state_dir"] = str(site.dir / "elsewhere")
    site.write(a={"command": CAT, "scrollback": "2M"})
    assert site.reload() == [
        "~ a: scrollback: changes when the server is restarted",
        "~ server.state_dir: changes when the server is restarted",
        "= 0 unchanged",
    ]


def test_stopping_key_concerns_one_console_only(site: Site) -> None:
    """^Q on a down child; nobody's intent is saved by it."""
    site.write(a={"command": PROBE, "restart": "off"}, b={"command": CAT})
    site.start()
    crowd = Crowd(site, ["b"])
    peer = site.question("a")
    peer.send(b"exit 0\n")
    peer.read_until(b"keeps it down\r\n")
    peer.send(QUIT)
    peer.read_until(b'@@@ Console "a" is stopped, ^R or ^X starts it again\r\n')
    crowd.assert_untouched()
    assert not site.status("a")["stopped_by_hand"]


def test_info_file_follows_the_configuration(site: Site) -> None:
    port = free_port()
    site.write(a={"command": CAT, "info_file": "a.info", "listen": ["none", port]})
    site.start()
    tcp = [f"tcp:127.0.0.1:{port}", f"tcp:[::1]:{port}"]
    assert lines_of(site.run / "a.info") == [f"pid:{site.keeper}", *tcp]
    site.write(a={"command": CAT, "info_file": str(site.dir / "b.info"), "listen": ["none", port]})
    site.reload()
    assert lines_of(site.dir / "b.info") == [f"pid:{site.keeper}", *tcp]
    processes.wait_for(lambda: not (site.run / "a.info").exists(), "old info file gone")
    site.stop()
    assert not (site.dir / "b.info").exists()


def lines_of(path: Path) -> list[str]:
    processes.wait_for(path.exists, str(path))
    return path.read_text().splitlines()


def test_a_configuration_that_hangs_or_is_gone_changes_nothing(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    crowd = Crowd(site, ["a"])
    site.config.unlink()
    said = site.refused()
    assert said == [f"{site.config}: cannot be read: No such file or directory", said[-1]]
    os.mkfifo(site.config)
    assert site.refused()[0] == f"{site.config}: cannot be read: not a regular file"
    crowd.assert_untouched()


def test_answers_are_lines_of_json_with_the_id_of_the_request(site: Site) -> None:
    site.write(a={"command": CAT})
    site.start()
    peer = site.accept(site.run / "control.sock")
    peer.send(b'{"verb": "list", "id": 7}\nnonsense\n{"verb": "dance", "id": "x"}\n')
    first, second, third = (json.loads(peer.read_until(b"\n")) for _ in range(3))
    assert (first["ok"], first["id"]) == (True, 7)
    assert (second["ok"], second["error"]) == (False, "usage")
    assert (third["ok"], third["error"], third["id"]) == (False, "unknown-verb", "x")


def says(name: str) -> list[str]:
    """A program that says whose it is."""
    return ["/bin/sh", "-c", f"echo I am {name}.; exec cat"]


def who(port: int) -> str:
    """Which program is at a port."""
    with Peer.tcp("127.0.0.1", port) as peer:
        found = re.search(rb"I am (\w+)\.", peer.read_until(re.compile(rb"I am \w+\.")))
    assert found is not None
    return found[1].decode()


def test_endpoints_move_between_consoles(site: Site) -> None:
    """In either direction, and both at once; over the end of a worker, too."""
    one, two, three = free_port(), free_port(), free_port()
    site.write(
        a={"command": says("a"), "listen": [one]},
        b={"command": says("b"), "listen": [two]},
        c={"command": says("c"), "listen": [three]},
    )
    site.start()
    site.write(
        a={"command": says("a"), "listen": [two]},
        b={"command": says("b"), "listen": [one, three]},
        c={"command": says("c")},
    )
    assert site.reload()[-1] == "= 0 unchanged"
    assert [who(port) for port in (one, two, three)] == ["b", "a", "b"]
    os.kill(site.worker, signal.SIGKILL)
    processes.wait_for(lambda: site.names() == ["a", "b", "c"], "the next worker")
    assert [who(port) for port in (one, two, three)] == ["b", "a", "b"]


def test_console_with_a_new_name_takes_its_port_along(site: Site) -> None:
    """At once, while the child of the old name runs on; and keeps it when that has gone."""
    port = free_port()
    site.write(old={"command": says("old"), "listen": [port]})
    site.start()
    assert who(port) == "old"
    site.write(new={"command": says("new"), "listen": [port]})
    site.reload()
    assert who(port) == "new"
    worker = site.worker
    os.kill(worker, signal.SIGKILL)
    processes.wait_for(lambda: site.worker != worker, "the next worker")
    assert who(port) == "new"
    assert site.request("kill", console="old")["ok"]
    processes.wait_for(lambda: site.names() == ["new"], "console old gone")
    assert who(port) == "new"


def test_removed_console_stays_removed_when_the_worker_is_killed(site: Site) -> None:
    """Before its child has ended, and after."""
    site.write(a={"command": CAT}, b={"command": CAT}, c={"command": CAT})
    site.start()
    site.write(a={"command": CAT})
    site.reload()
    assert site.request("kill", console="c")["ok"]
    processes.wait_for(lambda: site.names() == ["a", "b"], "console c gone")
    worker = site.worker
    os.kill(worker, signal.SIGKILL)
    processes.wait_for(lambda: site.worker != worker, "the next worker")
    assert site.names() == ["a", "b"]
    assert site.request("kill", console="b")["ok"]
    processes.wait_for(lambda: site.names() == ["a"], "console b gone")


def test_change_during_a_reload_is_read(site: Site) -> None:
    """The files may have been read already: they are read again."""
    site.write(a={"command": CAT})
    site.start()
    for number in range(15):
        site.drop_in(f"n{number}", command=CAT)
        os.kill(site.worker, signal.SIGHUP)
        time.sleep(0.1 + 0.01 * number)
        path = site.drop_in(f"m{number}", command=CAT)
        site.reload()
        assert f"m{number}" in site.names()
        path.unlink()
