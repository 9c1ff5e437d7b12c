"""Run-files: what a keeper writes down so that the next one never doubles a child.

One file per console in a directory of the keeper's own: one JSON line with the leader's pid,
its start time and the boot. The keeper that starts owns the directory; it asks ``survivors``
before it forks anything. Belongs on a tmpfs: the files need to outlive a process and not a
machine (after a boot nothing survives), so nothing is synced, and the loop waits for no disk.

A file is a hint and never trusted: it must be a regular file that only we can have written,
small, named like the console it speaks of, and of this boot; and what it names must be found
running with the same start time. A leader that is gone does not end the search: a shell dies
of the hang-up that the program under it ignored, so its session counts where the mark agrees.

Never true: a survivor whose identity was not seen in /proc by this keeper; a half-written
file under a console's name; a file removed that is not ours.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from consoled.keeper import kin

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,63}", re.ASCII)
_SIZE_LIMIT = 4096
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOREIGN = {errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO}
"""How a link, another user's file and a socket refuse to be opened."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Record(NamedTuple):
    """What one file says."""

    console: str
    leader: kin.Identity
    boot_id: str
    cgroup: str | None = None

    def line(self) -> bytes:
        values: dict[str, str | int] = {"console": self.console, "pid": self.leader.pid}
        values |= {"starttime": self.leader.started, "boot_id": self.boot_id}
        if self.cgroup is not None:
            values["cgroup"] = self.cgroup
        return json.dumps(values).encode() + b"\n"


class Survivor(NamedTuple):
    """A console of an earlier keeper with those of its processes that still run."""

    console: str
    leader: kin.Identity
    cgroup: str | None
    kin: tuple[kin.Process, ...]

    @property
    def lives(self) -> bool:
        """Whether the child itself runs, and not just what it left behind."""
        return any(process.identity == self.leader for process in self.kin)


def parse_record(name: str, data: bytes) -> Record | None:
    """Read a file's text; None when it is not what ``Record.line`` writes for this name."""
    try:
        values = json.loads(data)
        pid, started = values["pid"], values["starttime"]
        boot_id, cgroup = values["boot_id"], values.get("cgroup")
        console = values["console"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if type(pid) is not int or type(started) is not int or pid <= 1 or started < 0:
        return None
    if not isinstance(boot_id, str) or not isinstance(cgroup, str | None):
        return None
    if console != name or not _NAME.fullmatch(name):
        return None
    return Record(name, kin.Identity(pid, started), boot_id, cgroup)


class RunFiles:
    """The files of one keeper; ``reason`` says why the last method that failed did.

    Raises OSError when the directory cannot be made, or others can write into it.
    """

    def __init__(self, directory: str) -> None:
        self.reason = ""
        self._boot_id = _BOOT_ID.read_text().strip()
        self._directory = directory
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._make_private()
        except OSError:
            os.close(self._fd)
            raise

    def _make_private(self) -> None:
        held = os.fstat(self._fd)
        if held.st_uid != os.geteuid() or held.st_mode & 0o022:
            text = "belongs to another user, or others may write into it"
            raise PermissionError(errno.EPERM, text, self._directory)
        if stat.S_IMODE(held.st_mode) != 0o700:
            os.fchmod(self._fd, 0o700)

    def close(self) -> None:
        """Let go of the directory; the files stay."""
        os.close(self._fd)

    def note(self, console: str, pid: int, cgroup: str | None = None) -> bool:
        """Write down a console's child; False when it is gone or the file cannot be written."""
        try:
            process = kin.look(pid)
        except OSError as error:
            return self._failed(f"cannot look at process {pid}: {error.strerror}")
        return self.note_process(console, pid, process, cgroup)

    def note_process(
        self, console: str, pid: int, process: kin.Process | None, cgroup: str | None = None
    ) -> bool:
        """The same for a child that the caller has looked at."""
        if process is None or pid <= 1 or not _NAME.fullmatch(console):
            return self._failed(f"no process {pid} to note for console {console!r}")
        line = Record(console, process.identity, self._boot_id, cgroup).line()
        if len(line) > _SIZE_LIMIT:
            return self._failed(f"the cgroup of console {console} has too long a name")
        try:
            self._replace(console, line)
        except OSError as error:
            return self._failed(f"{self._directory}/{console}: {error.strerror}")
        return True

    def drop(self, console: str) -> bool:
        """Forget a console's child; also true when there was none."""
        if not _NAME.fullmatch(console):
            return self._failed(f"no console can be called {console!r}")
        try:
            os.unlink(console, dir_fd=self._fd)
        except FileNotFoundError:
            pass
        except OSError as error:
            return self._failed(f"{self._directory}/{console}: {error.strerror}")
        return True

    def survivors(self, others: Collection[int] = ()) -> list[Survivor]:
        """Who is still running of what was noted; files of those who are not are removed.

        For the keeper that starts and has no consoles' children yet; ``others`` are the pids
        of children it has, which may carry a mark when it was started in a console. A
        survivor's file stays until it is dropped or noted anew. Raises OSError when it cannot
        be found out; then nothing was removed that counts, and nothing should be started.
        """
        records = self._records()
        if not records:
            return []
        processes, here = kin.scan(), os.getpid()
        leaders = {record.console: record.leader for record in records}
        marks = kin.read_marks(processes, leaders, here, others)
        families = kin.kin_by_console(processes, leaders, here, marks, others)
        survivors = []
        for console, leader, _, cgroup in records:
            if family := families[console]:
                survivors.append(Survivor(console, leader, cgroup, tuple(family)))
            else:
                self.drop(console)
        return survivors

    def _records(self) -> list[Record]:
        """Files of this boot; our own that are stale, broken or half-made are removed."""
        records = []
        for name in os.listdir(self._fd):
            if not _NAME.fullmatch(name.removeprefix(".")):
                continue
            try:
                data = self._read(name)
            except OSError as error:
                if error.errno in _FOREIGN:
                    continue
                raise
            record = parse_record(name, data)
            if record is not None and record.boot_id == self._boot_id:
                records.append(record)
            else:
                self._discard(name)
        return records

    def _read(self, name: str) -> bytes:
        """The text of a file that is ours; raises EPERM when it is not."""
        fd = os.open(name, _READ, dir_fd=self._fd)
        try:
            held = os.fstat(fd)
            ours = held.st_uid == os.geteuid() and not held.st_mode & 0o022
            if not stat.S_ISREG(held.st_mode) or not ours:
                raise PermissionError(errno.EPERM, "not a file of ours")
            return os.read(fd, _SIZE_LIMIT) if held.st_size <= _SIZE_LIMIT else b""
        finally:
            os.close(fd)

    def _replace(self, console: str, line: bytes) -> None:
        """Write beside and rename, so that the name has the old line or the new one."""
        beside = f".{console}"
        self._discard(beside)
        fd = os.open(beside, _CREATE, 0o600, dir_fd=self._fd)
        try:
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(beside, console, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError:
            self._discard(beside)
            raise
        finally:
            os.close(fd)

    def _discard(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._fd)
        except OSError:
            pass

    def _failed(self, reason: str) -> bool:
        self.reason = reason
        return False
