"""Bound: an endpoint that listens, whatever its transport; and who is in the way of one."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bound:
    """One listening socket of an endpoint.

    ``address`` is the line of it in the info file (``tcp:127.0.0.1:2000``, ``unix:PATH``);
    ``path`` names the file of a UNIX socket, with the ``identity`` (device, inode) it had;
    ``warning`` is what could not be done for it.
    """

    listening: socket.socket
    address: str
    raw: bool = False
    path: str | None = None
    identity: tuple[int, int] | None = None
    warning: str | None = None


def describe_process(pid: int) -> str:
    """A process as people look for it: its name and pid.

    The kernel keeps 15 characters of a name; the rest is found among the first words of the
    command line, where a script's name stands behind its interpreter's.
    """
    if pid == os.getpid():
        return "an endpoint that stands before it on the same command line"
    try:
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return f"process {pid}"
    whole = [base for word in words[:3] if (base := os.path.basename(word)).startswith(name)]
    return f"{whole[0] if whole else name} (pid {pid})"


def tcp_holder(port: int) -> str | None:
    """Who listens on a TCP port of this machine, if we may see it."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and _holds(entry.name, inodes):
            return describe_process(int(entry.name))
    return None


def _listening_inodes(port: int) -> set[str]:
    """Inodes of sockets in state LISTEN (0A) on ``port``; columns as in proc(5)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes


def _holds(pid: str, inodes: set[str]) -> bool:
    try:
        return any(
            os.readlink(entry.path) in {f"socket:[{inode}]" for inode in inodes}
            for entry in os.scandir(f"/proc/{pid}/fd")
        )
    except OSError:
        return False
