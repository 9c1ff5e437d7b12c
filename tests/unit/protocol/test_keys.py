"""How keys are written and what they do."""

import pytest

from consoled.errors import ConfigError
from consoled.protocol.keys import (
    KeyCommand,
    KeyFilter,
    KeyMap,
    parse_key,
    parse_keys,
    show_key,
)

KILL, TOGGLE, LOGOUT = KeyCommand.KILL, KeyCommand.TOGGLE, KeyCommand.LOGOUT
RESTART, QUIT = KeyCommand.RESTART, KeyCommand.QUIT


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", None),
        ("^X", 0x18),
        ("^x", 0x18),
        ("^^", ord("^")),
        ("^", ord("^")),
        ("^5", ord("^")),
        ("x", ord("x")),
        ("XY", ord("X")),
        ("^]", 0x1D),
        ("^[", 0x1B),
        ("^\\", 0x1C),
        ("^_", 0x1F),
        ("^@", 0),
        ("^?", 0x7F),
        ("\n", 10),
        ("\xe9", 0xE9),
        ("\udce9", 0xE9),
    ],
)
def test_parse_key(text: str, key: int | None) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", b""),
        ("^D^C^]", b"\x04\x03\x1d"),
        ("^Dx^", b"\x04x^"),
        ("^^D", b"^D"),
        ("^5a", b"^5a"),
        ("\xff", b"\xff"),
    ],
)
def test_parse_keys(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["\u20ac", "a\u20ac"])
def test_a_key_is_one_byte(text: str) -> None:
    with pytest.raises(ConfigError, match="not one byte"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("key", "shown"),
    [(0x18, "^X"), (0, "^@"), (0x1D, "^]"), (0x7F, "^?"), (0x5E, "^"), (0x20, " ")],
)
def test_show_key(key: int, shown: str) -> None:
    assert show_key(key) == shown


def commands(data: bytes, keys: KeyMap | None = None) -> list[KeyCommand]:
    return list(KeyFilter(keys or KeyMap()).commands(data))


def test_commands_come_in_order() -> None:
    assert commands(b"a\x18b\x11\x14\x12\x18") == [KILL, QUIT, TOGGLE, RESTART, KILL]
    assert commands(b"dbl\r\n") == []


def test_commands_are_yielded_one_by_one() -> None:
    """So the caller can look at the child in between."""
    stream = KeyFilter(KeyMap()).commands(b"\x18\x11")
    assert next(stream) is KILL
    assert next(stream) is QUIT


def test_a_disabled_command_is_plain_input() -> None:
    keys = KeyMap(kill=None, toggle=None)
    assert commands(b"\x18\x14\x12", keys) == [RESTART]
    assert KeyFilter(keys).strip(b"\x18\x14") == b"\x18\x14"


@pytest.mark.parametrize(
    ("keys", "data", "expected"),
    [
        (KeyMap(logout=0x11), b"\x11", [LOGOUT]),
        (KeyMap(logout=0x12), b"\x12\x11", [LOGOUT, QUIT]),
        (KeyMap(kill=0x12), b"\x12", [KILL]),
        (KeyMap(toggle=0x11), b"\x11", [TOGGLE]),
        (KeyMap(kill=0x14), b"\x14", [KILL]),
        (KeyMap(logout=0x18), b"\x18", [LOGOUT]),
    ],
)
def test_one_key_does_one_thing(keys: KeyMap, data: bytes, expected: list[KeyCommand]) -> None:
    assert commands(data, keys) == expected


@pytest.mark.parametrize("special", b"]^-\\[")
def test_any_byte_may_be_a_key(special: int) -> None:
    keys = KeyMap(kill=special, toggle=ord("a"), logout=ord("z"))
    assert commands(bytes((ord("m"), special)), keys) == [KILL]


def test_child_never_sees_kill_toggle_logout_or_ignored_keys() -> None:
    keys = KeyFilter(KeyMap(logout=0x1A, ignored=b"\x04\x03"))
    assert keys.strip(b"a\x18b\x14c\x1ad\x04e\x03f\x12g\x11h") == b"abcdef\x12g\x11h"


def test_ignored_commands_still_act() -> None:
    assert commands(b"\x18\x11", KeyMap(ignored=b"\x18\x11")) == [KILL, QUIT]
    assert KeyFilter(KeyMap(ignored=b"\x11")).strip(b"\x11") == b""


def test_plain_input_is_not_copied() -> None:
    data = b"caput x 1\r"
    assert KeyFilter(KeyMap()).strip(data) is data
