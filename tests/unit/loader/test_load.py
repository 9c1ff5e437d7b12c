"""What a right configuration becomes."""

import json
import resource
from typing import Any

import pytest

from consoled.config.model import (
    ConsoleConfig,
    Identity,
    ListenConfig,
    LogConfig,
    RestartMode,
    RestartPolicy,
    ServerConfig,
    SiteConfig,
)
from consoled.protocol import plain
from consoled.protocol.keys import KeyMap
from tests.support.sites import MAIN, SERVER, load_console, load_texts

OWN_SOCKET = ListenConfig("unix:/run/c/x@y.sock", path="/run/c/x@y.sock", gid=0, raw=True)


def site_of(text: str, *where: Any, **more: str) -> SiteConfig:
    outcome = load_texts(text, *where, **more)
    assert outcome.problems == []
    assert outcome.site is not None
    return outcome.site


def test_the_least() -> None:
    console = load_console("")
    assert console == ConsoleConfig(
        name="x@y",
        command=("run",),
        directory="/",
        environment=console.environment,
        user="root",
        listen=(OWN_SOCKET,),
        log=LogConfig("/var/log/c/x@y.log"),
        file=MAIN,
        line=6,
    )


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ("description = '{name} is {instance}'", "description", "x@y is y"),
        ("command = 'a \"b {instance}\"'", "command", ("a", "b y")),
        ("executable = '/bin/sh'", "executable", "/bin/sh"),
        ("chdir = '/opt/{instance}'", "directory", "/opt/y"),
        ("user = 'nobody'", "identity", Identity(65534, 65534, (65534,))),
        ("user = 65534", "user", "nobody"),
        ("user = 54321\ngroup = 5", "identity", Identity(54321, 5, (5,))),
        ("umask = '0002'", "umask", 2),
        (
            "limits = { core = 'unlimited', nofile = '1K:2K', as = 5 }",
            "limits",
            (
                (resource.RLIMIT_CORE, -1, -1),
                (resource.RLIMIT_NOFILE, 1024, 2048),
                (resource.RLIMIT_AS, 5, 5),
            ),
        ),
        ("size = '50x132'", "size", (50, 132)),
        (
            "kill = '^K'\ntoggle = false\nlogout = '^]'\nignore = '^C^D'",
            "keys",
            KeyMap(11, None, 29, b"\x03\x04"),
        ),
        ("info_file = '{name}.info'", "info_file", "/run/c/x@y.info"),
        ("info_file = '/x'", "info_file", "/x"),
        ("replay = 0", "replay", 0),
        ("scrollback = '64K'", "scrollback", 65536),
        ("time_format = '%T'", "time_format", "%T"),
        ("log.file = ''", "log", LogConfig(None)),
        ("log.file = 'sub/{instance}'", "log", LogConfig("/var/log/c/sub/y")),
        (
            "log = { file = '/l', timestamp = true, patience = '100ms' }",
            "log",
            LogConfig("/l", "%Y-%m-%d %H:%M:%S ", 0.1),
        ),
        (
            "restart = 'oneshot'\nholdoff = '1m'\nautostart = false\nstart_limit = 5\n"
            "start_limit_interval = '1h'\nkill_signal = 'INT'\nstop_signal = 'HUP'\n"
            "stop_keys = \"exit\\n\"\nstop_timeout = 3\nprofile = '2.8'",
            "policy",
            RestartPolicy(
                mode=RestartMode.ONESHOT,
                ring=(RestartMode.ON, RestartMode.OFF, RestartMode.ONESHOT),
                holdoff=60.0,
                wait_for_start=True,
                kill_signal=2,
                grace_period=3.0,
                solitary=False,
                stop_keys=b"exit\n",
                stop_signal=1,
                start_limit=5,
                start_limit_interval=3600.0,
            ),
        ),
    ],
)
def test_option(options: str, field: str, value: Any) -> None:
    if "command" in options:
        console = site_of(f'{SERVER}[console."x@y"]\n{options}').consoles[0]
    else:
        console = load_console(options)
    assert getattr(console, field) == value


@pytest.mark.parametrize(
    ("options", "listen"),
    [
        ("listen = []", (OWN_SOCKET,)),
        ("listen = 'none'", ()),
        (
            "listen = ['none', '2000']",
            (ListenConfig("tcp:2000", ("127.0.0.1", "::1"), 2000),),
        ),
        (
            "listen = { at = 'tcp:[::1]:2000', role = 'ro', profile = '2.8', raw = true }",
            (
                OWN_SOCKET,
                ListenConfig(
                    "tcp:[::1]:2000", ("::1",), 2000, raw=True, read_only=True, profile="2.8"
                ),
            ),
        ),
        (
            "listen = 'unix:sub/s'",
            (OWN_SOCKET, ListenConfig("unix:/run/c/sub/s", path="/run/c/sub/s", gid=0)),
        ),
        (
            "listen = 'unix:nobody:0:0600:/s,raw'",
            (
                OWN_SOCKET,
                ListenConfig("unix:/s", path="/s", uid=65534, gid=0, mode=0o600, raw=True),
            ),
        ),
        (
            "listen = { at = 'unix:/s', user = 'nobody', group = 0, mode = '0600', raw = false }",
            (OWN_SOCKET, ListenConfig("unix:/s", path="/s", uid=65534, gid=0, mode=0o600)),
        ),
        (
            "listen = ['none', 'unix:@s']",
            (ListenConfig("unix:@s", path="s", abstract=True, gid=0),),
        ),
        # The console's own socket, otherwise.
        (
            "listen = 'unix:{name}.sock'",
            (ListenConfig("unix:/run/c/x@y.sock", path="/run/c/x@y.sock", gid=0),),
        ),
    ],
)
def test_listen(options: str, listen: tuple[ListenConfig, ...]) -> None:
    assert load_console(options).listen == listen


def test_profile_of_endpoints_is_that_of_the_console() -> None:
    console = load_console("profile = '2.8'\nlisten = ['1', { at = '2', profile = '2.7' }]")
    assert [endpoint.profile for endpoint in console.listen] == ["2.8", "2.8", "2.7"]


def test_remote_endpoints_are_told() -> None:
    site = site_of(
        "[server]\nallow_remote_plaintext = true\n[console.a]\ncommand = 'x'\nlisten = '0.0.0.0:1'"
    )
    assert site.notes == (
        f"{MAIN}:5: console a: listen: tcp:0.0.0.0:1 can be reached from other machines, in plain"
        " text",
    )


def test_precedence() -> None:
    site = site_of(
        """
        [defaults]
        command = "from defaults"
        holdoff = 1
        replay = 1
        listen = ["1", "2"]
        environment = { A = "d", B = "d", C = "d" }
        log.timestamp = true
        [template."i@"]
        holdoff = 2
        command = "from template"
        environment = { B = "t {instance}", C = "t" }
        [console."i@x"]
        environment.C = "{{c}}"
        listen = "3"
        log.file = ""
        [console.y]
        listen = "none"
        """
    )
    x, y = site.consoles
    assert (x.command, y.command) == (("from", "template"), ("from", "defaults"))
    assert (x.policy.holdoff, y.policy.holdoff) == (2.0, 1.0)
    assert (x.replay, x.log) == (1, LogConfig(None, "%Y-%m-%d %H:%M:%S "))
    assert {key: x.environment[key] for key in "ABC"} == {"A": "d", "B": "t x", "C": "{c}"}
    assert {key: y.environment[key] for key in "ABC"} == {"A": "d", "B": "d", "C": "d"}
    assert [endpoint.port for endpoint in x.listen] == [None, 3]


def test_environment() -> None:
    environ = {"LANG": "C.UTF-8", "TZ": "UTC", "LD_PRELOAD": "x", "PATH": "/x"}
    site = site_of(
        "[console.a]\ncommand = 'x'\nuser = 'nobody'\nenv_file = ['consoles.d/e1.toml',"
        " 'consoles.d/e2.toml']\nenvironment = { C = 3, CONSOLED_CONSOLE = 'b', TERM = 'vt100' }\n"
        "[server]\ninclude = []",
        0,
        environ,
        e1="A=1\nB=1\nC=1\n",
        e2="B=2\nC=2\n",
    )
    environment = dict(site.consoles[0].environment)
    assert environment.pop("SHELL")
    assert environment.pop("HOME")
    assert environment == {
        "A": "1",
        "B": "2",
        "C": "3",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "vt100",
        "CONSOLED_CONSOLE": "a",
        "USER": "nobody",
        "LOGNAME": "nobody",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }


def test_root_finds_its_programs() -> None:
    assert "/usr/sbin" in load_console("").environment["PATH"]


def test_groups() -> None:
    site = site_of(
        "[defaults]\ncommand = 'x'\n[template.'i@']\n"
        "[console.'i@b']\n[console.'i@a']\n[console.c]\n"
        "[group.all]\nmembers = ['c', '*', 'i@?']\n[group.i]\nmembers = 'i@[ab]'\n"
    )
    assert site.groups == {"all": ("c", "i@b", "i@a"), "i": ("i@b", "i@a")}


def test_drop_ins_in_the_order_of_bytes() -> None:
    more = {name: f"[console.{name}]\ncommand = 'x'\n" for name in ("b", "a", "B", "_")}
    more |= {".hidden": "[", "ä": "[console.z]\ncommand = 'x'\n"}
    site = site_of("[console.main]\ncommand = 'x'\n", **more)
    assert [console.name for console in site.consoles] == ["main", "B", "_", "a", "b", "z"]
    assert site.consoles[1].file == "/etc/consoled/consoles.d/B.toml"


def test_places_of_root() -> None:
    outcome = load_texts("[console.a]\ncommand = 'x'")
    assert outcome.site is not None
    server = outcome.site.server
    logs = "/var/log/consoled"
    assert server == ServerConfig(
        "/run/consoled", "/var/lib/consoled", server.gid, own_log_dir=logs
    )
    assert outcome.site.consoles[0].log.file == "/var/log/consoled/a.log"


def test_places_of_others() -> None:
    environ = {"XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/home/me"}
    site = site_of("[console.a]\ncommand = 'x'", 65534, environ)
    assert site.server.run_dir == "/run/user/1/consoled"
    assert site.server.state_dir == "/home/me/.local/state/consoled"
    console = site.consoles[0]
    assert console.log.file == "/home/me/.local/state/consoled/log/a.log"
    assert (console.directory, console.identity, console.user) == ("/home/me", None, "nobody")
    site = site_of("", 65534, environ | {"XDG_STATE_HOME": "/state"})
    assert site.server.state_dir == "/state/consoled"


def test_nothing_is_a_configuration() -> None:
    assert site_of("").consoles == ()


def test_it_survives_the_way_to_the_server() -> None:
    site = site_of(
        "[console.a]\ncommand = 'x'\nuser = 'nobody'\nlisten = ['1', 'unix:@a']\n"
        "stop_keys = \"^Cü\"\nlimits.core = 0\n[group.g]\nmembers = 'a'"
    )
    document = json.loads(json.dumps(plain.dump(site)))
    assert plain.load(SiteConfig, document) == site
