"""The example units: systemd accepts them, and they do what the documents' units do."""

import os
import re
import shlex
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from consoled.config.endpoint import TcpEndpoint, UnixEndpoint
from consoled.config.procserv import ProcservOptions, parse
from consoled.server import commandline, waiter

UNITS = Path(__file__).parents[2] / "systemd"
IOCSH = "/opt/epics/base-7.0.3.1/require/3.1.2/bin/iocsh.bash"
TEST_IOC, TEMPLATE = "consoled-procserv.service", "ioc@.service"
KEEPER, WORKER, SOCKET = "consoled-keeper.service", "consoled.service", "consoled.socket"
USER_KEEPER, USER_WORKER = f"user/{KEEPER}", f"user/{WORKER}"
KEEPERS, WORKERS = (KEEPER, USER_KEEPER), (WORKER, USER_WORKER)


def read(name: str) -> RawConfigParser:
    unit = RawConfigParser(strict=True, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(re.sub(r"\\\n\s*", " ", (UNITS / name).read_text(encoding="utf-8")))
    return unit


def run(*words: object) -> str:
    """What a tool says; it must be content."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def options(name: str, instance: str = "") -> ProcservOptions:
    line = read(name)["Service"]["ExecStart"].replace("%i", instance)
    return parse(shlex.split(line), {})


@pytest.mark.parametrize(("name", "instance"), [(TEST_IOC, TEST_IOC), (TEMPLATE, "ioc@my.service")])
def test_systemd_accepts(name: str, instance: str, tmp_path: Path) -> None:
    text = (UNITS / name).read_text(encoding="utf-8")
    assert text.count("consoled-procserv \\") == 1
    assert IOCSH in text
    copy = tmp_path / instance
    # systemd looks whether the programs exist; any will do.
    text = text.replace("consoled-procserv \\", f"{sys.executable} \\")
    copy.write_text(text.replace(IOCSH, "/bin/sh"))
    run("systemd-analyze", "verify", "--man=no", copy)


@pytest.mark.parametrize("name", [TEST_IOC, TEMPLATE])
def test_order_and_installation(name: str) -> None:
    unit = read(name)
    assert unit["Unit"]["After"].split() == ["network.target", "remote-fs.target"]
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    assert unit["Service"]["User"] == "iocuser"


@pytest.mark.parametrize("name", [TEST_IOC, TEMPLATE])
def test_only_the_server_is_told_to_stop(name: str) -> None:
    """Else systemd would signal the IOC as well and the grace period would be void."""
    service = read(name)["Service"]
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > options(name, "my").grace_period


def test_example_command() -> None:
    given = options(TEST_IOC)
    assert given.foreground
    assert given.name == "test-ioc"
    assert given.logfile == "/home/iocuser/test-ioc.log"
    assert sorted(given.keys.ignored) == [0x03, 0x04]
    assert given.control == (TcpEndpoint(None, 2000),)
    assert given.command == (IOCSH,)


def test_template_command() -> None:
    given = options(TEMPLATE, "my")
    assert given.foreground
    assert given.name == "my"
    assert given.logfile == "/var/log/procServ/my/out.log"
    assert given.infofile == "/run/procServ/my/info"
    assert sorted(given.keys.ignored) == [0x03, 0x04]
    assert given.keys.logout == 0x11
    assert given.chdir == "/run/procServ/my"
    assert given.control == (UnixEndpoint("/run/procServ/my/control"),)
    assert given.command == (IOCSH, "/opt/iocs/e3-ioc-my/st.cmd")


def test_template_directories() -> None:
    """systemd makes what the documents make with mkdir and chown."""
    service = read(TEMPLATE)["Service"]
    assert service["RuntimeDirectory"] == "procServ/%i"
    assert service["LogsDirectory"] == "procServ/%i"
    assert service["Group"] == "iocgroup"
    assert "ExecStartPre" not in service


def test_template_conditions() -> None:
    unit = read(TEMPLATE)["Unit"]
    assert "conserver.service" in unit["Before"].split()
    assert unit["AssertPathExists"] == "/opt/iocs/e3-ioc-%i"


# -- consoled -----------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units of consoled in one directory, with a program that exists."""
    for name in (*KEEPERS, *WORKERS, SOCKET):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        text = (UNITS / name).read_text(encoding="utf-8")
        copy.write_text(
            re.sub(
                r"^ExecStart=consoled ", f"ExecStart={sys.executable} ", text, flags=re.MULTILINE
            )
        )
    return tmp_path


def test_systemd_accepts_consoled(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(installed))
    system = [installed / name for name in (KEEPER, WORKER, SOCKET)]
    run("systemd-analyze", "verify", "--man=no", *system)
    user = [installed / name for name in (USER_KEEPER, USER_WORKER)]
    run("systemd-analyze", "verify", "--user", "--man=no", *user)


def test_worker_is_hardened(installed: Path) -> None:
    """3.1 of 10 here; what is left are files and networks that a configuration may name."""
    run("systemd-analyze", "security", "--offline=true", "--threshold=40", installed / WORKER)


@pytest.mark.parametrize("name", KEEPERS)
def test_nothing_of_the_keeper_is_felt_by_children(name: str) -> None:
    felt = r"Protect|Restrict|Private|Limit|Capability|SystemCall|NoNew|Lock|Memory|UMask|User|OOMS"
    found = {key for key in read(name)["Service"] if re.match(felt, key)}
    assert found <= {"LimitNOFILE"}
    soft, _, hard = read(KEEPER)["Service"]["LimitNOFILE"].partition(":")
    assert (int(soft), int(hard) > 100_000) == (1024, True)
    assert read(name)["Service"]["TasksMax"] == "infinity"
    assert read(name)["Service"]["OOMPolicy"] == "continue"


@pytest.mark.parametrize("name", KEEPERS)
def test_children_outlive_a_crash_of_the_keeper(name: str) -> None:
    service = read(name)["Service"]
    assert service["KillMode"] == "process"
    assert service["Restart"] == "on-failure"
    assert service["RuntimeDirectory"] == "consoled"
    assert service["RuntimeDirectoryPreserve"] == "yes"
    assert service["Delegate"] == "yes"


@pytest.mark.parametrize("name", WORKERS)
def test_no_stop_or_restart_of_the_keeper_is_passed_on(name: str) -> None:
    """systemd restarts what requires a service that it restarts after a crash."""
    unit = read(name)
    assert unit["Unit"]["Wants"] == unit["Unit"]["After"] == KEEPER
    assert not {"Requires", "BindsTo", "PartOf", "Requisite"} & set(unit["Unit"])
    assert unit["Unit"]["DefaultDependencies"] == "no"
    assert unit["Service"]["NotifyAccess"] == "all"
    never = {int(code) for code in unit["Service"]["RestartPreventExitStatus"].split()}
    assert never == {waiter.BAD_CONFIG}


@pytest.mark.parametrize("name", [*KEEPERS, *WORKERS])
def test_command_and_signals(name: str) -> None:
    service = read(name)["Service"]
    program, *words = service["ExecStart"].split()
    assert program == "consoled"
    given = commandline.parser().parse_args(words)
    assert (given.keeper, given.worker) == (name in KEEPERS, name in WORKERS)
    assert service["ExecReload"] == f"kill -{'USR1' if given.keeper else 'HUP'} $MAINPID"
    assert service["Type"] == "notify"


@pytest.mark.parametrize(
    ("tool", "name"),
    [("systemd-sysusers", "consoled.sysusers"), ("systemd-tmpfiles", "consoled.tmpfiles")],
)
def test_group_and_directories(tool: str, name: str, tmp_path: Path) -> None:
    """Into an empty tree, whose root and whose group consoled are whoever runs this."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(f"root:x:{os.getuid()}:{os.getgid()}::/root:/bin/sh\n")
    (etc / "group").write_text(f"root:x:{os.getgid()}:\nconsoled:x:{os.getgid()}:\n")
    action = ["--create"] if tool == "systemd-tmpfiles" else []
    run(tool, f"--root={tmp_path}", *action, UNITS / name)
    if action:
        log = (tmp_path / "var" / "log" / "consoled").stat()
        assert oct(log.st_mode & 0o7777) == "0o2750"


def test_logrotate() -> None:
    tool = ["logrotate", "--debug", "--state", "/dev/null", str(UNITS / "consoled.logrotate")]
    done = subprocess.run(tool, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "error:" in done.stderr) == (0, False), done.stderr
    assert "/var/log/consoled/*.log  weekly (8 rotations)" in done.stderr


def test_everything_is_installed() -> None:
    config = RawConfigParser()
    config.read(UNITS.parent / "setup.cfg")
    listed = set(" ".join(config["options.data_files"].values()).split())
    root = UNITS.parent
    files = [*UNITS.rglob("*"), *(root / "man").iterdir()]
    assert listed == {str(file.relative_to(root)) for file in files if file.is_file()}
