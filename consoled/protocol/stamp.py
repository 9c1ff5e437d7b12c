"""Stamps: a time in front of every line, as of the moment its first byte arrived.

Writers of a log may run late (a slow disk, a batch), so arrival times are noted beside the
spool when bytes come in, and looked up when they are written.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise

_KEPT = 4096


class Arrivals:
    """When which offset came in: pairs of offset and wall-clock time, oldest forgotten first.

    One thread notes, another may look up; both ends of a deque are safe for that. Times
    are noted in whole seconds, the finest that strftime can show.
    """

    def __init__(self) -> None:
        self._noted: deque[tuple[int, int]] | tuple[()] = ()  # most consoles never note any

    def note(self, offset: int, now: float) -> None:
        """Bytes from ``offset`` on came in at ``now``, until the next note."""
        second = int(now)
        if isinstance(self._noted, tuple):
            self._noted = deque(maxlen=_KEPT)
        if not self._noted or self._noted[-1][1] != second:
            self._noted.append((offset, second))

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Cut ``start`` to ``stop`` into runs of one second: (from, to, second)."""
        noted = list(self._noted)
        first = max(0, bisect_right(noted, start, key=lambda note: note[0]) - 1)
        cuts = [(max(start, at), second) for at, second in noted[first:] if at < stop]
        if not cuts:
            return
        cuts[0] = (start, cuts[0][1])
        for (at, second), (end, _) in pairwise([*cuts, (stop, 0)]):
            if at < end:
                yield at, end, second


class LineStamper:
    """Puts a stamp before the first byte of each line; remembers an open line."""

    def __init__(self, format_time: Callable[[int], bytes]) -> None:
        self._format = format_time
        self._second = -1
        self._stamp = b""
        self.line_open = False
        """Whether the last byte fed was inside a line."""

    def feed(self, data: bytes, second: int) -> bytes:
        """``data``, which came in at ``second``, with stamps in it."""
        if not data:
            return data
        if second != self._second:
            self._second, self._stamp = second, self._format(second)
        stamp = b"" if self.line_open else self._stamp
        self.line_open = not data.endswith(b"\n")
        last = b"" if self.line_open else b"\n"
        inner = data if self.line_open else data[:-1]
        return stamp + inner.replace(b"\n", b"\n" + self._stamp) + last
