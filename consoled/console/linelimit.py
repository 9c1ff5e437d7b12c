"""LineLimit: what a terminal in line mode would silently throw away of a long input line.

The kernel keeps 4095 bytes of an unfinished line and drops the rest without a word (see
termios(3), canonical mode). Counting is done here so that the writer can be told.
"""

import re
from collections.abc import Callable

LIMIT = 4095
_FINISHED = re.compile(rb".*[\n\r\x04\x15]", re.DOTALL)
_LINE = re.compile(rb"[^\n\r\x04\x15]*[\n\r\x04\x15]?")
_END = b"\n\r\x04\x15"


class LineLimit:
    """Counts the unfinished line; newline, return, ^D and ^U end it."""

    def __init__(self) -> None:
        self._length = 0
        self.discarded = 0
        self.cut_lines = 0
        """How many lines have been cut so far."""

    def feed(self, data: bytes, line_mode: Callable[[], bool]) -> bytes:
        """``data`` without what the terminal would discard; ``discarded`` counts a line's."""
        if self._length + len(data) <= LIMIT:
            finished = _FINISHED.match(data)
            self._length = len(data) - finished.end() if finished else self._length + len(data)
            self.discarded = 0
            return data
        if line_mode():
            return b"".join(self._fit(line) for line in _LINE.findall(data) if line)
        # Nothing is collected into lines now; ask again after as many bytes.
        self._length = self.discarded = 0
        return data

    def _fit(self, line: bytes) -> bytes:
        ended = line[-1] in _END
        text = line[:-1] if ended else line
        if self._length == 0:
            self.discarded = 0
        kept = text[: LIMIT - self._length]
        if self.discarded == 0 and len(kept) < len(text):
            self.cut_lines += 1
        self.discarded += len(text) - len(kept)
        self._length = 0 if ended else self._length + len(kept)
        return kept + line[len(text) :]
