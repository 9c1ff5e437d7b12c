r"""Recording: one dialogue of a real client with a real server, as a text file.

A header of ``key: value`` lines, an empty line, then what went over the wire: ``C`` is the
client's, ``S`` the server's, each as Python escapes, so that greetings can be read and commands
are hex (``C \xff\xfd\x01``). Where the network cut the bytes is left out: it differs from run
to run, and the replay cuts them everywhere anyway. What differs between two runs besides that
(pids, dates, paths) is replaced by the values of ``NORMAL``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

FOLDER: Final = Path(__file__).parent / "recordings"
OFFER: Final = b"\xff\xfb\x01\xff\xfd\x22"
"""What ends a greeting: IAC WILL ECHO, IAC DO LINEMODE."""

SERVER_PID, CHILD_PID = 11, 22
DATE: Final = "Thu Jan  1 00:00:00 1970"
DIRECTORY, CHILD = "/dir", "/child"
NORMAL: Final = (
    (rb"(?<=@@@ procServ server PID: )\d+", str(SERVER_PID)),
    (rb'(?<=" PID: )\d+', str(CHILD_PID)),
    (rb'(?<=" is: )\d+', str(CHILD_PID)),
    (rb"(?<= for process )\d+", str(CHILD_PID)),
    (rb"\b[A-Z]\w\w [A-Z]\w\w [ \d]\d \d\d:\d\d:\d\d \d{4}", DATE),
    (rb"(?<= directory: )[^\r\n]+", DIRECTORY),
    (rb'(?<=" started as: )[^\r\n]+', CHILD),
    (rb"(?<=@@@    \(as )[^\r\n)]+", CHILD),
)

Side = Literal["C", "S"]
_SHOWN: Final = re.compile(rb"<([0-9a-f]{2})>")
_TELNET: Final = re.compile(rb"\xff(?:([\xfb-\xfe].)|(\xff)|\xfa.*?\xff\xf0|.)", re.DOTALL)


def normal(text: bytes) -> bytes:
    """Server text without what differs from run to run."""
    for pattern, value in NORMAL:
        text = re.sub(pattern, value.encode(), text)
    return text


@dataclass
class Recording:
    """A dialogue; ``facts`` is its header."""

    facts: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[Side, bytes]] = field(default_factory=list)

    def add(self, side: Side, data: bytes) -> None:
        """One more piece; neighbours of one side are one piece."""
        if self.pieces and self.pieces[-1][0] == side:
            data = self.pieces.pop()[1] + data
        self.pieces.append((side, data))

    def said(self, side: Side) -> bytes:
        """Everything that one side sent."""
        return b"".join(data for speaker, data in self.pieces if speaker == side)

    @property
    def by_procserv(self) -> bool:
        """Whether the server was the original."""
        return self.facts["server"].startswith("procServ")

    @property
    def greeting(self) -> bytes:
        """What the server said before anything else, its offer included."""
        before, offer, _ = self.said("S").partition(OFFER)
        return before + offer

    @property
    def replies(self) -> list[bytes]:
        """The server's telnet commands after its greeting, in order."""
        later = self.said("S")[len(self.greeting) :]
        return [match[1] for match in _TELNET.finditer(later) if match[1]]

    @property
    def text(self) -> bytes:
        """What the server showed after its greeting: output and notices, no telnet."""
        later = self.said("S")[len(self.greeting) :]
        return _TELNET.sub(lambda match: match[2] or b"", later)

    @property
    def typed(self) -> bytes:
        """What reached the child, which shows every byte as ``<0d>``."""
        return bytes(int(shown, 16) for shown in _SHOWN.findall(self.text))

    @property
    def windows(self) -> list[tuple[int, int]]:
        """Sizes (rows, columns) that the client's window took, as far as it told them."""
        sizes = (size.split("x") for size in self.facts.get("windows", "").split())
        return [(int(rows), int(columns)) for rows, columns in sizes]

    def write(self, path: Path) -> None:
        """Keep it; a server's text gets one line of the file per line."""
        lines = [f"{key}: {value}" for key, value in self.facts.items()] + [""]
        for side, data in self.pieces:
            shown = normal(data) if side == "S" else data
            lines += [f"{side} {_escaped(line)}" for line in re.findall(rb"[^\n]*\n|[^\n]+", shown)]
        path.write_text("\n".join(lines) + "\n")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Take one back from its file."""
        head, _, body = path.read_text().partition("\n\n")
        pairs = (line.partition(": ") for line in head.splitlines())
        recording = cls({key: value for key, _, value in pairs})
        for line in body.splitlines():
            side: Side = "C" if line[0] == "C" else "S"
            recording.add(side, line[2:].encode().decode("unicode_escape").encode("latin-1"))
        return recording


def _escaped(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode()


def read_all() -> dict[str, Recording]:
    """All recordings there are, by file name without suffix."""
    return {path.stem: Recording.read(path) for path in sorted(FOLDER.glob("*.txt"))}
