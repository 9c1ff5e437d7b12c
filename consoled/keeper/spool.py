"""Spool: the last part of a console's output, addressed by absolute byte offset.

A ring in a memfd, mapped shared and touched only where written, so that an idle console
costs next to nothing and another process can map the same bytes. ``head`` is the number of
bytes ever written. Exactly one thread writes; any thread may read, as long as it checks
``floor`` again *after* it copied: bytes below the floor may be overwritten at any moment,
for the floor already counts the widest read that can be under way.

A header page holds what must outlive the writer: the head, and how far ahead of it the ring
is zero (*cleared*). A writer that is killed between its read and the commit has left bytes
other than zero beyond the head; whoever comes after it finds them there (``recover``). Only
trailing NULs of that one read are in doubt. The header's other words are a log's checkpoint,
written by the log alone.

Never true: a read into room that was not zero before; two writers.
"""

import mmap
import os

READ_SIZE = 64 * 1024
"""Widest single read into the spool, in bytes."""

DEFAULT_SCROLLBACK = 1024 * 1024
"""Bytes of history a console keeps readable."""

_HEADER = 128
"""Bytes before the ring: in its first page, for an idle console has little more than that."""

_MAGIC = 0x3130_6C6F_6F70_73  # "spool01"
_AT_MAGIC, _AT_SIZE, _AT_HEAD, _AT_CLEARED = range(4)
CHECKPOINT, CHECKPOINT_WORDS = 8, 8
"""The words of the header that belong to the log."""

_CLEAR_STEP = 32 * 1024
_LEAST_CLEARED = 8 * 1024
_ZEROS = bytes(_CLEAR_STEP)


class Spool:
    """Ring of ``scrollback`` readable bytes plus the room one read may overwrite.

    With ``fd`` it is the one that another process has begun; the descriptor becomes ours.
    """

    def __init__(self, scrollback: int = DEFAULT_SCROLLBACK, *, fd: int | None = None) -> None:
        granule = _CLEAR_STEP
        size = -(-(scrollback + READ_SIZE) // granule) * granule
        self.fd = self._create(size) if fd is None else fd
        self._map = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        whole = memoryview(self._map)
        self.words = whole[:_HEADER].cast("Q")
        """The header; one item is one aligned store, so a kill never leaves half of it."""
        self._view = whole[_HEADER:]
        if fd is None:
            self.words[_AT_SIZE] = self.words[_AT_CLEARED] = size
            self.words[_AT_MAGIC] = _MAGIC
        elif self.words[_AT_MAGIC] != _MAGIC:
            raise ValueError("no spool of this version")
        self.size = self.words[_AT_SIZE]
        self.catch_up()

    def _create(self, size: int) -> int:
        fd = os.memfd_create("spool", os.MFD_CLOEXEC)
        os.ftruncate(fd, _HEADER + size)
        return fd

    def catch_up(self) -> None:
        """Somebody else has written: go on from where they stopped."""
        self.head = self.words[_AT_HEAD]
        self._cleared = self.words[_AT_CLEARED]

    @property
    def floor(self) -> int:
        """Lowest offset that is safe to read."""
        return max(0, self.head + READ_SIZE - self.size)

    def window(self) -> memoryview:
        """Writable room at the head, all zero: at least one byte, at most READ_SIZE."""
        room = self._cleared - self.head
        if room < _LEAST_CLEARED:
            room = self._clear()
        start = self.head % self.size
        return self._view[start : start + min(room, READ_SIZE)]

    def _clear(self) -> int:
        """Zero the next step of the ring; the store that says so comes after it."""
        start = self._cleared % self.size
        self._view[start : start + _CLEAR_STEP] = _ZEROS
        self._cleared += _CLEAR_STEP
        self.words[_AT_CLEARED] = self._cleared
        return self._cleared - self.head

    def commit(self, count: int) -> None:
        """Declare ``count`` bytes of the window written."""
        self.head += count
        self.words[_AT_HEAD] = self.head

    def recover(self) -> int:
        """Take over from a writer that was killed: returns how many bytes it had not committed."""
        self.catch_up()
        filled = len(self._beyond_head().rstrip(b"\0"))
        self.commit(filled)
        return filled

    def _beyond_head(self) -> bytes:
        """The room of one read, by system call: looking through the mapping would allocate it."""
        room = min(self._cleared - self.head, READ_SIZE)
        start = self.head % self.size
        first = os.pread(self.fd, min(room, self.size - start), _HEADER + start)
        return first + os.pread(self.fd, room - len(first), _HEADER)

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
        find = self._map.find
        if first < last:
            return find(byte, _HEADER + first, _HEADER + last) >= 0
        return find(byte, _HEADER + first) >= 0 or find(byte, _HEADER, _HEADER + last) >= 0

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
        self.words.release()
        self._view.release()
        self._map.close()
        os.close(self.fd)
