"""Spool: the last part of a console's output, addressed by absolute byte offset.

A ring in a memfd, mapped shared and touched only where written, so that an idle console
costs next to nothing and another process can map the same bytes. ``head`` is the number of
bytes ever written. Exactly one thread writes; any thread may read, as long as it checks
``floor`` again *after* it copied: bytes below the floor may be overwritten at any moment,
for the floor already counts the widest read that can be under way.
"""

import mmap
import os

READ_SIZE = 64 * 1024
"""Widest single read into the spool, in bytes."""

DEFAULT_SCROLLBACK = 1024 * 1024
"""Bytes of history a console keeps readable."""


class Spool:
    """Ring of ``scrollback`` readable bytes plus the room one read may overwrite."""

    def __init__(self, scrollback: int = DEFAULT_SCROLLBACK) -> None:
        granule = mmap.ALLOCATIONGRANULARITY
        self.size = -(-(scrollback + READ_SIZE) // granule) * granule
        self.fd = os.memfd_create("spool", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self.size)
        self._map = mmap.mmap(self.fd, self.size)
        self._view = memoryview(self._map)
        self.head = 0

    @property
    def floor(self) -> int:
        """Lowest offset that is safe to read."""
        return max(0, self.head + READ_SIZE - self.size)

    def window(self) -> memoryview:
        """Writable room at the head: at least one byte, at most READ_SIZE."""
        start = self.head % self.size
        return self._view[start : start + READ_SIZE]

    def commit(self, count: int) -> None:
        """Declare ``count`` bytes of the window written."""
        self.head += count

    def append(self, data: bytes) -> None:
        """Write ``data`` at the head."""
        view = memoryview(data)
        while view:
            room = self.window()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            self.commit(count)
            view = view[count:]

    def slices(self, start: int, stop: int) -> list[memoryview]:
        """The bytes between two offsets, in one piece or two, without a copy."""
        if start >= stop:
            return []
        first, last = start % self.size, stop % self.size
        if first < last:
            return [self._view[first:last]]
        return [self._view[first:], self._view[:last]] if last else [self._view[first:]]

    def read(self, start: int, stop: int) -> bytes:
        """A copy of the bytes between two offsets."""
        return b"".join(self.slices(start, stop))

    def contains(self, byte: bytes, start: int, stop: int) -> bool:
        """Whether ``byte`` occurs between two offsets."""
        if start >= stop:
            return False
        first, last = start % self.size, stop % self.size
        if first < last:
            return self._map.find(byte, first, last) >= 0
        return self._map.find(byte, first) >= 0 or self._map.find(byte, 0, last) >= 0

    def tail(self, lines: int) -> int:
        """Offset at which the last ``lines`` lines begin (an unfinished one counts)."""
        if lines <= 0 or self.head == 0:
            return self.head
        floor = self.floor
        history = self.read(floor, self.head)
        position = len(history) - history.endswith(b"\n")
        for _ in range(lines):
            position = history.rfind(b"\n", 0, position)
            if position < 0:
                return floor
        return floor + position + 1

    def close(self) -> None:
        """Give the memory back; no slice may be in use."""
        self._view.release()
        self._map.close()
        os.close(self.fd)
