"""The example units: systemd accepts them, and they do what the documents' units do."""

import re
import shlex
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from consoled.config.endpoint import TcpEndpoint, UnixEndpoint
from consoled.config.procserv import ProcservOptions, parse

UNITS = Path(__file__).parents[2] / "systemd"
IOCSH = "/opt/epics/base-7.0.3.1/require/3.1.2/bin/iocsh.bash"
TEST_IOC, TEMPLATE = "consoled-procserv.service", "ioc@.service"


def read(name: str) -> RawConfigParser:
    unit = RawConfigParser(strict=True, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(re.sub(r"\\\n\s*", " ", (UNITS / name).read_text(encoding="utf-8")))
    return unit


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
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")


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
