"""The command line of procServ, read as glibc's getopt_long and procServ 2.7 read it.

``OPTIONS`` is the one table that parser, help and manual page share. Words are taken in
the order in which they stand: what is wrong is noted, reading goes on, and only at the end
is everything refused at once. Options of our own (``whose`` is "consoled") are never
abbreviated and never make an abbreviation ambiguous; those of 2.8 are so only with
``--compat 2.8`` in front.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Literal

from consoled.config.endpoint import Endpoint, PortError, parse_endpoint
from consoled.config.units import parse_signal, procserv_int
from consoled.errors import ConfigError, UsageError
from consoled.protocol.keys import KeyMap, parse_key, parse_keys
from consoled.protocol.notices import PROFILES

Whose = Literal["2.7", "2.8", "consoled"]
Compat = Literal["2.7", "2.8"]
Mode = Literal["on", "off", "oneshot"]

SIGKILL: Final = 9
OURS: Final = "consoled"
# procServ refuses real-time signals.
LAST_SIGNAL: Final = 31
# Thirty years; keeps infinity and its like away from timers.
LONGEST: Final = 1e9


@dataclass(frozen=True, slots=True)
class ProcservOptions:
    """One server as its command line describes it.

    The child is ``exec_file or command[0]`` with the arguments ``argv0, *command[1:]``, or
    ``argv0, *command`` when ``exec_file`` is given. ``logstamp`` is the strftime format put
    before each line, None without stamps. ``notes`` are lines for stderr.
    """

    control: tuple[Endpoint, ...] = ()
    log: Endpoint | None = None
    command: tuple[str, ...] = ()
    argv0: str = ""
    exec_file: str | None = None
    name: str = ""
    chdir: str | None = None
    mode: Mode = "on"
    holdoff: float = 15.0
    wait: bool = False
    keys: KeyMap = field(default_factory=KeyMap)
    killsig: int = SIGKILL
    grace_period: float = 5.0
    logfile: str | None = None
    logstamp: str | None = None
    timefmt: str = "%c"
    replay: int = 0
    pidfile: str | None = None
    infofile: str | None = None
    coresize: int | None = None
    restrict: bool = False
    allow: bool = False
    debug: bool = False
    foreground: bool = False
    quiet: bool = False
    compat: Compat = "2.7"
    help: bool = False
    version: bool = False
    notes: tuple[str, ...] = ()

    @property
    def titled(self) -> bool:
        """Whether the banner shows the name: a ``-n`` that repeats the command does not count."""
        return bool(self.command) and self.name != self.command[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The child's argument vector."""
        return (self.argv0, *self.command[self.exec_file is None :])


@dataclass(slots=True)
class Draft:
    """What has been read so far; ``settings`` are fields of ProcservOptions."""

    program: str
    settings: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    logport: str | None = None
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def note(self, text: str) -> None:
        self.notes.append(f"{self.program}: {text}")

    def fail(self, text: str) -> None:
        self.note(text)
        self.failed = True

    @property
    def stopped(self) -> bool:
        """Help and version act at once, whatever is wrong before or behind them."""
        return "help" in self.settings or "version" in self.settings


class Argument(Enum):
    """Whether an option takes an argument; an optional one only after ``=``."""

    NONE = auto()
    REQUIRED = auto()
    OPTIONAL = auto()


Take = Callable[[Draft, str], None]


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table; ``take`` puts the argument ("" if none) into the draft.

    ``whose`` is the procServ version that introduced it, or "consoled".
    """

    long: str
    short: str
    argument: Argument
    metavar: str
    whose: Whose
    group: str
    help: str
    take: Take


def _set(name: str, value: Any = True) -> Take:
    def take(draft: Draft, _: str) -> None:
        draft.settings[name] = value

    return take


def _text(name: str) -> Take:
    def take(draft: Draft, text: str) -> None:
        draft.settings[name] = text

    return take


def _key(name: str, read: Callable[[str], int | bytes | None] = parse_key) -> Take:
    def take(draft: Draft, text: str) -> None:
        try:
            draft.keys[name] = read(text)
        except ConfigError as error:
            draft.fail(str(error))

    return take


def _take_port(draft: Draft, text: str) -> None:
    draft.ports.append(text)


def _take_logport(draft: Draft, text: str) -> None:
    draft.logport = text


def _take_coresize(draft: Draft, text: str) -> None:
    if (size := procserv_int(text)) >= 0:
        draft.settings["coresize"] = size


_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]", re.ASCII)
_DECIMAL: Final = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)


def _take_holdoff(draft: Draft, text: str) -> None:
    """As procServ, but with fractions: no number is 0, a negative one changes nothing."""
    number = _DECIMAL.match(text)
    seconds = float(number[0]) if number else 0.0
    if seconds >= 0:
        draft.settings["holdoff"] = min(seconds, LONGEST)


def _take_killsig(draft: Draft, text: str) -> None:
    """Numbers as procServ (0 means: ^X sends nothing); names are ours, procServ reads them as 0."""
    try:
        number = abs(procserv_int(text)) if _NUMBER.match(text) else parse_signal(text)
    except ConfigError:
        wrong = text
    else:
        if number <= LAST_SIGNAL:
            draft.settings["killsig"] = number
            return
        wrong = f"{number} (>{LAST_SIGNAL})"
    kept = draft.settings.get("killsig", SIGKILL)
    draft.note(f"invalid kill signal {wrong} - using default ({kept})")


def _take_compat(draft: Draft, text: str) -> None:
    if text in PROFILES:
        draft.settings["compat"] = text
    else:
        draft.fail(f"--compat does not know '{text}': use {' or '.join(PROFILES)}")


def _take_replay(draft: Draft, text: str) -> None:
    if re.fullmatch(r"[0-9]{1,9}", text):
        draft.settings["replay"] = int(text)
    else:
        draft.fail(f"--replay needs a number of lines, not '{text}'")


def _take_grace_period(draft: Draft, text: str) -> None:
    if _DECIMAL.fullmatch(text) and (seconds := float(text)) >= 0:
        draft.settings["grace_period"] = min(seconds, LONGEST)
    else:
        draft.fail(f"--grace-period needs a number of seconds, not '{text}'")


ENDPOINTS, CHILD, RESTART, KEYS, LOG, SERVER = GROUPS = (
    "Endpoints",
    "The child",
    "Ending and restarting it",
    "Keys (^X is control X; '' switches a key off)",
    "Log and messages",
    "The server",
)


_SPELLING: Final = re.compile(r"(?:-(.) )?--([a-z-]+)(?: ([A-Z]+)|\[=([A-Z]+)\])?")


def _option(spelling: str, group: str, take: Take, text: str, whose: Whose = "2.7") -> Option:
    parts = _SPELLING.fullmatch(spelling)
    assert parts is not None, spelling
    short, long, required, optional = (part or "" for part in parts.groups())
    argument = Argument.REQUIRED if required else Argument.OPTIONAL if optional else Argument.NONE
    return Option(long, short, argument, required or optional, whose, group, text, take)


# In procServ's order, which is the order in which getopt lists possibilities; ours last.
OPTIONS: Final = (
    _option("--allow", ENDPOINTS, _set("allow"), "let other machines reach TCP control endpoints"),
    _option("--autorestartcmd KEY", KEYS, _key("toggle"), "go to the next restart mode (^T)"),
    _option("--coresize BYTES", CHILD, _take_coresize, "limit the size of its core files"),
    _option("-c --chdir DIR", CHILD, _text("chdir"), "start it in DIR (here)"),
    _option("-d --debug", SERVER, _set("debug"), "do not fork, copy the console to stdout"),
    _option("-e --exec FILE", CHILD, _text("exec_file"), "run FILE, all of COMMAND are arguments"),
    _option("-f --foreground", SERVER, _set("foreground"), "do not fork, serve the terminal"),
    _option("-h --help", SERVER, _set("help"), "show this text and exit"),
    _option("--holdoff SECONDS", RESTART, _take_holdoff, "least time from start to start (15)"),
    _option("-i --ignore KEYS", KEYS, _key("ignored", parse_keys), "keep KEYS from the child"),
    _option("-I --info-file FILE", SERVER, _text("infofile"), "write pid and endpoints to FILE"),
    _option("-k --killcmd KEY", KEYS, _key("kill"), "kill the child, or start it when down (^X)"),
    _option("--killsig SIGNAL", RESTART, _take_killsig, "what killing sends, as TERM or 15 (9)"),
    _option("-l --logport ENDPOINT", ENDPOINTS, _take_logport, "where the console can be watched"),
    _option("-L --logfile FILE", LOG, _text("logfile"), "append the console to FILE, - is stdout"),
    _option("--logstamp[=FORMAT]", LOG, _text("logstamp"), "begin each logged line with the time"),
    _option("-n --name NAME", CHILD, _text("name"), "call it NAME in messages (COMMAND)"),
    _option("--noautorestart", RESTART, _set("mode", "off"), "leave it down when it has ended"),
    _option("-o --oneshot", RESTART, _set("mode", "oneshot"), "end the server with it", "2.8"),
    _option("-p --pidfile FILE", SERVER, _text("pidfile"), "write pid to FILE ($PROCSERV_PID)"),
    _option(
        "-P --port ENDPOINT", ENDPOINTS, _take_port, "where the console is offered, repeatable"
    ),
    _option("-q --quiet", SERVER, _set("quiet"), "say nothing on stderr but errors"),
    _option("--restrict", ENDPOINTS, _set("restrict"), "keep a TCP log endpoint on this machine"),
    _option("--timefmt FORMAT", LOG, _text("timefmt"), "write times so, see strftime(3) (%c)"),
    _option("-V --version", SERVER, _set("version"), "show the version and exit"),
    _option("-w --wait", RESTART, _set("wait"), "do not start it before ^R or ^X is typed"),
    _option("-x --logoutcmd KEY", KEYS, _key("logout"), "close the connection (none)"),
    _option("--compat VERSION", SERVER, _take_compat, "speak as procServ 2.7 or 2.8 (2.7)", OURS),
    _option(
        "-g --grace-period SECONDS",
        RESTART,
        _take_grace_period,
        "time it has to go when the server ends (5)",
        OURS,
    ),
    _option("--replay LINES", LOG, _take_replay, "show newcomers the last LINES (0)", OURS),
)

_BY_LONG: Final = {option.long: option for option in OPTIONS}
_BY_SHORT: Final = {option.short: option for option in OPTIONS if option.short}


class _Scanner:
    """Walks over the words as getopt_long with a leading "+": up to the first non-option."""

    def __init__(self, words: Sequence[str], draft: Draft) -> None:
        self._words = words
        self._draft = draft
        self._next = 1

    def scan(self) -> int:
        """Read all options; returns the place of the first word behind them."""
        while self._next < len(self._words) and not self._draft.stopped:
            word = self._words[self._next]
            if word == "-" or not word.startswith("-"):
                break
            self._next += 1
            if word == "--":
                break
            if word.startswith("--"):
                self._long(word)
            else:
                self._cluster(word[1:])
        return self._next

    def _word(self) -> str | None:
        if self._next >= len(self._words):
            return None
        self._next += 1
        return self._words[self._next - 1]

    def _long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        option = self._find(name, word)
        if option is None:
            return
        if equals and option.argument is Argument.NONE:
            self._draft.fail(f"option '--{option.long}' doesn't allow an argument")
            return
        argument: str | None = value
        if option.argument is Argument.REQUIRED and not equals:
            argument = self._word()
        if argument is None:
            self._draft.fail(f"option '--{option.long}' requires an argument")
        else:
            option.take(self._draft, argument)

    def _find(self, name: str, word: str) -> Option | None:
        if name in _BY_LONG:
            return _BY_LONG[name]
        short_forms = ("2.7", self._draft.settings.get("compat"))
        matches = [o for o in OPTIONS if o.whose in short_forms and o.long.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = " ".join(f"'--{option.long}'" for option in matches)
            self._draft.fail(f"option '{word}' is ambiguous; possibilities: {names}")
        else:
            self._draft.fail(f"unrecognized option '{word}'")
        return None

    def _cluster(self, letters: str) -> None:
        for place, letter in enumerate(letters, 1):
            option = _BY_SHORT.get(letter)
            if option is None:
                self._draft.fail(f"invalid option -- '{letter}'")
            elif option.argument is Argument.REQUIRED:
                self._short(option, letters[place:] or self._word())
                return
            else:
                option.take(self._draft, "")
                if self._draft.stopped:
                    return

    def _short(self, option: Option, argument: str | None) -> None:
        if argument is None:
            self._draft.fail(f"option requires an argument -- '{option.short}'")
        else:
            option.take(self._draft, argument)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> ProcservOptions:
    """Read a command line; ``argv[0]`` is the program's name as it was called.

    Raises UsageError (print usage too) or ConfigError, both with the whole text for stderr.
    """
    draft = Draft(argv[0] if argv else "procServ")
    if pidfile := environ.get("PROCSERV_PID"):
        draft.settings["pidfile"] = pidfile
    if "PROCSERV_DEBUG" in environ:
        draft.settings["debug"] = True
    first = _Scanner(argv, draft).scan()
    if draft.stopped:
        return ProcservOptions(**draft.settings, notes=tuple(draft.notes))
    _take_command(draft, argv, first)
    if draft.failed:
        raise UsageError("\n".join(draft.notes))
    _take_endpoints(draft)
    _take_stamp(draft)
    return ProcservOptions(**draft.settings, keys=KeyMap(**draft.keys), notes=tuple(draft.notes))


def _take_command(draft: Draft, words: Sequence[str], first: int) -> None:
    """Old style, that is without -P: the first word is the endpoint."""
    if not draft.ports and first < len(words):
        draft.ports.append(words[first])
        first += 1
    command = tuple(words[first:])
    if not command:
        draft.fail("missing argument")
        return
    # -e makes the word in front of the command argv[0], whatever it is: procServ points
    # one word back into its own argument vector, and scripts see the result.
    draft.settings["argv0"] = words[first - 1] if "exec_file" in draft.settings else command[0]
    draft.settings["command"] = command
    draft.settings.setdefault("name", command[0])


def _take_endpoints(draft: Draft) -> None:
    try:
        draft.settings["control"] = tuple(parse_endpoint(port) for port in draft.ports)
        if draft.logport is not None:
            draft.settings["log"] = parse_endpoint(draft.logport)
    except ConfigError as error:
        prefix = f"{draft.program}: " if isinstance(error, PortError) else ""
        raise ConfigError("\n".join((*draft.notes, f"{prefix}{error}"))) from error


def _take_stamp(draft: Draft) -> None:
    """A stamp without a format is the time format, dressed as the version does it."""
    if draft.settings.get("logstamp") == "":
        stamp = PROFILES[draft.settings.get("compat", "2.7")].default_stamp
        draft.settings["logstamp"] = stamp.format(draft.settings.get("timefmt", "%c"))


HELP_COLUMN: Final = 30
HELP_WIDTH: Final = 80


def usage_text(program: str) -> str:
    """What follows a mistake: two lines, as callers of procServ expect."""
    return (
        f"Usage: {program} [OPTION]... -P ENDPOINT... COMMAND [ARGUMENT]...\n"
        f"       {program} [OPTION]... ENDPOINT COMMAND [ARGUMENT]... (-h: help)\n"
    )


def help_text(program: str) -> str:
    """The whole help, by group."""
    return usage_text(program) + _INTRODUCTION + "".join(_help_lines())


_INTRODUCTION: Final = """
Runs COMMAND on a terminal of its own, starts it again when it ends, and offers
its console at one or more endpoints to telnet, socat and the like.

An ENDPOINT is one of
  PORT                       TCP on this machine, 0 for any free port
  ADDRESS:PORT               TCP on one address: A.B.C.D, [IPV6] or a host name
  unix:PATH                  a UNIX socket; unix:@NAME for an abstract one
  unix:USER:GROUP:MODE:PATH  the same with owner and octal mode (or empty)
A UNIX endpoint that ends in ",raw" sends and expects no telnet commands.
"""


def _help_lines() -> Iterator[str]:
    for group in GROUPS:
        yield f"\n{group}:\n"
        for option in OPTIONS:
            if option.group == group:
                yield _help_entry(option)


def _help_entry(option: Option) -> str:
    argument = {
        Argument.NONE: "",
        Argument.REQUIRED: f" {option.metavar}",
        Argument.OPTIONAL: f"[={option.metavar}]",
    }[option.argument]
    short = f"-{option.short}," if option.short else ""
    label = f"  {short:3} --{option.long}{argument}"
    lines = textwrap.wrap(option.help, HELP_WIDTH - HELP_COLUMN)
    return f"{label:{HELP_COLUMN}}" + ("\n" + " " * HELP_COLUMN).join(lines) + "\n"
