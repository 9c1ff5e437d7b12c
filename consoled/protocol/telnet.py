"""Telnet as a server speaks it: bytes in, text and answers out, no I/O.

Theory of operation. One codec serves one connection whose greeting (``GREETING``) has
been or will be sent by its owner, so ``WILL ECHO`` and ``DO LINEMODE`` count as asked
from the start. Options follow the Q method of RFC 1143, shortened: we never ask for an
option to be *disabled*, so three states are enough, and an answer is due exactly when
the peer changes a state that we had not asked to be changed. An option without a state
is refused every time, as procServ does; a refusal is never answered, so nothing loops.
``feed`` owes nothing to where the network cut the stream: an unfinished command waits
in ``_pending`` (at most two bytes), a subnegotiation in ``_subnegotiation``.

RFC 854, 855, 857 (ECHO), 858 (SGA), 1073 (NAWS), 1143. Answers were compared byte by
byte with procServ 2.7.0; ``DO NAWS`` is ours.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

from consoled.errors import RemoteProtocolError

IAC: Final = b"\xff"
SUBNEGOTIATION_END: Final = 0xF0
INTERRUPT_PROCESS: Final = 0xF4
WILL, WONT, DO, DONT = 0xFB, 0xFC, 0xFD, 0xFE
ECHO, NAWS, LINEMODE = 1, 31, 34

# IAC WILL ECHO, IAC DO LINEMODE: goes out after the banner, never before: conserver and
# every script that expects "@@@ Welcome" first depend on that order.
GREETING: Final = bytes.fromhex("fffb01fffd22")
ASK_WINDOW: Final = bytes((0xFF, DO, NAWS))

# Nobody needs more: an SLC table has about 60 bytes, a window size four.
SUBNEGOTIATION_KEPT: Final = 4096
# An unfinished subnegotiation of this size is an attack or not telnet at all.
SUBNEGOTIATION_LIMIT: Final = 65536

# What a pty is ever set to (jline's GHSA-47qp: 65535 x 65535 made programs allocate it).
MAX_ROWS: Final = 500
MAX_COLUMNS: Final = 1000

_AGREEMENT: Final = {DO: WILL, DONT: WONT, WILL: DO, WONT: DONT}
_REFUSAL: Final = {DO: WONT, WILL: DONT}

# Possessive, so that a megabyte of text leaves no backtracking states behind.
_TEXT: Final = re.compile(rb"(?:[^\xff]++|(?:\xff\xff)++)++")
_COMMAND: Final = re.compile(
    rb"\xff(?:(?P<verb>[\xfb-\xfe])(?P<option>.)|\xfa(?P<about>.)|(?P<other>[^\xfa-\xff]))",
    re.DOTALL,
)


class Decoded(NamedTuple):
    """What one piece of input meant."""

    data: bytes
    reply: bytes
    window: tuple[int, int] | None  # (rows, columns), the last one of this piece


class _Agreement(Enum):
    """How far the two sides are about one option in one direction."""

    NO = auto()
    ASKED = auto()
    YES = auto()


@dataclass(frozen=True, slots=True)
class Conversation:
    """How far a codec and its peer are; ``agreements`` are verb, option and state."""

    speaks_telnet: bool = False
    pending: bytes = b""
    subnegotiation: bytes | None = None
    subnegotiated: int = 0
    after_return: bool = False
    agreements: tuple[tuple[int, int, str], ...] = ()


class TelnetCodec:
    """Decodes one peer; the owner sends ``reply`` and drops the peer on an exception.

    ``interrupt`` is what the command Interrupt Process becomes inside ``data``;
    procServ mode leaves it empty, elsewhere it is the byte of ^C.
    """

    def __init__(self, interrupt: bytes = b"") -> None:
        self.speaks_telnet = False
        self._interrupt = interrupt
        self._pending = b""
        self._subnegotiation: bytearray | None = None
        self._subnegotiated = 0
        self._after_return = False
        # By (DO or WILL, option): the peer's DO and DONT are about our side, its WILL
        # and WONT about its own.
        self._agreements = {
            (DO, ECHO): _Agreement.ASKED,
            (WILL, LINEMODE): _Agreement.ASKED,
            (WILL, NAWS): _Agreement.NO,
        }

    @property
    def unfinished(self) -> bool:
        """Whether the last byte fed was inside a command or a subnegotiation."""
        return bool(self._pending) or self._subnegotiation is not None

    def snapshot(self) -> Conversation:
        """What a successor in another process has to know of this peer."""
        agreements = tuple((*side, state.name) for side, state in self._agreements.items())
        return Conversation(
            self.speaks_telnet,
            self._pending,
            None if self._subnegotiation is None else bytes(self._subnegotiation),
            self._subnegotiated,
            self._after_return,
            agreements,
        )

    def restore(self, before: Conversation) -> None:
        """Go on where a predecessor was."""
        self.speaks_telnet = before.speaks_telnet
        self._pending = before.pending
        open_part = before.subnegotiation
        self._subnegotiation = None if open_part is None else bytearray(open_part)
        self._subnegotiated = before.subnegotiated
        self._after_return = before.after_return
        self._agreements = {
            (verb, option): _Agreement[state] for verb, option, state in before.agreements
        }

    def feed(self, data: bytes) -> Decoded:
        """Decode the next piece; raises RemoteProtocolError for an endless subnegotiation."""
        if self._pending:
            data = self._pending + data
        elif self._subnegotiation is None and IAC not in data:
            return Decoded(self._plain(data), b"", None)
        return self._scan(data)

    def _scan(self, data: bytes) -> Decoded:
        text: list[bytes] = []
        reply: list[bytes] = []
        window = None
        position = 0
        while True:
            if run := _TEXT.match(data, position):
                position = run.end()
                self._take(run[0].replace(b"\xff\xff", IAC), text)
            command = _COMMAND.match(data, position)
            if command is None:
                break
            position = command.end()
            window = self._close_subnegotiation(command["other"]) or window
            self._obey(command, text, reply)
        self._pending = data[position:]
        return Decoded(b"".join(text), b"".join(reply), window)

    def _take(self, run: bytes, text: list[bytes]) -> None:
        """Sort a run of bytes that are no command: console text, or inside SB ... SE."""
        if self._subnegotiation is None:
            text.append(self._plain(run))
            return
        self._subnegotiated += len(run)
        if self._subnegotiated > SUBNEGOTIATION_LIMIT:
            raise RemoteProtocolError("telnet: subnegotiation without an end")
        self._subnegotiation += run[: SUBNEGOTIATION_KEPT - len(self._subnegotiation)]

    def _plain(self, text: bytes) -> bytes:
        """Telnet sends the Return key as CR NUL; whoever speaks no telnet means the NUL."""
        if not (self.speaks_telnet and text):
            return text
        if self._after_return:
            text = text.removeprefix(b"\0")
        self._after_return = text.endswith(b"\r")
        return text.replace(b"\r\0", b"\r")

    def _obey(self, command: re.Match[bytes], text: list[bytes], reply: list[bytes]) -> None:
        if verb := command["verb"]:
            reply.append(self._negotiate(verb[0], command["option"][0]))
        elif about := command["about"]:
            self._subnegotiation = bytearray(about)
            self._subnegotiated = 0
        elif command["other"][0] == INTERRUPT_PROCESS and self._interrupt:
            self._after_return = False
            text.append(self._interrupt)

    def _negotiate(self, verb: int, option: int) -> bytes:
        reply = self._answer(verb, option)
        if not self.speaks_telnet:
            self.speaks_telnet = True
            reply += self._ask_window()
        return reply

    def _answer(self, verb: int, option: int) -> bytes:
        wanted = verb in (DO, WILL)
        side = (DO if verb in (DO, DONT) else WILL, option)
        before = self._agreements.get(side)
        if before is None:
            return bytes((0xFF, _REFUSAL[verb], option)) if wanted else b""
        after = _Agreement.YES if wanted else _Agreement.NO
        self._agreements[side] = after
        if before in (after, _Agreement.ASKED):
            return b""
        return bytes((0xFF, _AGREEMENT[verb], option))

    def _ask_window(self) -> bytes:
        """Asked only of a peer known to speak telnet: a plain socket would show it as junk."""
        if self._agreements[WILL, NAWS] is not _Agreement.NO:
            return b""
        self._agreements[WILL, NAWS] = _Agreement.ASKED
        return ASK_WINDOW

    def _close_subnegotiation(self, command: bytes | None) -> tuple[int, int] | None:
        """Any command ends a subnegotiation (libtelnet's recovery); only SE makes it valid."""
        body, self._subnegotiation = self._subnegotiation, None
        if body is None or command is None or command[0] != SUBNEGOTIATION_END:
            return None
        if body[0] != NAWS or self._agreements[WILL, NAWS] is not _Agreement.YES:
            return None
        return _window(body[1:])


def _window(size: bytes | bytearray) -> tuple[int, int] | None:
    """RFC 1073: width before height; zero says "unknown"."""
    columns, rows = int.from_bytes(size[:2]), int.from_bytes(size[2:])
    if len(size) != 4 or not (rows and columns):
        return None
    return min(rows, MAX_ROWS), min(columns, MAX_COLUMNS)


def escape(data: bytes | memoryview) -> bytes:
    """Make console output safe for a telnet peer: only 0xFF needs it."""
    return bytes(data).replace(IAC, b"\xff\xff")
