"""Every line the server itself says on a console: greeting, ``@@@`` notices, refusals.

The words are procServ's, because tools all over the field parse them; what differs between
its versions is data in ``PROFILES``. Lines end in CR LF. Facts come in as values, text goes
out as bytes; names are passed on byte for byte, whatever their encoding.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SEPARATOR = "@@@ @@@ @@@ @@@ @@@"


@dataclass(frozen=True, slots=True)
class Profile:
    """One procServ version's words: mode phrase, stamps, ^T ring; and how the server ends."""

    version: str
    mode_phrase: str
    shows_log: bool
    default_stamp: str
    ring: tuple[str, ...]
    truthful_exit: bool


PROFILES = {
    "2.7": Profile("2.7.0", "auto restart", False, "{}", ("ON", "OFF"), False),
    "2.8": Profile("2.8.0", "auto restart mode", True, "[{}] ", ("ON", "OFF", "ONESHOT"), True),
}

AFTER_DEATH = {
    "RESTART": "a new one will be restarted shortly",
    "DISABLED": "auto restart is disabled",
    "ONESHOT": "oneshot mode: server will exit",
    "QUIT": "server will exit",
    "STOPPED": "it was told to stop and stays down",
    "REPLACED": "a new one is started in its place",
    "FINISHED": "oneshot mode: it stays down",
    "GAVE_UP": "it has ended too often and stays down",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What never changes while a server runs: the subject of its notices.

    Keys are in caret notation, None when switched off. ``titled`` tells whether the name was
    given by the user; else it is the command. ``argv0`` is what the child is told it is.
    ``alone``: the server is for this console only.
    """

    profile: Profile
    program: str
    name: str
    titled: bool
    command: str
    argv0: str
    server_pid: int
    server_directory: str
    child_directory: str
    log: str | None
    kill_key: str | None
    toggle_key: str | None
    logout_key: str | None
    server_started: str
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true of the console at the moment of a greeting; ``child_pid`` None = down."""

    mode: str
    child_pid: int | None
    child_started: str
    users: int
    loggers: int


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def greeting(facts: Facts, standing: Standing) -> bytes:
    """What a new user reads first."""
    return _encode(_greeting(facts, standing))


def _greeting(facts: Facts, standing: Standing) -> Iterator[str]:
    yield f"@@@ Welcome to procServ (procServ Process Server {facts.profile.version})"
    yield _keys(facts, standing.mode)
    if facts.logout_key is not None:
        yield f"@@@ Use {facts.logout_key} to logout from procServ server"
    yield from _identity(facts, standing)
    yield f"@@@ {standing.users} user(s) and {standing.loggers} logger(s) connected (plus you)"
    if standing.child_pid is None:
        yield _down_keys(facts)


def logger_greeting(facts: Facts, standing: Standing) -> bytes:
    """What a new reader on a log endpoint reads first."""
    hint = [_down_keys(facts)] if standing.child_pid is None else []
    return _encode([*_identity(facts, standing), *hint])


def _keys(facts: Facts, mode: str) -> str:
    kill, toggle = facts.kill_key, facts.toggle_key
    killing = f"Use {kill} to kill the child" if kill else "Kill command disabled"
    toggling = f"use {toggle} to toggle auto restart" if toggle else "auto restart toggle disabled"
    return f"@@@ {killing}, {facts.profile.mode_phrase} is {mode}, {toggling}"


def _identity(facts: Facts, standing: Standing) -> Iterator[str]:
    subject = f'Child "{facts.name}"'
    yield f"@@@ procServ server PID: {facts.server_pid}"
    yield f"@@@ Server startup directory: {facts.server_directory}"
    yield f"@@@ Child startup directory: {facts.child_directory}"
    yield f"@@@ {subject if facts.titled else 'Child'} started as: {facts.command}"
    if facts.profile.shows_log and facts.log is not None:
        yield f"@@@ Child log file: {facts.log}"
    if standing.child_pid is None:
        yield f"@@@ {subject} is SHUT DOWN"
    else:
        yield f"@@@ {subject} PID: {standing.child_pid}"
    yield f"@@@ procServ server started at: {facts.server_started}"
    if standing.child_pid is not None:
        yield f"@@@ {subject} started at: {standing.child_started}"


def _down_keys(facts: Facts) -> str:
    """What the keys do while the child is down (procServ cuts this line without a kill key)."""
    restart = f"^R or {facts.kill_key}" if facts.kill_key else "^R"
    leave = f", {facts.logout_key} closes this connection" if facts.logout_key else ""
    quitting = "quits the server" if facts.alone else "keeps it down"
    return f"@@@ {restart} restarts the child, ^Q {quitting}{leave}"


def started(facts: Facts, pid: int) -> bytes:
    """A new child is there."""
    alias = [f"@@@    (as {facts.argv0})"] if facts.name != facts.argv0 else []
    restarting = f'@@@ Restarting child "{facts.name}"'
    return _encode(
        [restarting, *alias, f'@@@ The PID of new child "{facts.name}" is: {pid}', SEPARATOR]
    )


def died(facts: Facts, pid: int, ending: str, time: str, fate: str) -> bytes:
    """A child has ended: how, when, and what comes next (``fate``: a key of AFTER_DEATH).

    procServ prints the two halves in either order; here the cause always comes first, and
    the empty line before it closes a line that the child had left open.
    """
    lines = ["", SEPARATOR, f"@@@ Received a sigChild for process {pid}. {ending}"]
    lines += [f"@@@ Current time: {time}"]
    lines += [f"@@@ Child process is shutting down, {AFTER_DEATH[fate]}"]
    if fate not in ("QUIT", "ONESHOT", "REPLACED"):
        lines.append(_down_keys(facts))
    return _encode(lines)


def ending(exit_status: int | None, signal: int | None) -> str:
    """How a child ended, in procServ's words."""
    if signal is not None:
        return f"The process was killed by signal {signal}"
    return f"Normal exit status = {exit_status}"


def ending_of(status: int) -> str:
    """The same for a wait status (wait(2)); a negative one is not known."""
    if status < 0:
        return "Its exit status was lost with the keeper that had started it"
    return ending(status >> 8, status & 0x7F or None)


def survivors(processes: Iterable[str]) -> bytes:
    """What a child has started and what could not be ended with it."""
    return _encode(["", f"@@@ Still running, in spite of SIGKILL: {', '.join(processes)}"])


def stopped_by_key(facts: Facts) -> bytes:
    """A console among others was stopped by ^Q: how to get it back."""
    keys = f"^R or {facts.kill_key}" if facts.kill_key else "^R"
    return _encode(["", f'@@@ Console "{facts.name}" is stopped, {keys} starts it again'])


def leftover(pid: int, ended: bool) -> bytes:
    """A child of a server that died was found."""
    what = "has been killed" if ended else "cannot be killed: no new child until it is gone"
    return _encode(["", f"@@@ A child of an earlier server, process {pid}, {what}"])


def toggled(mode: str, profile: Profile) -> bytes:
    """The restart mode has changed."""
    return _encode(["", f"@@@ Toggled {profile.mode_phrase} to {mode}"])


def spawn_failed(facts: Facts, step: str, reason: str) -> bytes:
    """Something failed about the child; ``exec`` and ``chdir`` are procServ's own words."""
    not_executed = f"{facts.program}: child could not execute: {facts.command}, {reason}"
    lines = {
        "exec": [not_executed],
        "chdir": [
            f"{facts.program}: child could not chdir to {facts.child_directory}, {reason}",
            not_executed,
        ],
        "pty": [
            f"@@@ No terminal for the child: {reason} (kernel.pty.max bounds their number);"
            " trying again"
        ],
        "signal": [
            "",
            f"@@@ The child cannot be signalled: {reason}; it runs as another user,"
            " end it from within",
        ],
        "fork": [f"@@@ The child could not be forked: {reason}; trying again"],
    }
    other = [f"{facts.program}: child could not set its {step}, {reason}"]
    return _encode(lines.get(step, other))


def abandoned(pid: int, server_exits: bool = True) -> bytes:
    """Even SIGKILL did not end the child."""
    then = "server exits" if server_exits else "no new one until it is gone"
    return _encode(
        ["", f"@@@ Child process {pid} hangs in the kernel and cannot be killed; {then}"]
    )


def skipped(count: int) -> bytes:
    """A reader was too slow and jumped ahead."""
    return _encode(["", f"@@@ {count} bytes of output skipped: this connection reads too slowly"])


def log_gap(count: int) -> bytes:
    """What stands in a log in place of output that could not be written."""
    return _encode(["", f"@@@ {count} bytes of output are missing here"])


def log_failed(path: str, reason: str) -> bytes:
    """The log cannot be written now."""
    return _encode(
        ["", f"@@@ Log file {path}: {reason}; output is kept as long as memory for it lasts"]
    )


def log_resumed(path: str, lost: int) -> bytes:
    """The log is written again."""
    missing = f"{lost} bytes of output are missing in it" if lost else "nothing is missing in it"
    return _encode(["", f"@@@ Log file {path}: written again, {missing}"])


def line_too_long(discarded: int) -> bytes:
    """The tty would silently discard the end of this input line."""
    return _encode(
        [
            "",
            f"@@@ Input line too long: the terminal takes 4095 bytes a line,"
            f" {discarded} bytes discarded so far",
        ]
    )


def input_waits(count: int) -> bytes:
    """The child does not read; its input is held back."""
    return _encode(
        ["", f"@@@ The child does not read its input: {count} bytes wait, more is held back"]
    )


def refused(reason: str) -> bytes:
    """A connection that is closed at once."""
    return _encode([f"@@@ Connection refused: {reason}"])
