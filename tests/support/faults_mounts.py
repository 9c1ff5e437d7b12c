"""File systems that a test can freeze, fill and thaw.

A frozen file system is a trap for everybody who touches it, the test included: a write waits
uninterruptibly. So each freeze has a *guardian*, a process of its own that thaws when the test
says so, when the test process dies, or when half a minute has passed, whichever comes first.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from . import processes

_SBIN = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
_GUARD = 'timeout 30 cat >/dev/null; exec "$@"'
_LIMIT = 10
ALLOWED_TO_MISS = "CONSOLED_NO_MOUNT"
"""Environment variable with which a machine says that it cannot mount, so tests may be skipped."""


class MountError(AssertionError):
    """This machine does not let us mount; a failure, for a suite without it proves nothing."""


def run_tool(*argv: str) -> None:
    """Run a tool that only the administrator may use; its complaint becomes ours."""
    try:
        subprocess.run(argv, env=_SBIN, check=True, capture_output=True, timeout=_LIMIT)
    except FileNotFoundError as error:
        raise MountError(f"{argv[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise MountError(f"{argv[0]}: {error.stderr.decode().strip()}") from error


class Mount:
    """A mounted directory, ``root``; freezing is for the two kinds that can."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._guardian: subprocess.Popen[bytes] | None = None

    def freeze(self) -> None:
        """Let every operation that needs the file system wait until `thaw`."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Let go; no harm if nothing is frozen."""
        if self._guardian is None:
            return
        guardian, self._guardian = self._guardian, None
        assert guardian.stdin is not None
        guardian.stdin.close()
        if guardian.wait(_LIMIT) != 0:
            raise MountError(f"{self.root} could not be thawed")

    def _guard(self, *thaw: str) -> None:
        self._guardian = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", *thaw],
            env=_SBIN,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Thaw and unmount; lazily when a dying process still has a hand on it."""
        self.thaw()
        try:
            processes.wait_for(self._unmounted, f"unmounting {self.root}", 3)
        except AssertionError:
            run_tool("umount", "-l", str(self.root))

    def _unmounted(self) -> bool:
        done = subprocess.run(
            ["umount", str(self.root)], env=_SBIN, capture_output=True, timeout=_LIMIT, check=False
        )
        return done.returncode == 0


class Ext4(Mount):
    """A real file system on a loop device, frozen as a snapshot tool does."""

    def __init__(self, folder: Path) -> None:
        root = folder / "ext4"
        root.mkdir()
        super().__init__(root)
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(32 << 20)
        run_tool("mkfs.ext4", "-q", "-F", str(image))
        run_tool("mount", "-o", "loop", str(image), str(root))

    def freeze(self) -> None:
        """Writes and opens for writing wait; reads go on."""
        self._guard("fsfreeze", "-u", str(self.root))
        run_tool("fsfreeze", "-f", str(self.root))


class Fuse(Mount):
    """A FUSE file system whose server can be stopped, as a dead NFS server."""

    def __init__(self, folder: Path) -> None:
        self.source, root = folder / "source", folder / "fuse"
        self.source.mkdir()
        root.mkdir()
        super().__init__(root)
        options = "attr_timeout=0,entry_timeout=0"
        argv = ["bindfs", "-f", "-o", options, str(self.source), str(root)]
        try:
            self._server = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
        except FileNotFoundError as error:
            raise MountError("bindfs is not installed") from error
        processes.wait_for(self._mounted, f"bindfs on {root}")

    def _mounted(self) -> bool:
        if self._server.poll() is not None:
            _, complaint = self._server.communicate(timeout=_LIMIT)
            raise MountError(f"bindfs: {complaint.decode().strip()}")
        return os.path.ismount(self.root)

    def freeze(self) -> None:
        """Everything waits, looking up a name included."""
        self._guard("kill", "-CONT", str(self._server.pid))
        self._server.send_signal(signal.SIGSTOP)
        pid = self._server.pid
        processes.wait_for(lambda: processes.status(pid, "State")[0] == "T", "bindfs stopped")

    def close(self) -> None:
        """Unmount, which ends the server; if it does not, kill it."""
        super().close()
        try:
            self._server.wait(3)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(_LIMIT)
        assert self._server.stderr is not None
        self._server.stderr.close()


class Tmpfs(Mount):
    """A file system so small that it can be filled."""

    def __init__(self, folder: Path, size: int) -> None:
        root = folder / "tmpfs"
        root.mkdir()
        super().__init__(root)
        run_tool("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root))

    def fill(self) -> Path:
        """Take all the room there is; returns the file to delete for relief."""
        path = self.root / "ballast"
        with path.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return path


class Mounts:
    """What one test has mounted, and its end.

    Outside pytest's directories: their cleaning up must never meet a hung file system.
    """

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._mounts: list[Mount] = []

    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="consoled-mount-"))
        folder.chmod(0o755)
        self._folders.append(folder)
        return folder

    def ext4(self) -> Ext4:
        """A file system that `fsfreeze` freezes."""
        mount = Ext4(self._folder())
        self._mounts.append(mount)
        return mount

    def fuse(self) -> Fuse:
        """A file system whose server can be stopped."""
        mount = Fuse(self._folder())
        self._mounts.append(mount)
        return mount

    def tmpfs(self, size: int) -> Tmpfs:
        """A file system of *size* bytes."""
        mount = Tmpfs(self._folder(), size)
        self._mounts.append(mount)
        return mount

    def freezable(self, kind: str) -> Mount:
        """One of the two kinds that can be frozen, by its name."""
        return self.ext4() if kind == "ext4" else self.fuse()

    def thaw(self) -> None:
        """Thaw everything: nobody can be killed or unmounted before."""
        for mount in self._mounts:
            mount.thaw()

    def close(self) -> None:
        """Unmount everything."""
        for mount in self._mounts:
            mount.close()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
