"""Disks: one writer thread for each file system, found without touching a path.

Owned by the worker. Which file system a path is on is read from the kernel's table of mounts,
for asking the path itself could hang. Logs of one file system share its thread, so a frozen
one delays only what is on it.

Never true: two threads for one file system.
"""

from pathlib import Path

from consoled.disk import Disk, Loop

_MOUNTS = Path("/proc/self/mountinfo")
_AT_POINT = 4


class Disks:
    """Threads by mount point, started when they are first needed."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._disks: dict[str, Disk] = {}
        self._points: list[str] = []

    def of(self, path: str) -> Disk:
        """The thread that may touch this path."""
        point = mount_point(path, self._mount_points())
        if point not in self._disks:
            self._disks[point] = Disk(f"disk {point}", self._loop)
        return self._disks[point]

    def forget_mounts(self) -> None:
        """Look again what is mounted where."""
        self._points = []

    def _mount_points(self) -> list[str]:
        if not self._points:
            rows = _MOUNTS.read_text(errors="surrogateescape").splitlines()
            self._points = [_unescape(row.split()[_AT_POINT]) for row in rows]
        return self._points


def _unescape(point: str) -> str:
    """Blanks and backslashes stand as three octal digits in the table (proc_pid_mountinfo(5))."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        point = point.replace(code, chr(int(code[1:], 8)))
    return point


def mount_point(path: str, points: list[str]) -> str:
    """The longest mount point that an absolute path is below; "/" if none."""
    found = "/"
    for point in points:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found):
            found = point
    return found
