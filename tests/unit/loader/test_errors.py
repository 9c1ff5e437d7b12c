"""Every kind of mistake, with its exact line and what would do."""

import pytest

from tests.support.sites import load_texts, messages

CONSOLE = '[console.a]\ncommand = "run"\n'

ONE_FILE = [
    (
        "[consol.a]",
        'M:1: consol: no table or option "consol" is known here, did you mean "console"?',
    ),
    ("\nx = 1", 'M:2: x: no table or option "x" is known here'),
    ("[access]", 'M:1: access: no table or option "access" is known here'),
    ("console = 5", "M:1: console: expected a table, not 5"),
    (
        '[console]\ncommand = "x"',
        'M:2: console command: expected a table, not "x"; write [console.NAME]',
    ),
    ('[console."a/b"]', "M:1: console a/b: not a name: use letters, digits and _ . : @ + -,"),
    ('[console."-a"]', "M:1: console -a: not a name"),
    ('[console.""]', "M:1: console : not a name"),
    (
        f"[console.{'a' * 65}]",
        f"M:1: console {'a' * 65}: the name has more than 64 characters",
    ),
    ('[console."a\\u001b"]', "M:1: console a\\x1b: not a name"),
    ('[console."ioc@"]', 'M:1: console ioc@: an instance needs a name behind the "@"'),
    (
        "[template.ioc]",
        'M:1: template ioc: a template is named by what stands before the "@": "ioc@"',
    ),
    ('[template."ioc@x"]', "M:1: template ioc@x: a template is named by"),
    (
        '[console."ioc@x"]',
        'M:1: console ioc@x: there is no [template."ioc@"], and the console has no',
    ),
    ("[console.a]\n", 'M:1: console a: no command: add command = "..."'),
    ('[template."i@"]\nchdir = "/"\n[console."i@x"]', "M:3: console i@x: no command"),
    (
        '[console.a]\ncommand = "run"\n\nholdof = 1',
        'M:4: console a: holdof: unknown option, did you mean "holdoff"?',
    ),
    ('[console.a]\ncommand = "run"\nlog = {\nfile = 5 }', "M:3: not TOML"),
    (
        '[console.a]\ncommand = "run"\n[console.a.limits]\ncore = 1\nas = []',
        "M:5: console a: limits.as: expected a number",
    ),
    (
        "[console.a]\ncommand = \"run\"\nlisten = [\n'2000',\n'x']",
        "M:5: console a: listen[1]: expected an endpoint",
    ),
    (
        "[console.a]\ncommand = \"run\"\nlisten = [\n{ at = '1', rol = 'ro' }]",
        "M:4: console a: listen[0].rol: unknown opt",
    ),
    (
        f"{CONSOLE}listen = '1'\n[console.b]\ncommand = 'x'\nlisten = 'tcp:1'",
        "M:6: console b: listen: tcp:1 of console b is already taken by console a (M:3)",
    ),
    (
        f"{CONSOLE}listen = 'unix:x'\n[console.b]\ncommand = 'x'\nlisten = 'unix:../consoled/x'",
        "M:6: console b: listen: unix:/run/consoled/x of console b is already taken by console a",
    ),
    (
        "[console.control]\ncommand = 'x'",
        "M:1: console control: unix:/run/consoled/control.sock of console control is already"
        " taken by the server's control socket",
    ),
    ("[server]\nrun_dri = 1", 'M:2: server: run_dri: unknown option, did you mean "run_dir"?'),
    ("[server]\nrun_dir = 'x'", 'M:2: server: run_dir: expected an absolute path, not "x"'),
    ("[server]\ngroup = 'nobody2'", 'M:2: server: group: there is no group "nobody2"'),
    (
        "[console.a]\ncommand = \"run\"\n[group.g]\nmembers = ['a',\n'b*']",
        'M:5: group g: members[1]: no console is called "b*"',
    ),
    ("[group.g]", "M:1: group g: members: must be given"),
]

NEWLINE = "\n"
# Their last line is wrong, which is line 3 and more.
OPTIONS = [
    ('holdoff = "15x"', 'holdoff: expected a duration such as "15s", not "15x"'),
    ("b.c = 1", "b: unknown option; a name with a dot needs quotes"),
    ("log = 'x'", 'log: expected a table, not "x"'),
    ("log.fil = 'x'", 'log.fil: unknown option, did you mean "file"?'),
    ("environment = { A = 1.5 }", "environment.A: expected text in quotes"),
    ("environment.'A B' = 'x'", "environment.A B: the name of a variable"),
    ("description = '{nam}'", 'description: "{nam}" is no placeholder'),
    ("environment.A = '{nam}'", 'environment.A: "{nam}" is no placeholder'),
    ("chdir = '{instance}'", 'chdir: "{instance}" is empty: the name "a"'),
    ("chdir = 'x'", 'chdir: expected an absolute path, not "x"'),
    ("scrollback = '1K'", "scrollback: expected a size such as"),
    ('description = "\\u001b"', "description: expected one line"),
    ("listen = 'x'", 'listen: expected an endpoint such as "2000"'),
    ("listen = { role = 'ro' }", "listen.at: must be given"),
    ("listen = { at = '1', mode = '0600' }", "listen: only a UNIX socket"),
    ("listen = 'unix:nobody2:::/x'", 'listen: there is no user "nobody2"'),
    ("listen = 'unix::nobody2::/x'", 'listen: there is no group "nobody2"'),
    ("listen = 'tcp:10.0.0.1:1'", "listen: tcp:10.0.0.1:1 can be reached"),
    ("listen = '0.0.0.0:1'", "listen: tcp:0.0.0.0:1 can be reached from"),
    ("listen = '[::]:1'", "listen: tcp:[::]:1 can be reached from other"),
    (
        f"listen = 'unix:{'x' * 100}'",
        f"listen: the socket path /run/consoled/{'x' * 100} has 114 bytes",
    ),
    (
        "listen = ['2000', '[::1]:2000']",
        "listen[1]: tcp:[::1]:2000 of console a is already taken by console a (M:3)",
    ),
    ("user = 'nobody2'", 'user: there is no user "nobody2" on this machine'),
    ("user = 54321", "user: user 54321 is no user of this machine: give a g"),
    ("user = 99999999999", 'user: there is no user "99999999999"'),
    (f"user = '{'9' * 5000}'", 'user: there is no user "999'),
    ("group = 0x" + "F" * 5000, "group: expected a name or a number, not a number of more"),
    ("user = 'nobody'\ngroup = 'nobody2'", "group: there is no group"),
    ("group = 'nobody2'", 'group: there is no group "nobody2" on this'),
]


@pytest.mark.parametrize(("text", "message"), ONE_FILE, ids=lambda text: text[-40:])
def test_one_file(text: str, message: str) -> None:
    found = messages(text)
    assert found
    assert found[-1].startswith(message)


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_options(options: str, message: str) -> None:
    found = messages(CONSOLE + options)
    assert found[0].partition(": ")[2].startswith(f"console a: {message}")
    assert found[0].startswith(f"M:{3 + options.count(NEWLINE)}: ")


def test_all_at_once_in_the_order_of_lines() -> None:
    found = messages(
        """
        [server]
        run_dri = 1
        [defaults]
        holdoff = "x"
        [template."i@"]
        command = "run"
        kill = "xx"
        [console."i@a"]
        user = "nobody2"
        [console."i@b"]
        replay = -1
        listen = "x"
        [group.g]
        members = "c"
        """
    )
    assert [message.split(": ")[0] for message in found] == [
        f"M:{line}" for line in (3, 5, 8, 10, 12, 13, 15)
    ]


def test_a_mistake_that_many_share_is_told_once() -> None:
    consoles = "".join(f'[console."i@{n}"]\n' for n in range(9))
    found = messages(f'[template."i@"]\ncommand = "run"\nlisten = "2000"\nsize = "x"\n{consoles}')
    assert found == [
        "M:3: template i@: listen: tcp:2000 of console i@1 is already taken by console i@0 (M:3)",
        'M:4: template i@: size: expected rows and columns such as "24x80", at most "500x1000",'
        ' not "x"',
    ]


def test_unused_template_is_checked_as_far_as_possible() -> None:
    assert messages('[template."i@"]\nlisten = "{instance}"\nkil = 1\nsize = "x"')[0].startswith(
        "M:3"
    )


def test_between_files() -> None:
    found = messages(
        "[defaults]\nenvironment.A = '1'\n[console.a]\ncommand = 'x'\n",
        b1="[defaults]\nholdoff = 1\nenvironment = { B = '2', A = '2' }\n",
        b2="[defaults]\nholdoff = 1\n\n[console.a]\ncommand = 'x'\n[server]\ninclude = []",
    )
    assert found == [
        "b1:3: defaults: environment.A: already given in M:2",
        "b2:2: defaults: holdoff: already given in b1:2",
        "b2:4: console a: already given in M:3",
        "b2:7: server: include: only the main file can include others",
    ]


def test_a_broken_file_does_not_hide_mistakes_in_others_nor_invent_some() -> None:
    found = messages(
        "[console.'i@a']\n[group.g]\nmembers = ['i@*', 'b']\n[console.c]\nsize = 1\n",
        broken="[template.i@]\ncommand = 'x'\n",
        other="[console.d]\ncommand = 'x'\nkil = 1\n",
    )
    assert [message.split(" ")[0] for message in found] == ["M:4:", "M:5:", "broken:1:", "other:3:"]


def test_variables() -> None:
    outcome = load_texts(
        "[console.a]\ncommand = 'x'\nenv_file = ['consoles.d/good.toml', 'missing.env']\n"
        "[server]\ninclude = []",
        good="A=1\nB\nC='\n",
    )
    assert list(map(str, outcome.problems)) == [
        "/etc/consoled/consoles.d/good.toml:2: expected KEY=VALUE with letters, digits and _ in"
        " KEY",
        "/etc/consoled/consoles.d/good.toml:3: the quotes around the value of C do not match",
    ]
    assert list(map(str, outcome.warnings)) == [
        "/etc/consoled/consoled.toml:3: console a: env_file[1]: /etc/consoled/missing.env"
        " cannot be read: not among the kept texts"
    ]


def test_ordinary_users_cannot_become_others() -> None:
    text = "[console.a]\ncommand = 'x'\nuser = 'root'\n[console.b]\ncommand = 'x'\ngroup = 'root'"
    environ = {"XDG_RUNTIME_DIR": "/run/user/65534"}
    found = messages(text, 65534, environ)
    assert found == [
        "M:3: console a: user: the server runs as nobody and cannot become root; only root can",
        "M:6: console b: group: the server runs as nobody and cannot change its group; only root"
        " can",
    ]
    text = "[console.a]\ncommand = 'x'\nlisten = 'unix:root:::x'"
    assert messages(text, 65534, environ) == [
        "M:3: console a: listen: only root can give a socket to root"
    ]


def test_ordinary_users_need_a_place_for_sockets() -> None:
    assert messages("[console.a]\ncommand = 'x'", 65534) == [
        'M: server: XDG_RUNTIME_DIR is not set: give run_dir = "..." in [server]'
    ]
    assert messages("[server]\ngroup = 0", 65534) == [
        'M:1: server: run_dir: XDG_RUNTIME_DIR is not set: give run_dir = "..." in [server]'
    ]


def test_own_socket_too_long() -> None:
    [message] = messages(f"[server]\nrun_dir = '/{'r' * 100}'\n[console.abc]\ncommand = 'x'")
    assert message.startswith("M:3: console abc: the socket path /rrr")
