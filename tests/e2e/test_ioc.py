"""A real IOC under the server, with the clients people really use: telnet, socat, nc.

``CONSOLED_PROCSERV=procServ`` runs the same dialogues against the original, but for those
cases that say they are ours only.
"""

import importlib.util
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

# pexpect forks; newer Pythons warn about the threads that pytest-xdist has.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of forkpty:DeprecationWarning")

SERVER = os.environ.get("CONSOLED_PROCSERV") or str(
    Path(sys.executable).with_name("consoled-procserv")
)
OURS_ONLY = pytest.mark.skipif(
    "CONSOLED_PROCSERV" in os.environ, reason="the original is known to differ"
)
IOC = Path(__file__).parents[1] / "support" / "ioc"
COMMAND = [sys.executable, str(IOC / "softioc_sh.py"), str(IOC / "st.cmd")]
PROMPT = "demo-ioc > "
RECORDS = ("demo:counter", "demo:setpoint", "demo:name")
TIMEOUT = 20.0

Attach = Callable[..., "pexpect.spawn[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(pid: int) -> None:
    """Stop a daemon that is not our child, and see it gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        os.kill(pid, signal.SIGTERM)
        if not select.select([handle], [], [], TIMEOUT)[0]:
            os.kill(pid, signal.SIGKILL)
            pytest.fail(f"server {pid} did not end within {TIMEOUT} s of SIGTERM")
    finally:
        os.close(handle)


class Server:
    """The server as a person starts it: in the background, on a port and on a socket."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.socket = directory / "control"
        self.log = directory / "my-ioc.log"
        # As printed in the documents, with a socket beside the port and a shorter holdoff.
        line = [SERVER, "-n", "my-ioc", "-i", "^D^C", "-L", "my-ioc.log", "--holdoff", "1"]
        line += ["-P", str(self.port), "-P", f"unix:{self.socket}", *COMMAND]
        started = subprocess.run(
            line,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        found = re.search(r"spawning daemon process: (\d+)", started.stderr)
        assert found, started.stderr
        self.pid = int(found[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if importlib.util.find_spec("epicscorelibs") is None:
        pytest.fail("epicscorelibs is missing: pip install -e '.[dev]'")
    server = Server(tmp_path)
    yield server
    end(server.pid)


@pytest.fixture
def attach(server: Server) -> Iterator[Attach]:
    """Runs clients on terminals of their own."""
    clients: list[pexpect.spawn[str]] = []

    def start(program: str, *args: str) -> "pexpect.spawn[str]":
        client: pexpect.spawn[str] = pexpect.spawn(
            program, list(args), encoding="utf-8", codec_errors="replace", timeout=TIMEOUT
        )
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.close(force=True)


@pytest.fixture
def telnet(server: Server, attach: Attach) -> "pexpect.spawn[str]":
    """A person at ``telnet localhost PORT`` who sees the prompt of the IOC."""
    client = attach("telnet", "localhost", str(server.port))
    client.expect_exact("(plus you)")
    wake(client)
    return client


def wake(client: "pexpect.spawn[str]") -> None:
    """Press return until the IOC answers: what is typed before it starts is thrown away."""
    for _ in range(int(TIMEOUT)):
        client.send("\r")
        if client.expect_exact([PROMPT, pexpect.TIMEOUT], timeout=1) == 0:
            break
    else:
        pytest.fail("the IOC gives no prompt")
    # The answer to this comes after those to all that was typed ahead.
    client.send("dbgf demo:name\r")
    client.expect_exact('"demo"')
    client.expect_exact(PROMPT)


def ask(client: "pexpect.spawn[str]", line: str) -> str:
    """Type a line; what comes before the next prompt."""
    client.send(line + "\r")
    client.expect_exact(line)
    client.expect_exact(PROMPT)
    return client.before or ""


def test_greeting(server: Server, attach: Attach) -> None:
    client = attach("telnet", "localhost", str(server.port))
    client.expect_exact("(plus you)")
    greeting = client.before or ""
    for line in (
        "@@@ Welcome to procServ (procServ Process Server 2.7.0)",
        "@@@ Use ^X to kill the child, auto restart is ON, use ^T to toggle auto restart",
        f"@@@ procServ server PID: {server.pid}",
        f"@@@ Server startup directory: {server.directory}",
        f'@@@ Child "my-ioc" started as: {sys.executable}',
        "@@@ procServ server started at: ",
    ):
        assert line in greeting


def test_commands(telnet: "pexpect.spawn[str]") -> None:
    listing = ask(telnet, "dbl")
    assert all(record in listing for record in RECORDS)
    assert re.search(r"DBF_DOUBLE:\s+20\b", ask(telnet, "dbgf demo:setpoint"))
    ask(telnet, "dbpf demo:setpoint 21.5")
    assert re.search(r"DBF_DOUBLE:\s+21.5\b", ask(telnet, "dbgf demo:setpoint"))


def test_leave_with_the_telnet_key(telnet: "pexpect.spawn[str]") -> None:
    telnet.send("\x1d")
    telnet.expect_exact("telnet>")
    telnet.send("quit\r")
    telnet.expect(pexpect.EOF)


def test_ignored_keys_do_not_end_the_ioc(telnet: "pexpect.spawn[str]") -> None:
    ask(telnet, "dbpf demo:setpoint 33")
    telnet.send("\x04\x03")
    assert re.search(r"DBF_DOUBLE:\s+33\b", ask(telnet, "dbgf demo:setpoint"))


def test_kill_restarts(telnet: "pexpect.spawn[str]") -> None:
    ask(telnet, "dbpf demo:setpoint 44")
    telnet.send("\x18")
    telnet.expect_exact("a new one will be restarted shortly")
    telnet.expect_exact('@@@ Restarting child "my-ioc"')
    wake(telnet)
    assert re.search(r"DBF_DOUBLE:\s+20\b", ask(telnet, "dbgf demo:setpoint"))


def test_exit_restarts(telnet: "pexpect.spawn[str]") -> None:
    telnet.send("exit\r")
    telnet.expect_exact("Normal exit status = 0")
    telnet.expect_exact('@@@ Restarting child "my-ioc"')
    wake(telnet)


def test_kill_then_quit_ends_the_server(server: Server, telnet: "pexpect.spawn[str]") -> None:
    handle = os.pidfd_open(server.pid)
    try:
        telnet.send("\x18")
        telnet.expect_exact("^Q quits the server")
        telnet.send("\x11")
        telnet.expect(pexpect.EOF)
        assert select.select([handle], [], [], TIMEOUT)[0], "the server is still there"
    finally:
        os.close(handle)
    assert not server.socket.exists()
    assert server.log.exists()


def test_clients_share_the_console(
    server: Server, telnet: "pexpect.spawn[str]", attach: Attach
) -> None:
    socat = attach("socat", "-,raw,echo=0", f"unix-connect:{server.socket}")
    nc = attach(shutil.which("nc.openbsd") or "nc", "127.0.0.1", str(server.port))
    for client in (socat, nc):
        client.expect_exact("(plus you)")
    assert "demo:counter" in ask(telnet, "dbl")
    for client in (socat, nc):
        client.expect_exact("demo:counter")
        client.expect_exact(PROMPT)
    assert "DBF_STRING" in ask(socat, "dbgf demo:name")
    telnet.expect_exact("DBF_STRING")
    telnet.expect_exact(PROMPT)
    nc.send("dbgf demo:setpoint\r")
    telnet.expect_exact("DBF_DOUBLE")


@OURS_ONLY
def test_one_question_by_pipe(server: Server, telnet: "pexpect.spawn[str]") -> None:
    answer = subprocess.run(
        ["socat", "-t", "5", "-", f"UNIX-CONNECT:{server.socket}"],
        input=b"dbl\n",
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    ).stdout.decode(errors="replace")
    assert all(record in answer for record in RECORDS)


@OURS_ONLY
def test_watching_without_input(server: Server, telnet: "pexpect.spawn[str]") -> None:
    with subprocess.Popen(
        [shutil.which("nc.openbsd") or "nc", "-U", str(server.socket)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as watcher:
        try:
            seen = read_until(watcher, "(plus you)")
            ask(telnet, "dbl")
            seen = read_until(watcher, "demo:name")
            assert "demo:counter" in seen
        finally:
            watcher.kill()


def read_until(process: subprocess.Popen[bytes], text: str) -> str:
    assert process.stdout is not None
    seen = b""
    while text.encode() not in seen:
        ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        assert chunk, f"no {text!r} in {seen!r}"
        seen += chunk
    return seen.decode(errors="replace")


def test_log_holds_the_session(server: Server, telnet: "pexpect.spawn[str]") -> None:
    ask(telnet, "dbl")
    telnet.send("\x18")
    telnet.expect_exact('@@@ Restarting child "my-ioc"')
    wake(telnet)
    ask(telnet, "dbgf demo:setpoint")
    end(server.pid)
    log = server.log.read_bytes().decode(errors="replace")
    parts = (
        '@@@ The PID of new child "my-ioc" is: ',
        PROMPT,
        "dbl\r\n",
        "demo:counter\r\n",
        "The process was killed by signal 9",
        '@@@ Restarting child "my-ioc"',
        "dbgf demo:setpoint\r\n",
    )
    at = 0
    for part in parts:
        at = log.find(part, at)
        assert at >= 0, f"{part!r} is missing, or out of order, in {log}"
    assert "Welcome to procServ" not in log


def three_ports() -> int:
    """The first of three that are free now; a demonstration has one for each console."""
    for first in iter(free_port, None):
        try:
            for port in (first + 1, first + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first
    raise AssertionError


def test_make_run(tmp_path: Path, attach: Attach) -> None:
    """The demonstration of the README: it says how to attach, and ^C stops all of it."""
    bin_dir, port = Path(sys.executable).parent, three_ports()
    home = tmp_path / 'a "home"'
    home.mkdir()
    line = f"cd {shlex.quote(str(home))} && exec sh {IOC / 'demo.sh'} {bin_dir} {port}"
    demo = attach("sh", "-c", line)
    demo.expect_exact(f"telnet localhost {port} ")
    demo.expect_exact("a real EPICS shell")
    demo.expect_exact(f"telnet localhost {port + 1} ")
    demo.expect_exact(f"telnet localhost {port + 2} ")
    demo.expect(r"kill -HUP (\d+)")
    assert demo.match is not None
    keeper = int(demo.match.group(1))
    demo.expect_exact("^C here")
    ioc, clock = (attach("telnet", "localhost", str(n)) for n in (port, port + 2))
    wake(ioc)
    clock.expect(r"\d\d:\d\d:\d\d")
    config = home / "demo" / "consoled.toml"
    config.write_text(config.read_text() + '[console.more]\ncommand = "cat"\n')
    os.kill(keeper, signal.SIGHUP)
    demo.expect_exact("+ more: added")
    ask(ioc, "dbl")
    demo.send("\x03")
    ioc.expect(pexpect.EOF)
    clock.expect(pexpect.EOF)
    demo.expect_exact("The consoles have ended.")
    demo.expect(pexpect.EOF)
    demo.close()
    assert demo.exitstatus == 0
    assert (home / "demo" / "log" / "ioc.log").stat().st_size


def test_make_run_says_which_port_is_taken(tmp_path: Path, attach: Attach) -> None:
    bin_dir, port = Path(sys.executable).parent, three_ports()
    with socket.create_server(("127.0.0.1", port + 1)):
        demo = attach("sh", "-c", f"cd {tmp_path} && exec sh {IOC / 'demo.sh'} {bin_dir} {port}")
        demo.expect_exact(f"Port {port + 1} is in use")
        demo.expect(pexpect.EOF)
    demo.close()
    assert demo.exitstatus == 1
