"""Machines that run out of processes or terminals, made on purpose and for one server only."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from . import processes
from .faults_mounts import MountError, run_tool

_PIDS = Path("/sys/fs/cgroup/pids")
_UNIFIED = Path("/sys/fs/cgroup")
_FEW_TERMINALS = (
    "unshare",
    "-m",
    "sh",
    "-c",
    "mount -t devpts -o newinstance,ptmxmode=666,mode=620,max=1 devpts /dev/pts"
    ' && mount --bind /dev/pts/ptmx /dev/ptmx && exec "$@"',
    "sh",
)


def few_terminals() -> tuple[str, ...]:
    """Prefix of a command that has a terminal table of its own, with one place in it."""
    run_tool(*_FEW_TERMINALS, "true")
    return _FEW_TERMINALS


class ProcessLimit:
    """A pids cgroup around one server: root is not subject to RLIMIT_NPROC."""

    def __init__(self, pid: int) -> None:
        name = f"consoled-{uuid.uuid4().hex[:8]}"
        unified = (_UNIFIED / "cgroup.controllers").exists()
        self._folder = (_UNIFIED if unified else _PIDS) / name
        try:
            self._folder.mkdir()
            (self._folder / "cgroup.procs").write_text(f"{pid}\n")
        except OSError as error:
            raise MountError(f"pids cgroup: {error}") from error

    def _read(self, name: str) -> int:
        return int((self._folder / name).read_text())

    def close_down(self) -> None:
        """No process more than now; the child that is to be replaced must have ended."""
        (self._folder / "pids.max").write_text(f"{self._read('pids.current')}\n")

    def relax(self) -> None:
        """As many as anybody may have."""
        (self._folder / "pids.max").write_text("max\n")

    def remove(self) -> None:
        """Take the group away, once it is empty."""

        def gone() -> bool:
            try:
                self._folder.rmdir()
            except OSError:
                return False
            return True

        processes.wait_for(gone, f"{self._folder} is empty")


def take_terminal(pid: int) -> int:
    """Open a terminal in the private table of a server; a descriptor to close."""
    ptmx = os.path.join(f"/proc/{pid}", "root", "dev/pts/ptmx")
    return os.open(ptmx, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
