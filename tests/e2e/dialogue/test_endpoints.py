"""Section 1.1: where a server listens."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from support import processes
from support.servers import CAT, PROBE, Lab
from support.streams import Peer

from .helpers import cites
from .scope import not_for_consoled

WITHOUT_POWER = ("setpriv", "--bounding-set", "-chown,-fowner,-dac_override,-dac_read_search")
"""Root without the rights that would hide a permission problem; nothing to drop for others."""


def powerless() -> tuple[str, ...]:
    """A prefix under which permissions count."""
    return WITHOUT_POWER if os.geteuid() == 0 else ()


@cites("1.1/port", "1.1/port 0")
def test_port_listens_on_loopback(lab: Lab) -> None:
    """IPv4 only in procServ; ours on both loopbacks with the same port."""
    server = lab.start(endpoints=("0",))
    port = server.port()
    assert port > 0
    ipv6 = f"tcp:[::1]:{port}"
    assert server.info[1:] == lab.differs(
        procserv=[f"tcp:127.0.0.1:{port}"],
        ours=[f"tcp:127.0.0.1:{port}", ipv6],
        why="`telnet localhost` tries ::1 first",
    )
    server.talk()
    if lab.ours:
        Peer.tcp("::1", port).close()
    else:
        with pytest.raises(ConnectionRefusedError):
            Peer.tcp("::1", port)


@not_for_consoled("any port")
@cites("1.1/port blanks", "1.1/address")
def test_blanks_and_loopback_address(lab: Lab) -> None:
    specs = (" 0 ", "\t0", "127.0.0.1:0", " 127.0.0.1 : 0 ")
    server = lab.start(endpoints=specs)
    assert len(server.endpoints) == len(specs)
    for index, endpoint in enumerate(server.endpoints):
        assert re.fullmatch(r"tcp:127\.0\.0\.1:\d+", endpoint)
        server.talk(index)


@not_for_consoled("any port")
@cites("1.1/address replaced")
def test_foreign_address_is_replaced_by_loopback(lab: Lab) -> None:
    server = lab.start(endpoints=("192.0.2.7:0",))
    assert re.fullmatch(r"tcp:127\.0\.0\.1:\d+", server.info[1])
    told = lab.differs(procserv=False, ours=True, why="silence surprises; a warning does not")
    assert (b"192.0.2.7" in server.err()) == told
    server.talk()


@cites("1.1/log address")
@pytest.mark.parametrize(
    "restrict", [[], pytest.param(["--restrict"], marks=not_for_consoled("any port"))]
)
def test_log_address_counts_unless_restricted(lab: Lab, restrict: list[str]) -> None:
    server = lab.start("-l", "127.0.0.2:0", *restrict)
    replaced = lab.differs(procserv="127.0.0.1", ours="127.0.0.2", why="it is loopback already")
    assert server.info[1].startswith(f"tcp:{replaced if restrict else '127.0.0.2'}:")


@not_for_consoled("any port")
@cites("1/--restrict", "1.1/log address")
def test_restricted_log_address_becomes_loopback(lab: Lab) -> None:
    server = lab.start("-l", "192.0.2.7:0", "--restrict")
    assert server.info[1].startswith("tcp:127.0.0.1:")


@cites("1.1/names and IPv6", "1.2/bad spec")
@pytest.mark.parametrize("spec", ["localhost:0", "[::1]:0"])
def test_host_name_and_ipv6(lab: Lab, spec: str) -> None:
    if not lab.ours:
        done = lab.run("-f", "-P", spec, *CAT)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"Invalid socket spec '%s'\n" % spec.encode()
        return
    server = lab.start(endpoints=(spec,))
    assert any(line.startswith("tcp:") for line in server.info)
    port = int(server.info[1].rpartition(":")[2])
    Peer.tcp("::1" if "[" in spec else "localhost", port).close()


@not_for_consoled("refused")
@cites("1.1/out of range address")
def test_address_with_an_impossible_byte(lab: Lab) -> None:
    """procServ reads four numbers and forgets them; ours refuses what is no address."""
    if lab.ours:
        done = lab.run("-f", "-P", "300.1.1.1:0", *CAT)
        assert done.returncode == 1
        assert b"300.1.1.1:0" in done.stderr
    else:
        assert lab.start(endpoints=("300.1.1.1:0",)).info[1].startswith("tcp:127.0.0.1:")


@cites("1.1/unix path", "1.1/unix mode")
def test_unix_path_is_relative_to_the_directory_and_open_to_all(lab: Lab) -> None:
    (lab.dir / "sub").mkdir()
    server = lab.start(endpoints=("unix:sub/ctl",))
    mode = (lab.dir / "sub" / "ctl").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == lab.among_many(
        alone=0o666, many=0o660, why="for a group of operators, not for everybody"
    )
    server.talk()


@cites("1.1/unix perm", "1.1/unix empty fields")
@pytest.mark.parametrize(("fields", "mode"), [(":::", None), ("::600:", 0o600), ("::0:", 0)])
def test_unix_permissions(lab: Lab, fields: str, mode: int | None) -> None:
    lab.start(endpoints=(f"unix:{fields}ctl",))
    if mode is None:
        mode = lab.among_many(alone=0o666, many=0o660, why="for a group of operators")
    assert stat.S_IMODE((lab.dir / "ctl").stat().st_mode) == mode


@cites("1.1/unix user", "1.1/unix group")
@pytest.mark.parametrize("fields", ["user", "group", "both"])
def test_unix_owner(lab: Lab, fields: str) -> None:
    """A user brings his primary group along."""
    me = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    group = grp.getgrnam("daemon") if os.geteuid() == 0 else grp.getgrgid(os.getegid())
    user_field = me.pw_name if fields != "group" else ""
    group_field = group.gr_name if fields != "user" else ""
    lab.start(endpoints=(f"unix:{user_field}:{group_field}:660:ctl",))
    found = (lab.dir / "ctl").stat()
    assert found.st_uid == (me.pw_uid if fields != "group" else os.geteuid())
    with_user = lab.among_many(
        alone=me.pw_gid, many=os.getegid(), why="its sockets are for one group, whoever owns them"
    )
    assert found.st_gid == (with_user if fields == "user" else group.gr_gid)
    assert stat.S_IMODE(found.st_mode) == 0o660


@cites("1.1/chown failure")
def test_chown_failure_does_not_stop_the_server(lab: Lab) -> None:
    lab.prefix = powerless()
    other = "nobody" if os.geteuid() == 0 else "root"
    server = lab.start(endpoints=(f"unix:{other}:::ctl",))
    assert (lab.dir / "ctl").stat().st_uid == os.geteuid()
    server.talk()
    if lab.many:
        server.await_file("stderr", b"/ctl: cannot change its owner: Operation not permitted\n")


@cites("1.1/abstract")
def test_abstract_socket_has_no_trailing_nul(lab: Lab) -> None:
    server = lab.start(endpoints=(f"unix:@{lab.mark}",))
    assert server.info[1] == f"unix:@{lab.mark}"
    Peer.unix(b"\0" + lab.mark.encode()).close()
    server.talk()
    assert not list(lab.dir.glob("@*"))


@not_for_consoled("refused")
@cites("1.1/abstract empty")
def test_abstract_socket_without_a_name(lab: Lab) -> None:
    """Only one process of a machine can have it, so the case accepts that it is taken."""
    done = lab.run("-q", "-I", "info", "-P", "unix:@", *CAT)
    if done.returncode == 0:
        processes.wait_for((lab.dir / "info").exists, "info file")
        assert "\nunix:@\n" in (lab.dir / "info").read_text()
    else:
        assert done.returncode == 98


@not_for_consoled("refused")
@cites("1.1/colon in path")
def test_short_form_has_no_colon_in_the_path(lab: Lab) -> None:
    for spec in ("unix:a:b", "unix:a:b:c"):
        done = lab.run("-f", "-P", spec, *CAT)
        assert done.returncode == 1
        path = spec.removeprefix("unix:").encode()
        told = b"Unix path+permissions spec unparsable '%s'" % path
        assert done.stderr.startswith(told)
        assert done.stderr.count(b"\n") == 1


@cites("1.1/reuse address")
def test_a_port_can_be_used_again_at_once(lab: Lab) -> None:
    """Connections closed by the server linger in TIME_WAIT; they must not block its successor."""
    server = lab.start("-w", endpoints=("0",))
    port = server.port()
    server.quit()
    server.wait()
    again = lab.sibling("again").start(endpoints=(str(port),))
    assert again.port() == port
    again.talk()


@cites("1.1/backlog")
def test_connections_queue_while_the_server_is_busy(lab: Lab) -> None:
    server = lab.start()
    server.talk().close()
    os.kill(server.reader, signal.SIGSTOP)
    waiting: list[socket.socket] = []
    try:
        for _ in range(6):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            waiting.append(sock)
            sock.connect(os.path.relpath(lab.dir / "ctl"))
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        waiting.append(sock)
        if not lab.ours:
            with pytest.raises(BlockingIOError):
                sock.connect(os.path.relpath(lab.dir / "ctl"))
    finally:
        for sock in waiting:
            sock.close()


@cites("1.1/unix unlink")
@pytest.mark.parametrize("content", ["file", "stale socket"])
def test_what_lies_at_the_path_is_replaced(lab: Lab, content: str) -> None:
    """procServ removes anything; ours only the socket of a server that is gone."""
    path = lab.dir / "ctl"
    if content == "file":
        path.write_text("precious")
    else:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.path.relpath(path))
    if content == "file" and lab.many:
        server = lab.start()
        server.await_file("stderr", b"cannot open endpoint %s/ctl" % bytes(lab.dir))
        assert path.read_text() == "precious"
        return
    if content == "file" and lab.ours:
        done = lab.run("-f", "-P", "unix:ctl", *CAT)
        assert done.returncode == 17
        assert b"ctl" in done.stderr
        assert path.read_text() == "precious"
        return
    server = lab.start()
    assert stat.S_ISSOCK(path.stat().st_mode)
    server.talk()


@cites("1.1/second server steals")
def test_second_server_on_the_same_unix_path(lab: Lab) -> None:
    first = lab.start()
    first.talk()
    other = lab.sibling("other")
    spec = "unix:../ctl"
    if lab.many:
        late = other.start(endpoints=(spec,))
        told = late.await_file("stderr", b"cannot open endpoint")
        assert str(first.reader).encode() in told
        first.talk()
        return
    if lab.ours:
        done = other.run("-f", "-P", spec, *PROBE)
        assert done.returncode == 98
        assert str(first.pid).encode() in done.stderr
        assert b"ctl" in done.stderr
        first.talk()
        return
    second = other.start(endpoints=(spec,))
    assert second.greet()[1][1:3] == [
        b"@@@ Use ^X to kill the child, auto restart is ON, use ^T to toggle auto restart",
        b"@@@ procServ server PID: %d" % second.pid,
    ]
    first.signal(signal.SIGTERM)
    first.wait()
    assert not (lab.dir / "ctl").exists()
    assert second.running()


@cites("1.1/unlinks only its own")
def test_at_exit_a_foreign_socket_at_the_path_survives(lab: Lab) -> None:
    server = lab.start()
    server.talk()
    path = lab.dir / "ctl"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(path))
        server.signal(signal.SIGTERM)
        server.wait()
    kept = lab.differs(procserv=False, ours=True, why="it is not ours to remove")
    assert path.exists() == kept


@not_for_consoled("short paths")
@cites("1.1/long directory")
def test_socket_in_a_long_directory_by_a_relative_path(lab: Lab) -> None:
    deep = lab.dir / ("d" * 120)
    deep.mkdir()
    inner = Lab(lab.kind, deep)
    inner.mark = lab.mark
    server = inner.start()
    lab.adopt(server)
    assert Path(deep / "ctl").exists()
    server.talk()
