"""Cgroups: one sub-cgroup per console, where the system has delegated us a cgroup v2.

What a child forks stays in its cgroup whatever it does with sessions and parents, and one
write ends it all, so nothing can outrun the kill. It is optional: without a delegated cgroup
there is `kin`. Never are resources controlled here, so no controller is switched on and our
own process may stay where it is.

The keeper owns the sub-cgroups and removes them. A child puts itself in, between fork and
exec, by writing ``0`` to a descriptor opened before the fork: moving may take milliseconds,
which are the child's and not the loop's, and nothing it forks can be outside.

Never true: a failure raises into the loop (methods return False, None or nothing, and
``reason`` has the line for the log); a cgroup is touched that is not below ours by our name;
systemd's own cgroups are cut up as if they were ours because root may.
"""

import errno
import os
import re
from collections.abc import Iterator

HERE = b"0"
"""What a process writes to the descriptor of ``place`` to move itself."""

_PREFIX = "console-"
"""Keeps our names apart from the kernel's files (``cgroup.kill``) and from a leading dot."""

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.:@+-]")
_OCTAL = re.compile(r"\\([0-7]{3})")
_DELEGATED = ("user.delegate", "trusted.delegate")
"""Extended attributes by which systemd says that a cgroup is its service's own."""


def escape(console: str) -> str:
    """The directory's name for a console; different for different consoles."""
    raw = os.fsencode(console)
    return _PREFIX + _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode()


def own_directories(membership: str, mountinfo: str) -> list[tuple[str, str]]:
    """Mount points of cgroup v2 and where this process would be below each of them.

    Reads /proc/self/cgroup and /proc/self/mountinfo.
    """
    own = [line.removeprefix("0::") for line in membership.splitlines() if line[:3] == "0::"]
    if not own or ".." in own[0].split("/"):  # outside of what our namespace may see
        return []
    found = []
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or after.split(" ")[0] != "cgroup2" or len(fields) < 5:
            continue
        top, point = (_OCTAL.sub(lambda code: chr(int(code[1], 8)), f) for f in fields[3:5])
        below = os.path.relpath(own[0], top)
        if below.split("/")[0] != "..":
            found.append((point, os.path.normpath(os.path.join(point, below))))
    return found


def _delegated() -> str | None:
    """The cgroup nearest to this process that systemd has delegated to its service."""
    try:
        with open("/proc/self/cgroup") as membership, open("/proc/self/mountinfo") as mounts:
            places = own_directories(membership.read(), mounts.read())
    except (OSError, ValueError):
        return None
    for point, directory in places:
        while len(directory) >= len(point):
            if any(_attribute(directory, name) == b"1" for name in _DELEGATED):
                return directory
            directory = os.path.dirname(directory)
    return None


def _attribute(directory: str, name: str) -> bytes:
    try:
        return os.getxattr(directory, name)
    except OSError:
        return b""


def _may_divide(directory: str) -> bool:
    """Whether this is a cgroup v2 where we may make others and move processes."""
    needed = (("", os.W_OK | os.X_OK), ("cgroup.procs", os.W_OK), ("cgroup.controllers", os.R_OK))
    return all(
        os.access(os.path.join(directory, name), mode, effective_ids=True) for name, mode in needed
    )


class Cgroups:
    """The sub-cgroups of one keeper; made by `find`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.reason = ""
        self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    @classmethod
    def find(cls, root: str | None) -> "tuple[Cgroups | None, str]":
        """Cgroups below ``root``, or below what systemd delegated; without, None and why.

        A ``root`` that somebody named needs only be usable. Unnamed, being allowed is not
        enough: root may everywhere, so it must have been declared as ours.
        """
        directory = _delegated() if root is None else root
        if directory is None:
            return None, "no cgroup is delegated to this service (Delegate=yes)"
        if not _may_divide(directory):
            return None, f"{directory}: not a cgroup v2 that may be divided"
        try:
            return cls(directory), ""
        except OSError as error:
            return None, f"{directory}: {error.strerror}"

    def close(self) -> None:
        """Let go of the root; sub-cgroups stay."""
        os.close(self._fd)

    def path(self, console: str) -> str:
        """Where a console's cgroup is, for people and run-files."""
        return os.path.join(self.root, escape(console))

    def place(self, console: str) -> int | None:
        """Make the console's cgroup; a descriptor for the child to write ``HERE`` to.

        The caller closes it after the fork. A cgroup left by an earlier child is used again.
        """
        try:
            os.mkdir(escape(console), 0o755, dir_fd=self._fd)
        except FileExistsError:
            pass
        except OSError as error:
            self._note("make", console, error)
            return None
        try:
            return self._open(console, "cgroup.procs", os.O_WRONLY)
        except OSError as error:
            self._note("enter", console, error)
            return None

    def kill(self, console: str) -> bool:
        """SIGKILL to all in it, those included that fork meanwhile; true if nothing is there."""
        try:
            fd = self._open(console, "cgroup.kill", os.O_WRONLY)
        except FileNotFoundError as error:
            if not self._exists(console):
                return True
            self._note("kill (before Linux 5.14)", console, error)
            return False
        except OSError as error:
            self._note("kill", console, error)
            return False
        try:
            os.write(fd, b"1")
        except OSError as error:
            self._note("kill", console, error)
            return False
        finally:
            os.close(fd)
        return True

    def members(self, console: str) -> list[int]:
        """Pids in it and below, zombies left out; nobody where there is no cgroup."""
        pids: set[int] = set()
        try:
            for folder in self._folders(console):
                pids.update(_pids(folder))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                self._note("read", console, error)
        return sorted(pids - {0})

    def remove(self, console: str) -> bool:
        """Remove it and what was made below; False while somebody is in it."""
        name = escape(console)
        try:
            os.rmdir(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass
        except OSError:
            try:
                self._remove_below(console)
                os.rmdir(name, dir_fd=self._fd)
            except OSError as error:
                self._note("remove", console, error)
                return False
        return True

    def _remove_below(self, console: str) -> None:
        walk = os.fwalk(escape(console), topdown=False, dir_fd=self._fd)
        for _, folders, _, fd in walk:
            for folder in folders:
                os.rmdir(folder, dir_fd=fd)

    def _folders(self, console: str) -> Iterator[int]:
        """Descriptors of the cgroup's directory and those below, each valid for one round."""
        for _, _, _, fd in os.fwalk(escape(console), dir_fd=self._fd):
            yield fd

    def _open(self, console: str, file: str, mode: int) -> int:
        return os.open(f"{escape(console)}/{file}", mode | os.O_CLOEXEC, dir_fd=self._fd)

    def _exists(self, console: str) -> bool:
        try:
            os.stat(escape(console), dir_fd=self._fd)
        except OSError:
            return False
        return True

    def _note(self, what: str, console: str, error: OSError) -> None:
        self.reason = f"cannot {what} {self.path(console)}: {error.strerror}"


def _pids(folder: int) -> list[int]:
    """Who is in one cgroup; a threaded one does not say, its parent does."""
    try:
        fd = os.open("cgroup.procs", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return []
    with open(fd, "rb") as file:
        try:
            return [int(line) for line in file.read().split()]
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return []
            raise
