"""Daemon: leaving the shell, and the files that tell others where a server is."""

import os
import signal
import sys
from collections.abc import Sequence

FILE_MODE = 0o644


def fill_standard_descriptors() -> None:
    """Open what the caller has closed of 0 to 2, lest a socket or a pty takes its place."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class Leaving:
    """The way of a daemon out of its shell.

    It forks first and prepares itself afterwards, so that whatever hangs while it does holds
    the daemon and never the shell. The shell's process waits for one byte: the exit code.
    """

    def __init__(self) -> None:
        self._report, self._told = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        self.is_shell = os.fork() != 0
        if not self.is_shell:
            os.close(self._report)
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop takes it over

    def wait(self) -> int:
        """In the shell's process: the exit code that the daemon has told, 1 if it died."""
        os.close(self._told)
        code = os.read(self._report, 1)
        os.close(self._report)
        return code[0] if code else 1

    def tell(self, code: int) -> None:
        """In the daemon: what the shell shall see; with 0 it lets go of the terminal."""
        if code == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)
        try:
            os.write(self._told, bytes([min(code, 255)]))
        except BrokenPipeError:  # the shell did not wait; the console is served all the same
            pass
        os.close(self._told)


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


def remove_file(path: str, text: str) -> None:
    """Remove a file that still holds what was written; another server's stays."""
    try:
        with open(path, "rb") as file:
            ours = file.read(len(text) + 1) == os.fsencode(text)
        if ours:
            os.unlink(path)
    except OSError:
        pass
