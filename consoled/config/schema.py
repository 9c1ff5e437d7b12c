"""Every option there is, declared once: kind, default, help, and when a change takes effect.

The checks, the JSON schema and the manual page are made from these tables. Defaults are
written as a user would write them.
"""

from typing import Annotated, Any

from consoled.config import kinds
from consoled.config.listening import PLACE, Place
from consoled.config.table import (
    NEXT_START,
    NOW,
    SERVER_RESTART,
    OneOrMany,
    Reads,
    Table,
    option,
)

Text = Annotated[str, Reads(kinds.TEXT)]
Line = Annotated[str, Reads(kinds.LINE)]
Truth = Annotated[bool, Reads(kinds.BOOLEAN)]
Duration = Annotated[float, Reads(kinds.DURATION)]
Words = Annotated[tuple[str, ...], Reads(kinds.COMMAND)]
Absolute = Annotated[str, Reads(kinds.ABSOLUTE)]
PathText = Annotated[str, Reads(kinds.PATH)]
OptionalPath = Annotated[str, Reads(kinds.OPTIONAL_PATH)]
Paths = Annotated[tuple[str, ...], Reads(kinds.PATHS)]
Patterns = Annotated[tuple[str, ...], Reads(kinds.PATTERNS)]
Person = Annotated[str, Reads(kinds.PERSON)]
Octal = Annotated[int, Reads(kinds.OCTAL)]
Limit = Annotated[tuple[int, int], Reads(kinds.LIMIT)]
Terminal = Annotated[tuple[int, int], Reads(kinds.TERMINAL)]
Restart = Annotated[str, Reads(kinds.RESTART)]
Signal = Annotated[int, Reads(kinds.SIGNAL)]
Key = Annotated[int, Reads(kinds.KEY)]
Keys = Annotated[bytes, Reads(kinds.KEYS)]
Typed = Annotated[bytes, Reads(kinds.TYPED)]
Stamp = Annotated[str, Reads(kinds.STAMP)]
Profile = Annotated[str, Reads(kinds.PROFILE)]
Role = Annotated[str, Reads(kinds.ROLE)]
Endpoint = Annotated[Place, Reads(PLACE)]
Variables = dict[Annotated[str, Reads(kinds.VARIABLE_NAME)], Annotated[str, Reads(kinds.VARIABLE)]]
Starts = Annotated[int, Reads(kinds.within(kinds.NUMBER, 0, 1000))]
ReplayLines = Annotated[int, Reads(kinds.within(kinds.NUMBER, 0, 100_000))]
Scrollback = Annotated[int, Reads(kinds.within(kinds.SIZE, "64K", "1G"))]
Patience = Annotated[float, Reads(kinds.within(kinds.DURATION, "0s", "60s"))]
Interval = Annotated[float, Reads(kinds.within(kinds.DURATION, "1s", "30d"))]


class ServerOptions(Table):
    """The server itself."""

    run_dir: Absolute | None = option(
        "Directory of all sockets. It belongs into memory: the keeper notes each child there.",
        SERVER_RESTART,
        example='"/run/consoled"',
        unset="/run/consoled for root, else $XDG_RUNTIME_DIR/consoled",
    )
    state_dir: Absolute | None = option(
        "Directory of what the server must remember over a restart.",
        SERVER_RESTART,
        example='"/var/lib/consoled"',
        unset="/var/lib/consoled for root, else $XDG_STATE_HOME/consoled,"
        " which is usually ~/.local/state/consoled",
    )
    log_dir: Absolute | None = option(
        "Directory of the logs that have no absolute path of their own.",
        NOW,
        example='"/var/log/consoled"',
        unset="/var/log/consoled for root, else log below state_dir",
    )
    group: Person | None = option(
        "Group that may use the sockets: its members may attach, type, kill and restart.",
        SERVER_RESTART,
        example='"operators"',
        unset="consoled if there is such a group",
    )
    allow_remote_plaintext: Truth = option(
        "Permit TCP endpoints that other machines can reach;"
        " telnet is not encrypted and has no password.",
        NOW,
        False,
        example="true",
    )
    include: Paths = option(
        "Further files to read, as patterns relative to the main file;"
        " each pattern gives its files in the order of their bytes. Main file only.",
        NOW,
        ["consoles.d/*.toml"],
        example='["consoles.d/*.toml", "/opt/iocs/*/console.toml"]',
    )


class ListenOptions(Table):
    """One endpoint, where a line of text does not say enough."""

    at: Endpoint = option("The endpoint.", NOW, ..., example='"tcp:2000"')
    profile: Profile | None = option(
        "Whose words are spoken there.", NOW, example='"2.8"', unset="that of the console"
    )
    role: Role = option(
        "What those who come in there may do: watch, or type and kill as well.",
        NOW,
        "rw",
        example='"ro"',
    )
    raw: Truth | None = option(
        "Send and expect no telnet commands.",
        NOW,
        example="true",
        unset="false, or true after a path that ends in ,raw",
    )
    mode: Octal | None = option(
        "Permissions of a UNIX socket.", NOW, example='"0600"', unset="0660"
    )
    user: Person | None = option(
        "Owner of a UNIX socket.", NOW, example='"iocuser"', unset="the user of the server"
    )
    group: Person | None = option(
        "Group of a UNIX socket.", NOW, example='"operators"', unset="the group of the server"
    )


class LogOptions(Table):
    """Where a console's output is written."""

    file: OptionalPath | None = option(
        'Log file, below log_dir unless absolute; "" for none.',
        NOW,
        example='"/var/log/iocs/{name}.log"',
        unset="{name}.log",
    )
    timestamp: Stamp = option(
        "What begins each line of the log: a strftime(3) pattern,"
        f' or true for "{kinds.DEFAULT_STAMP}".',
        NOW,
        False,
        example="true",
    )
    patience: Patience = option(
        "How long a slow disk may make the child wait, each time, before output is left out.",
        NOW,
        "1s",
        example='"100ms"',
    )


def _limit(text: str, example: str, **more: Any) -> Any:
    return option(text, NEXT_START, example=example, unset="that of the server", **more)


class LimitOptions(Table):
    """Limits of the child, see setrlimit(2): a number or size, ``unlimited``, ``soft:hard``."""

    core: Limit | None = _limit("Size of a core file.", '"unlimited"')
    nofile: Limit | None = _limit("Number of open files.", '"1024:65536"')
    nproc: Limit | None = _limit("Number of processes of its user.", "500")
    stack: Limit | None = _limit("Size of the stack.", '"8M"')
    memlock: Limit | None = _limit("Memory it may lock.", '"unlimited"')
    rtprio: Limit | None = _limit("Highest real-time priority.", "90")
    nice: Limit | None = _limit("20 minus the lowest nice value it may take.", "30")
    cpu: Limit | None = _limit("Seconds of CPU time.", "3600")
    data: Limit | None = _limit("Size of its data segment.", '"2G"')
    fsize: Limit | None = _limit("Size of files it writes.", '"10G"')
    msgqueue: Limit | None = _limit("Bytes in POSIX message queues.", '"1M"')
    rttime: Limit | None = _limit("Microseconds of real-time CPU without a pause.", "200000")
    sigpending: Limit | None = _limit("Number of queued signals.", "1000")
    # Python has the word for itself.
    as_: Limit | None = _limit("Size of its address space.", '"4G"', alias="as")


class ConsoleOptions(Table):
    """A console."""

    description: Line = option("One line for lists.", NOW, "", example='"vacuum of sector 3"')
    command: Words | None = option(
        "What to run: a list of words, or a text that is split as a shell would."
        " No shell is involved unless it is the command.",
        NEXT_START,
        example='["/opt/epics/bin/softIoc", "st.cmd"]',
    )
    executable: PathText | None = option(
        "Program to execute where that is not the first word of command.",
        NEXT_START,
        example='"/usr/bin/bash"',
        unset="the first word of command",
    )
    chdir: Absolute | None = option(
        "Directory the command is started in.",
        NEXT_START,
        example='"/opt/iocs/{instance}"',
        unset="/ if root runs the server, else the home of whoever does",
    )
    user: Person | None = option(
        "User to run as, with all groups of that user.",
        NEXT_START,
        example='"iocuser"',
        unset="the user of the server",
    )
    group: Person | None = option(
        "Group to run as.", NEXT_START, example='"controls"', unset="that of the user"
    )
    environment: Variables = option(
        "Variables of the child, with their names as keys; they win over those of env_file.",
        NEXT_START,
        example='{ EPICS_CA_ADDR_LIST = "10.0.0.255" }',
        default_factory=dict,
    )
    env_file: Paths = option(
        "Files of KEY=VALUE lines, relative to the file that names them; the later one wins.",
        NEXT_START,
        [],
        example='["/etc/epics/site.env", "{instance}.env"]',
    )
    umask: Octal | None = option(
        "File mode creation mask.", NEXT_START, example='"0002"', unset="that of the server"
    )
    limits: LimitOptions = option(
        "Resource limits, see below.",
        NEXT_START,
        example='{ core = "unlimited" }',
        default_factory=LimitOptions,
    )
    size: Terminal = option(
        "Rows and columns of the terminal before anybody attaches.",
        NEXT_START,
        "24x80",
        example='"50x132"',
    )
    restart: Restart = option(
        "What follows the end of the child: on starts it again, off leaves it down;"
        " oneshot runs it once.",
        NOW,
        "on",
        example='"off"',
    )
    holdoff: Duration = option(
        "Least time from one start to the next.", NOW, "15s", example='"1m 30s"'
    )
    autostart: Truth = option(
        "Start it with the server; false waits for somebody to start it.",
        SERVER_RESTART,
        True,
        example="false",
    )
    start_limit: Starts = option(
        "Give up after so many starts within start_limit_interval; 0 never gives up.",
        NOW,
        0,
        example="5",
    )
    start_limit_interval: Interval = option(
        "Time in which start_limit counts.", NOW, "1m", example='"10m"'
    )
    kill_signal: Signal = option("What the kill key sends.", NOW, "KILL", example='"INT"')
    stop_keys: Typed = option(
        "What is typed at the child to stop it, before any signal.",
        NOW,
        "",
        example='"exit\\n"',
    )
    stop_signal: Signal = option("What a stop sends.", NOW, "TERM", example='"INT"')
    stop_timeout: Duration = option(
        "Time between the steps of a stop: keys, signal, KILL.", NOW, "10s", example='"2m"'
    )
    kill: Key | None = option("Key that kills, or starts what is down.", NOW, "^X", example='""')
    toggle: Key | None = option("Key to the next restart mode.", NOW, "^T", example='""')
    logout: Key | None = option("Key that closes the connection.", NOW, "", example='"^]"')
    ignore: Keys = option("Keys that never reach the child.", NOW, "", example='"^C^D"')
    listen: Annotated[tuple[ListenOptions, ...], OneOrMany()] = option(
        "Endpoints beside the console's own socket, see above.",
        NOW,
        [],
        example='["2000", { at = "tcp:2001", role = "ro" }]',
    )
    profile: Profile = option(
        "procServ version whose words are spoken and whose modes the toggle key goes through.",
        NOW,
        "2.7",
        example='"2.8"',
    )
    log: LogOptions = option(
        "The log, see below.",
        NOW,
        example='{ file = "{name}.log", timestamp = true }',
        default_factory=LogOptions,
    )
    info_file: PathText | None = option(
        "File that tells pid and endpoints, below run_dir unless absolute.",
        NOW,
        example='"{name}.info"',
        unset="no such file",
    )
    replay: ReplayLines = option(
        "Lines of earlier output that newcomers see.", NOW, 20, example="0"
    )
    scrollback: Scrollback = option(
        "How much output is kept in memory.", SERVER_RESTART, "1M", example='"16M"'
    )
    time_format: Text = option(
        "How messages write the time, see strftime(3).", NOW, "%c", example='"%F %T"'
    )


class GroupOptions(Table):
    """A group: consoles under one name."""

    members: Patterns = option(
        "Names of consoles, or patterns of names with * ? and [].",
        NOW,
        ...,
        example='["ioc@*", "gateway"]',
    )


class Site(Table):
    """Configuration of consoled: the consoles of one server."""

    server: ServerOptions = ServerOptions()
    defaults: ConsoleOptions = ConsoleOptions()
    template: dict[str, ConsoleOptions] = {}
    console: dict[str, ConsoleOptions] = {}
    group: dict[str, GroupOptions] = {}
