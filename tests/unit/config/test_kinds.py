"""Kinds of values: what they take, and what they say of the rest."""

from datetime import date
from typing import Any

import pytest

from consoled.config import kinds
from consoled.config.kinds import Kind
from consoled.errors import ConfigError

GOOD = [
    (kinds.TEXT, "any\nthing", "any\nthing"),
    (kinds.LINE, "Vakuum, Säule 3", "Vakuum, Säule 3"),
    (kinds.BOOLEAN, True, True),
    (kinds.BOOLEAN, False, False),
    (kinds.NUMBER, 7, 7),
    (kinds.DURATION, "15s", 15.0),
    (kinds.DURATION, "1.5s", 1.5),
    (kinds.DURATION, "500ms", 0.5),
    (kinds.DURATION, "1m", 60.0),
    (kinds.DURATION, "2h", 7200.0),
    (kinds.DURATION, "1d", 86400.0),
    (kinds.DURATION, "1h 30m", 5400.0),
    (kinds.DURATION, "1h30m", 5400.0),
    (kinds.DURATION, 15, 15.0),
    (kinds.DURATION, 0.25, 0.25),
    (kinds.DURATION, 0, 0.0),
    (kinds.SIZE, "0", 0),
    (kinds.SIZE, "400M", 400 << 20),
    (kinds.SIZE, "64K", 65536),
    (kinds.SIZE, "1G", 1 << 30),
    (kinds.SIZE, "1T", 1 << 40),
    (kinds.SIZE, "1KiB", 1024),
    (kinds.SIZE, "1MB", 1 << 20),
    (kinds.SIZE, 123, 123),
    (kinds.LIMIT, "unlimited", (-1, -1)),
    (kinds.LIMIT, 90, (90, 90)),
    (kinds.LIMIT, "1024:64K", (1024, 65536)),
    (kinds.LIMIT, "0:unlimited", (0, -1)),
    (kinds.TERMINAL, "24x80", (24, 80)),
    (kinds.OCTAL, "0022", 0o22),
    (kinds.OCTAL, "660", 0o660),
    (kinds.SIGNAL, "TERM", 15),
    (kinds.SIGNAL, "SIGINT", 2),
    (kinds.SIGNAL, "hup", 1),
    (kinds.SIGNAL, 9, 9),
    (kinds.SIGNAL, "15", 15),
    (kinds.KEY, "^X", 24),
    (kinds.KEY, "q", ord("q")),
    (kinds.KEY, "^", ord("^")),
    (kinds.KEY, "^^", ord("^")),
    (kinds.KEY, "^?", 127),
    (kinds.KEY, "", None),
    (kinds.KEY, False, None),
    (kinds.KEYS, "^C^D", b"\x03\x04"),
    (kinds.KEYS, "", b""),
    (kinds.TYPED, "exit\n", b"exit\n"),
    (kinds.TYPED, "^Cquit ü\r", b"\x03quit \xc3\xbc\r"),
    (kinds.COMMAND, "iocsh st.cmd", ("iocsh", "st.cmd")),
    (kinds.COMMAND, "sh -c 'a b' \"c d\" e\\ f", ("sh", "-c", "a b", "c d", "e f")),
    (kinds.COMMAND, "echo # no comment", ("echo", "#", "no", "comment")),
    (kinds.COMMAND, ["a b", "", "c"], ("a b", "", "c")),
    (kinds.ABSOLUTE, "/opt", "/opt"),
    (kinds.PATH, "opt", "opt"),
    (kinds.OPTIONAL_PATH, "", ""),
    (kinds.PATHS, "a", ("a",)),
    (kinds.PATHS, ["a", "b"], ("a", "b")),
    (kinds.PATHS, [], ()),
    (kinds.PERSON, "www-data", "www-data"),
    (kinds.PERSON, 1000, "1000"),
    (kinds.VARIABLE_NAME, "A-b.c", "A-b.c"),
    (kinds.VARIABLE, "x=y", "x=y"),
    (kinds.VARIABLE, 5064, "5064"),
    (kinds.STAMP, True, "%Y-%m-%d %H:%M:%S "),
    (kinds.STAMP, False, None),
    (kinds.STAMP, "", None),
    (kinds.STAMP, "%T ", "%T "),
    (kinds.PROFILE, "2.8", "2.8"),
    (kinds.ROLE, "ro", "ro"),
    (kinds.RESTART, "oneshot", "oneshot"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_good(kind: Kind, value: Any, expected: Any) -> None:
    read = kind.read(value)
    assert read == expected
    assert type(read) is type(expected)


BAD = [
    (kinds.TEXT, 5, "expected text, not 5"),
    (kinds.TEXT, "a\0", "a NUL character cannot be in it"),
    (kinds.LINE, "a\x1b[2J", "one line without control characters"),
    (kinds.BOOLEAN, "yes", 'expected true or false, not "yes"'),
    (kinds.BOOLEAN, 1, "expected true or false, not 1"),
    (kinds.NUMBER, True, "expected a whole number, not true"),
    (kinds.NUMBER, 1.5, "expected a whole number, not 1.5"),
    (kinds.DURATION, "15x", 'expected a duration such as "15s", not "15x"'),
    (kinds.DURATION, "15", 'not "15"'),
    (kinds.DURATION, "", 'not ""'),
    (kinds.DURATION, "-1s", 'not "-1s"'),
    (kinds.DURATION, -1, "not -1"),
    (kinds.DURATION, True, "not true"),
    (kinds.DURATION, float("nan"), "not nan"),
    (kinds.DURATION, float("inf"), "not inf"),
    (kinds.DURATION, 10**400, "not a number of more than 64 bits"),
    (kinds.DURATION, "9" * 400 + "d", 'not "999'),
    (kinds.DURATION, [], "not an empty list"),
    (kinds.DURATION, {"a": 1}, "not a table"),
    (kinds.DURATION, date(2026, 1, 1), "not a date or time"),
    (kinds.SIZE, "400X", 'expected a size such as "400M", not "400X"'),
    (kinds.SIZE, "4.5M", 'not "4.5M"'),
    (kinds.SIZE, -1, "not -1"),
    (kinds.SIZE, 2**63, "not 9223372036854775808"),
    (kinds.SIZE, "999999999999999999T", 'not "999999999999999999T"'),
    (kinds.LIMIT, "2:1", 'the soft limit is above the hard one: "2:1"'),
    (kinds.LIMIT, "unlimited:1", "the soft limit is above the hard one"),
    (kinds.LIMIT, "1:2:3", 'not "1:2:3"'),
    (kinds.LIMIT, "infinity", 'or two of them as "soft:hard", not "infinity"'),
    (kinds.TERMINAL, "80", 'rows and columns such as "24x80", at most "500x1000", not "80"'),
    (kinds.TERMINAL, "0x80", 'not "0x80"'),
    (kinds.TERMINAL, "24x9999", 'not "24x9999"'),
    (kinds.OCTAL, "0088", 'octal digits in quotes such as "0022", not "0088"'),
    (kinds.OCTAL, 0o22, "not 18"),
    (kinds.SIGNAL, "TREM", 'expected a signal such as "TERM" or 15, not "TREM"'),
    (kinds.SIGNAL, 99, "not 99"),
    (kinds.SIGNAL, True, "not true"),
    (kinds.KEY, "^Xx", 'expected one key such as "^X", or "" for none, not "^Xx"'),
    (kinds.KEY, True, "not true"),
    (kinds.KEY, "€", "is not one byte"),
    (kinds.KEYS, 3, 'expected keys such as "^C^D", not 3'),
    (kinds.COMMAND, "", 'such as "iocsh st.cmd" or a list of its words, not ""'),
    (kinds.COMMAND, [], "not an empty list"),
    (kinds.COMMAND, [""], "not a list"),
    (kinds.COMMAND, ["a", 1], "not a list"),
    (kinds.COMMAND, "a 'b", "a quote or backslash in it has no partner"),
    (kinds.COMMAND, "a\\", "a quote or backslash in it has no partner"),
    (kinds.ABSOLUTE, "opt", 'expected an absolute path, not "opt"'),
    (kinds.PATH, "", 'expected a path, not ""'),
    (kinds.PATHS, ["a", ""], "not a list"),
    (kinds.PERSON, "", 'expected a name or a number, not ""'),
    (kinds.PERSON, -1, "not -1"),
    (kinds.PERSON, "a:b", 'not "a:b"'),
    (kinds.VARIABLE_NAME, "A B", "has no"),
    (kinds.VARIABLE, True, "expected text in quotes, not true"),
    (kinds.VARIABLE, 1.5, "expected text in quotes, not 1.5"),
    (kinds.STAMP, 5, "expected a strftime"),
    (kinds.PROFILE, 2.8, 'expected "2.7" or "2.8", not 2.8'),
    (kinds.RESTART, "ON", 'expected "on" or "off" or "oneshot", not "ON"'),
    (kinds.RESTART, ["on"], "not a list"),
]


@pytest.mark.parametrize(("kind", "value", "message"), BAD)
def test_bad(kind: Kind, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        kind.read(value)
    assert message in str(error.value)


def test_bounds() -> None:
    kind = kinds.within(kinds.SIZE, "64K", "1G")
    assert kind.read("64K") == 65536
    assert kind.read("1G") == 1 << 30
    with pytest.raises(ConfigError, match='a size such as "400M" from 64K to 1G, not "2G"'):
        kind.read("2G")
