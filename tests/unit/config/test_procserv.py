"""The command line of procServ: what it means, and every word of what is wrong with it.

The diagnostics were compared with those of procServ 2.7.0 and glibc on thousands of
random command lines.
"""

import pytest

from consoled.config.endpoint import TcpEndpoint, UnixEndpoint
from consoled.config.procserv import (
    GROUPS,
    OPTIONS,
    Argument,
    Option,
    ProcservOptions,
    help_text,
    parse,
    usage_text,
)
from consoled.errors import ConfigError, UsageError
from consoled.protocol.keys import KeyMap

LOGS = "'--logport' '--logfile' '--logstamp' '--logoutcmd'"
MISSING = "procServ: missing argument"


def read(*words: str, **environ: str) -> ProcservOptions:
    """Parse with a control endpoint and a command behind the options."""
    return parse(["procServ", *words, "2000", "/bin/cat"], environ)


def complaint(*words: str) -> str:
    with pytest.raises(UsageError) as error:
        parse(["procServ", *words], {})
    return str(error.value)


class TestDefaults:
    def test_nothing_but_the_command(self) -> None:
        assert read() == ProcservOptions(
            control=(TcpEndpoint(None, 2000),),
            command=("/bin/cat",),
            argv0="/bin/cat",
            name="/bin/cat",
        )

    def test_are_procservs(self) -> None:
        options = read()
        assert (options.holdoff, options.killsig, options.timefmt) == (15, 9, "%c")
        assert options.keys == KeyMap(kill=0x18, toggle=0x14, logout=None, ignored=b"")
        assert (options.mode, options.compat, options.pidfile) == ("on", "2.7", None)

    def test_an_empty_vector_is_no_crash(self) -> None:
        with pytest.raises(UsageError, match="procServ: missing argument"):
            parse([], {})


# The words of a command line and the one field that they change.
FIELDS = [
    ("--allow", "allow", True),
    ("--coresize 1000000", "coresize", 1_000_000),
    ("--coresize -1", "coresize", None),
    ("--coresize abc", "coresize", 0),
    ("-c /tmp", "chdir", "/tmp"),
    ("--chdir=/tmp", "chdir", "/tmp"),
    ("-d", "debug", True),
    ("--debug", "debug", True),
    ("-f", "foreground", True),
    ("--foreground", "foreground", True),
    ("--holdoff 3", "holdoff", 3.0),
    ("--holdoff 0.5", "holdoff", 0.5),
    ("--holdoff=.5", "holdoff", 0.5),
    ("--holdoff 2sec", "holdoff", 2.0),
    ("--holdoff abc", "holdoff", 0.0),
    ("--holdoff -3", "holdoff", 15.0),
    ("--holdoff inf", "holdoff", 0.0),
    ("--holdoff " + "9" * 400, "holdoff", 1e9),
    ("-I info", "infofile", "info"),
    ("--info-file info", "infofile", "info"),
    ("--killsig 15", "killsig", 15),
    ("--killsig -15", "killsig", 15),
    ("--killsig TERM", "killsig", 15),
    ("--killsig SIGINT", "killsig", 2),
    ("--killsig 0", "killsig", 0),
    ("-l 3000", "log", TcpEndpoint(None, 3000)),
    ("-l 3000 --logport unix:/l,raw", "log", UnixEndpoint("/l", raw=True)),
    ("-L ioc.log", "logfile", "ioc.log"),
    ("-L -", "logfile", "-"),
    ("--logfile=ioc.log", "logfile", "ioc.log"),
    ("--logstamp", "logstamp", "%c"),
    ("--logstamp --timefmt %T", "logstamp", "%T"),
    ("--logstamp --compat 2.8", "logstamp", "[%c] "),
    ("--logstamp --timefmt %T{} --compat 2.8", "logstamp", "[%T{}] "),
    ("--logstamp=%F_ --compat 2.8", "logstamp", "%F_"),
    ("--logstamp=", "logstamp", "%c"),
    ("-n ioc", "name", "ioc"),
    ("-nioc", "name", "ioc"),
    ("--name=", "name", ""),
    ("--noautorestart", "mode", "off"),
    ("-o", "mode", "oneshot"),
    ("--oneshot", "mode", "oneshot"),
    ("-o --noautorestart", "mode", "off"),
    ("-p pid", "pidfile", "pid"),
    ("--pidfile pid", "pidfile", "pid"),
    ("-q", "quiet", True),
    ("--quiet", "quiet", True),
    ("--restrict", "restrict", True),
    ("--timefmt %T", "timefmt", "%T"),
    ("-w", "wait", True),
    ("--wait", "wait", True),
    ("-g 2", "grace_period", 2.0),
    ("--grace-period 0.25", "grace_period", 0.25),
    ("--replay 50", "replay", 50),
    ("--compat 2.8", "compat", "2.8"),
]


class TestOptions:
    @pytest.mark.parametrize(("words", "field", "value"), FIELDS)
    def test_sets(self, words: str, field: str, value: object) -> None:
        assert getattr(read(*words.split()), field) == value

    def test_every_option_is_covered(self) -> None:
        spelled = " ".join(words for words, _, _ in FIELDS)
        elsewhere = {"help", "version", "port", "exec", "ignore"}
        keys = {"autorestartcmd", "killcmd", "logoutcmd"}
        for option in OPTIONS:
            assert f"--{option.long}" in spelled or option.long in elsewhere | keys

    @pytest.mark.parametrize(
        ("words", "keys"),
        [
            (["-i", "^D^C^]"], KeyMap(ignored=b"\x04\x03\x1d")),
            (["--ignore=^D", "-i", "x"], KeyMap(ignored=b"x")),
            (["-k", "^Y", "-x", "^Z"], KeyMap(kill=0x19, logout=0x1A)),
            (["--killcmd", "", "--autorestartcmd="], KeyMap(kill=None, toggle=None)),
            (["--logoutcmd=^^"], KeyMap(logout=ord("^"))),
        ],
    )
    def test_keys(self, words: list[str], keys: KeyMap) -> None:
        assert read(*words).keys == keys

    @pytest.mark.parametrize(
        ("words", "note", "killsig"),
        [
            ("--killsig 99", "99 (>31) - using default (9)", 9),
            ("--killsig 15 --killsig -99", "99 (>31) - using default (15)", 15),
            ("--killsig RTMAX", "64 (>31) - using default (9)", 9),
            ("--killsig BOGUS", "BOGUS - using default (9)", 9),
            ("--killsig=", " - using default (9)", 9),
        ],
    )
    def test_a_wrong_signal_is_only_noted(self, words: str, note: str, killsig: int) -> None:
        options = read(*words.split())
        assert options.killsig == killsig
        assert options.notes == (f"procServ: invalid kill signal {note}",)

    def test_notes_come_in_order(self) -> None:
        notes = read("--killsig", "99", "--killsig", "50").notes
        assert [note.split()[4] for note in notes] == ["99", "50"]


class TestEnvironment:
    def test_pid_file(self) -> None:
        assert read(PROCSERV_PID="/run/pid").pidfile == "/run/pid"
        assert read("-p", "mine", PROCSERV_PID="/run/pid").pidfile == "mine"
        assert read(PROCSERV_PID="").pidfile is None

    def test_debug_is_on_even_if_empty(self) -> None:
        assert read(PROCSERV_DEBUG="").debug

    def test_nothing_else_counts(self) -> None:
        assert read(POSIXLY_CORRECT="1", PROCSERV_INFO="x") == read()


class TestCommand:
    def test_new_style(self) -> None:
        options = parse(["p", "-P", "1", "--port=unix:/s", "-P2", "cat", "-q", "--foo"], {})
        assert options.control == (TcpEndpoint(None, 1), UnixEndpoint("/s"), TcpEndpoint(None, 2))
        assert options.command == ("cat", "-q", "--foo")
        assert not options.quiet

    def test_old_style(self) -> None:
        options = parse(["p", "-q", "2000", "cat", "-q", "--", "x"], {})
        assert options.control == (TcpEndpoint(None, 2000),)
        assert options.command == ("cat", "-q", "--", "x")

    @pytest.mark.parametrize(
        "words", [["--", "2000", "cat"], ["-P2000", "--", "cat"], ["-P", "2000", "cat"]]
    )
    def test_two_dashes_end_the_options(self, words: list[str]) -> None:
        options = parse(["p", *words], {})
        assert (options.command, options.arguments) == (("cat",), ("cat",))

    def test_a_word_after_the_endpoint_is_the_command(self) -> None:
        assert parse(["p", "2000", "--", "cat"], {}).command == ("--", "cat")

    @pytest.mark.parametrize(
        ("words", "arguments"),
        [
            (["-e", "/bin/sleep", "-P", "unix:s", "100", "200"], ("unix:s", "100", "200")),
            (["-P", "unix:s", "-e", "/bin/sleep", "100"], ("/bin/sleep", "100")),
            (["-P", "unix:s", "-e", "/bin/sleep", "--", "100"], ("--", "100")),
            (["-e", "/bin/sleep", "unix:s", "100"], ("unix:s", "100")),
            (["-e/bin/sleep", "-qPunix:s", "100"], ("-qPunix:s", "100")),
        ],
    )
    def test_exec(self, words: list[str], arguments: tuple[str, ...]) -> None:
        options = parse(["p", *words], {})
        assert options.exec_file == "/bin/sleep"
        assert options.arguments == arguments
        assert options.name == options.command[0] == "100"

    @pytest.mark.parametrize(
        ("words", "titled"), [([], False), (["-n", "ioc"], True), (["-n", "/bin/cat"], False)]
    )
    def test_titled(self, words: list[str], titled: bool) -> None:
        assert read(*words).titled is titled


class TestAbbreviations:
    @pytest.mark.parametrize(
        ("word", "field", "value"),
        [
            ("--noauto", "mode", "off"),
            ("--na=ioc", "name", "ioc"),
            ("--w", "wait", True),
            ("--r", "restrict", True),
            ("--logs", "logstamp", "%c"),
            ("--logs=%T", "logstamp", "%T"),
            ("--pi=x", "pidfile", "x"),
        ],
    )
    def test_unambiguous(self, word: str, field: str, value: object) -> None:
        assert getattr(read(word), field) == value

    @pytest.mark.parametrize("word", ["--one", "--comp=2.8", "--grace=1", "--gr", "--rep=5"])
    def test_ours_have_none(self, word: str) -> None:
        assert complaint(word, "1", "x") == f"procServ: unrecognized option '{word}'"

    def test_ours_make_none_ambiguous(self) -> None:
        assert read("--co", "7").coresize == 7
        assert read("--re").restrict

    def test_oneshot_has_some_in_its_own_version(self) -> None:
        assert read("--compat=2.8", "--one").mode == "oneshot"
        assert complaint("--compat=2.7", "--one", "1", "x").endswith("option '--one'")


REFUSED = [
    ([], MISSING),
    (["2000"], MISSING),
    (["-P", "2000"], MISSING),
    (["-P", "abc", "-e", "/bin/cat"], MISSING),
    (["--", "-q"], MISSING),
    (["-"], MISSING),
    (["--bogus=3", "2000", "cat"], "procServ: unrecognized option '--bogus=3'"),
    (["-r", "2000", "cat"], "procServ: invalid option -- 'r'"),
    (["-zq:", "1", "x"], "procServ: invalid option -- 'z'\nprocServ: invalid option -- ':'"),
    (["-f-", "1", "x"], "procServ: invalid option -- '-'"),
    (["-qc"], f"procServ: option requires an argument -- 'c'\n{MISSING}"),
    (["--killsig"], f"procServ: option '--killsig' requires an argument\n{MISSING}"),
    (["--logo"], f"procServ: option '--logoutcmd' requires an argument\n{MISSING}"),
    (["--res=3", "1", "x"], "procServ: option '--restrict' doesn't allow an argument"),
    (["--help=1", "1", "x"], "procServ: option '--help' doesn't allow an argument"),
    (["--log", "1", "x"], f"procServ: option '--log' is ambiguous; possibilities: {LOGS}"),
    (["--log=5", "1", "x"], f"procServ: option '--log=5' is ambiguous; possibilities: {LOGS}"),
    (["--killsig=77", "-z"], "procServ: invalid kill signal 77 (>31) - using default (9)\n"
        f"procServ: invalid option -- 'z'\n{MISSING}"),
    (["--compat=3", "1", "x"], "procServ: --compat does not know '3': use 2.7 or 2.8"),
    (["--replay=x", "1", "x"], "procServ: --replay needs a number of lines, not 'x'"),
    (["-g-1", "1", "x"], "procServ: --grace-period needs a number of seconds, not '-1'"),
    (["-gx", "1", "x"], "procServ: --grace-period needs a number of seconds, not 'x'"),
    (["-k\u20ac", "1", "x"], "procServ: key '\\u20ac' is not one byte: "
        "use ^A to ^Z or a plain character"),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(("words", "text"), REFUSED)
    def test_usage(self, words: list[str], text: str) -> None:
        assert complaint(*words) == text

    def test_every_line_begins_with_the_program_as_called(self) -> None:
        with pytest.raises(UsageError) as error:
            parse(["/opt/bin/p", "-z"], {})
        assert str(error.value) == "/opt/bin/p: invalid option -- 'z'\n/opt/bin/p: missing argument"

    def test_possibilities_are_listed_in_procservs_order(self) -> None:
        listed = complaint("--=x", "1", "x").partition("possibilities: ")[2]
        assert listed.split()[:4] == [
            "'--allow'",
            "'--autorestartcmd'",
            "'--coresize'",
            "'--chdir'",
        ]
        assert "oneshot" not in listed
        assert len(listed.split()) == 26

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["abc", "x"], "Invalid socket spec 'abc'"),
            (["-l", "abc", "def", "x"], "Invalid socket spec 'def'"),
            (["-l", "abc", "1", "x"], "Invalid socket spec 'abc'"),
            (["-P", "70000", "-P", "abc", "x"], "procServ: invalid control port 70000 (<1024)"),
            (["-l", "70000", "1", "x"], "procServ: invalid control port 70000 (<1024)"),
            (["--killsig", "99", "", "x"],
             "procServ: invalid kill signal 99 (>31) - using default (9)\nInvalid socket spec ''"),
        ],
    )  # fmt: skip
    def test_endpoints(self, words: list[str], text: str) -> None:
        with pytest.raises(ConfigError) as error:
            parse(["procServ", *words], {})
        assert str(error.value).startswith(text)
        assert not isinstance(error.value, UsageError)


class TestHelp:
    @pytest.mark.parametrize("words", [["-h"], ["-qh", "-z"], ["--help", "--bogus"], ["-hV"]])
    def test_help_comes_at_once(self, words: list[str]) -> None:
        options = parse(["p", *words], {})
        assert options.help
        assert not options.version
        assert options.notes == ()

    def test_version_forgives_what_was_wrong_before(self) -> None:
        options = parse(["p", "--bogus", "-V"], {})
        assert options.version
        assert options.notes == ("p: unrecognized option '--bogus'",)

    def test_fits_a_terminal(self) -> None:
        assert max(map(len, help_text("consoled-procserv").splitlines())) <= 80

    def test_begins_with_two_lines_of_usage(self) -> None:
        usage = usage_text("p")
        assert usage.startswith("Usage: p ")
        assert usage.count("\n") == 2
        assert help_text("p").startswith(usage)

    @pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.long))
    def test_has_every_option(self, option: Option) -> None:
        argument = f"[={option.metavar}]" if option.argument is Argument.OPTIONAL else ""
        argument = f" {option.metavar}" if option.argument is Argument.REQUIRED else argument
        short = f"-{option.short}," if option.short else "   "
        assert f"  {short} --{option.long}{argument} " in help_text("p")

    def test_table_is_sound(self) -> None:
        shorts = [option.short for option in OPTIONS if option.short]
        assert len({option.long for option in OPTIONS}) == len(OPTIONS)
        assert len(set(shorts)) == len(shorts)
        assert {option.group for option in OPTIONS} == set(GROUPS)
