"""Values spelled as TOML: for dumps, and for what messages show of a wrong value."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

LONGEST_SHOWN: Final = 60

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def spell(value: Any) -> str:
    """A value on one line, as tomllib would read it again."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{spell_key(k)} = {spell(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(spell, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def spell_key(key: str) -> str:
    """One part of a key, quoted only if it must be."""
    return key if _BARE.fullmatch(key) else spell(key)


def shown(value: Any) -> str:
    """What a message says in place of a value: a short one itself, else what it is."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if not isinstance(value, str | bool | int | float):
        return "a date or time"
    # Python refuses to print integers of thousands of digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    text = spell(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
