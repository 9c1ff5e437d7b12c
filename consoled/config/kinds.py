"""Kinds of values in a configuration: what each looks like, and how it is read.

A kind takes what TOML holds (text, a number, a list ...) and returns the value that
config/model.py wants, or raises ConfigError with a text that says what was expected.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consoled.config.model import RestartMode
from consoled.config.spelling import shown
from consoled.config.units import parse_signal
from consoled.errors import ConfigError
from consoled.protocol.keys import parse_key, parse_keys
from consoled.protocol.notices import PROFILES
from consoled.protocol.telnet import MAX_COLUMNS, MAX_ROWS

TEXT_SCHEMA: Final = {"type": "string"}
UNLIMITED: Final = -1
# Thirty years; keeps infinity and its like away from timers.
LONGEST: Final = 1e9
DEFAULT_STAMP: Final = "%Y-%m-%d %H:%M:%S "

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]) ?)+", re.ASCII)
_DURATION_PART: Final = re.compile(r"([0-9.]+)(ms|[smhd])", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]{1,18})([KMGT]?)(?:i?B)?", re.ASCII)
_TERMINAL: Final = re.compile(r"([0-9]{1,4})x([0-9]{1,4})", re.ASCII)
_OCTAL: Final = re.compile(r"[0-7]{1,4}")
_ONE_KEY: Final = re.compile(r"\^[@-_a-z?]|.", re.DOTALL)
_PERSON: Final = re.compile(r"[^\s:/\0]+")
_VARIABLE: Final = re.compile(r"[^=\s\0]+")


class MismatchError(Exception):
    """A value is not of the kind at all; never leaves this module."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """``word`` is what the manual calls the value, ``phrase`` what a message asks for.

    ``schema`` is its JSON schema. ``parse`` raises MismatchError, or ConfigError if it has more
    to say.
    """

    word: str
    phrase: str
    parse: Callable[[Any], Any]
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT_SCHEMA)

    def read(self, value: Any) -> Any:
        """The value in the form that the model wants; ConfigError if it has none."""
        try:
            return self.parse(value)
        except MismatchError:
            raise ConfigError(f"expected {self.phrase}, not {shown(value)}") from None


def text_in(value: Any) -> str:
    """Any text that the system can take."""
    if not isinstance(value, str):
        raise MismatchError
    if "\0" in value:
        raise ConfigError("a NUL character cannot be in it")
    return value


def _line(value: Any) -> str:
    if not (text := text_in(value)).isprintable():
        raise ConfigError(f"expected one line without control characters, not {shown(value)}")
    return text


def whole(value: Any) -> int:
    """An integer; ``true`` is none, though Python thinks so, and more than 64 bits are none."""
    if not isinstance(value, int) or isinstance(value, bool) or value.bit_length() > 64:
        raise MismatchError
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MismatchError
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif _DURATION.fullmatch(text_in(value)):
        parts = _DURATION_PART.findall(value)
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        raise MismatchError
    # A comparison that is false for nan as well.
    if not 0 <= seconds <= LONGEST:
        raise MismatchError
    return float(seconds)


def _bytes(value: Any) -> int:
    if isinstance(value, str):
        if not (size := _SIZE.fullmatch(value)):
            raise MismatchError
        value = int(size[1]) << 10 * " KMGT".index(size[2] or " ")
    if not 0 <= whole(value) < 2**63:
        raise MismatchError
    return int(value)


def _limit(value: Any) -> tuple[int, int]:
    """Soft and hard limit of a resource, -1 without limit."""
    words = value.split(":") if isinstance(value, str) else [value]
    bounds = [UNLIMITED if word == "unlimited" else _bytes(word) for word in words]
    if len(bounds) > 2:
        raise MismatchError
    soft, hard = bounds[0], bounds[-1]
    if hard != UNLIMITED and not 0 <= soft <= hard:
        raise ConfigError(f"the soft limit is above the hard one: {shown(value)}")
    return soft, hard


def _terminal(value: Any) -> tuple[int, int]:
    size = _TERMINAL.fullmatch(text_in(value))
    rows, columns = (int(size[1]), int(size[2])) if size else (0, 0)
    if not (1 <= rows <= MAX_ROWS and 1 <= columns <= MAX_COLUMNS):
        raise MismatchError
    return rows, columns


def _octal(value: Any) -> int:
    if not _OCTAL.fullmatch(text_in(value)):
        raise MismatchError
    return int(value, 8)


def _signal(value: Any) -> int:
    try:
        return parse_signal(str(whole(value)) if isinstance(value, int) else text_in(value))
    except ConfigError:
        raise MismatchError from None


def _key(value: Any) -> int | None:
    if value is False or value == "":
        return None
    if not _ONE_KEY.fullmatch(text_in(value)):
        raise MismatchError
    return parse_key(value)


def _keys(value: Any) -> bytes:
    return parse_keys(text_in(value))


def _typed(value: Any) -> bytes:
    """What is typed is UTF-8; ``^X`` in it is a control character."""
    return parse_keys(text_in(value).encode().decode("latin-1"))


def _command(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        words = [text_in(word) for word in value]
    # The slow way only for those who need it: a site has thousands of commands.
    elif re.search(r"[\"'\\]", text_in(value)):
        try:
            words = shlex.split(value)
        except ValueError:
            raise ConfigError(
                f"a quote or backslash in it has no partner: {shown(value)}"
            ) from None
    else:
        words = value.split()
    if not words or not words[0]:
        raise MismatchError
    return tuple(words)


def _absolute(value: Any) -> str:
    if not text_in(value).startswith("/"):
        raise MismatchError
    return str(value)


def _path(value: Any) -> str:
    if not text_in(value):
        raise MismatchError
    return str(value)


def _listed(read: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    def parse(value: Any) -> tuple[str, ...]:
        return tuple(read(item) for item in (value if isinstance(value, list) else [value]))

    return parse


def _person(value: Any) -> str:
    """Of a user or a group; a number is one too, as text."""
    text = str(whole(value)) if isinstance(value, int) else text_in(value)
    if not _PERSON.fullmatch(text) or text.startswith("-"):
        raise MismatchError
    return text


def _variable_name(value: Any) -> str:
    if not _VARIABLE.fullmatch(text_in(value)):
        raise ConfigError(f'the name of a variable has no "=" and no blanks: {shown(value)}')
    return str(value)


def _variable(value: Any) -> str:
    return text_in(value) if isinstance(value, str) else str(whole(value))


def _stamp(value: Any) -> str | None:
    if isinstance(value, bool):
        return DEFAULT_STAMP if value else None
    return text_in(value) or None


def one_of(*words: str) -> Kind:
    """A choice between words."""
    phrase = " or ".join(f'"{word}"' for word in words)

    def parse(value: Any) -> str:
        if value not in words:
            raise MismatchError
        return str(value)

    return Kind(phrase.replace(" or ", " | "), phrase, parse, {"enum": list(words)})


def within(kind: Kind, low: str | int, high: str | int) -> Kind:
    """A kind with bounds, which are written as its values are."""
    least, most = kind.read(low), kind.read(high)

    def parse(value: Any) -> Any:
        if not least <= (read := kind.parse(value)) <= most:
            raise MismatchError
        return read

    return Kind(kind.word, f"{kind.phrase} from {low} to {high}", parse, kind.schema)


_NUMBER_OR_TEXT: Final = {"type": ["integer", "string"]}
_TEXT_OR_LIST: Final = {"anyOf": [TEXT_SCHEMA, {"type": "array", "items": TEXT_SCHEMA}]}

TEXT: Final = Kind("text", "text", text_in)
LINE: Final = Kind("text", "text", _line)
NUMBER: Final = Kind("number", "a whole number", whole, {"type": "integer"})
BOOLEAN: Final = Kind("true | false", "true or false", _truth, {"type": "boolean"})
DURATION: Final = Kind(
    "duration", 'a duration such as "15s"', _seconds, {"type": ["number", "string"]}
)
SIZE: Final = Kind("size", 'a size such as "400M"', _bytes, _NUMBER_OR_TEXT)
LIMIT: Final = Kind(
    "limit",
    'a number, a size such as "400M", "unlimited" or two of them as "soft:hard"',
    _limit,
    _NUMBER_OR_TEXT,
)
TERMINAL: Final = Kind(
    "rows x columns",
    f'rows and columns such as "24x80", at most "{MAX_ROWS}x{MAX_COLUMNS}"',
    _terminal,
)
OCTAL: Final = Kind("octal", 'octal digits in quotes such as "0022"', _octal)
SIGNAL: Final = Kind("signal", 'a signal such as "TERM" or 15', _signal, _NUMBER_OR_TEXT)
KEY: Final = Kind(
    "key", 'one key such as "^X", or "" for none', _key, {"type": ["string", "boolean"]}
)
KEYS: Final = Kind("keys", 'keys such as "^C^D"', _keys)
TYPED: Final = Kind("keys", 'what to type, such as "exit\\n"', _typed)
COMMAND: Final = Kind(
    "command", 'a command such as "iocsh st.cmd" or a list of its words', _command, _TEXT_OR_LIST
)
ABSOLUTE: Final = Kind("path", "an absolute path", _absolute)
PATH: Final = Kind("path", "a path", _path)
OPTIONAL_PATH: Final = Kind("path", 'a path, or "" for none', text_in)
PATHS: Final = Kind("path or list", "a path or a list of paths", _listed(_path), _TEXT_OR_LIST)
PATTERNS: Final = Kind(
    "list of patterns", "a list of names or patterns in quotes", _listed(_path), _TEXT_OR_LIST
)
PERSON: Final = Kind("name or number", "a name or a number", _person, _NUMBER_OR_TEXT)
VARIABLE_NAME: Final = Kind("name", "the name of a variable", _variable_name)
VARIABLE: Final = Kind("text", "text in quotes", _variable, _NUMBER_OR_TEXT)
STAMP: Final = Kind(
    "text | true | false",
    f'a strftime(3) pattern, or true for "{DEFAULT_STAMP}"',
    _stamp,
    {"type": ["string", "boolean"]},
)
PROFILE: Final = one_of(*PROFILES)
ROLE: Final = one_of("ro", "rw")
RESTART: Final = one_of(*(mode.value.lower() for mode in RestartMode))
