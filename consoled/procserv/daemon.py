"""Daemon: leaving the shell, and the files that tell others where a server is."""

import os
import signal
import sys
from collections.abc import Iterable, Sequence

FILE_MODE = 0o644


def fork_away() -> int:
    """Fork; the child leads a session without a terminal. Returns the child's pid, or 0 in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop takes it over
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        if null > 2:
            os.close(null)
    return pid


def info_text(pid: int, addresses: Sequence[str]) -> str:
    """The info file, as procServ lays it out: the pid, then one endpoint a line."""
    return "".join(f"{line}\n" for line in (f"pid:{pid}", *addresses))


def write_file(path: str, text: str) -> None:
    """Write a small file in one go; raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        os.write(fd, os.fsencode(text))
    finally:
        os.close(fd)


def remove_files(paths: Iterable[str]) -> None:
    """Remove what a server leaves behind; what is gone already is no error."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            pass
