"""Small values as people write them: signals, and numbers as C reads them."""

import re
import signal
from typing import Final

from consoled.errors import ConfigError

_C_NUMBER: Final = re.compile(r"[ \t-\r]*([+-]?)0*([0-9]*)")
_SIGNAL_NUMBER: Final = re.compile(r"-?0*([0-9]{1,3})")

# A C long; atoi's further cut to 32 bits would turn a typing error into a random number.
LARGEST: Final = 2**63 - 1


def procserv_int(text: str) -> int:
    """Read a number as atoi does: what cannot be read is 0, what follows is ignored."""
    number = _C_NUMBER.match(text)
    assert number is not None  # every part of the pattern may be empty
    sign, digits = number.groups()
    # Twenty digits decide; Python refuses to convert thousands of them.
    value = min(int(digits[:20] or "0"), LARGEST)
    return -value if sign == "-" else value


def parse_signal(text: str) -> int:
    """Read ``TERM``, ``SIGTERM``, ``term``, ``15`` or ``-15``, the ways kill(1) knows."""
    if number := _SIGNAL_NUMBER.fullmatch(text):
        value = int(number[1])
        if value in signal.valid_signals():
            return value
    name = "SIG" + text.upper().removeprefix("SIG")
    if name in signal.Signals.__members__:
        return signal.Signals[name].value
    raise ConfigError(f"unknown signal {text!r}: use a name as TERM or a number as 15")
