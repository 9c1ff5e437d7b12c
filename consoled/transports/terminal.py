"""TerminalPeer: the terminal that a server was started on, as an attached peer.

Opened anew by name, so that making it non-blocking does not leak into the shell that shares
the original. Keys come one by one and without echo; signals stay on, so that ^Z and ^\\ keep
their meaning (the server ignores ^C). Bytes go out as they are: the child's terminal has
already made CR LF of its line ends.
"""

import os
import termios

_IFLAG, _OFLAG, _LFLAG = 0, 1, 3


class TerminalPeer:
    """A terminal in one-key mode until ``close`` (which ``restore`` undoes as well)."""

    def __init__(self, fd: int) -> None:
        self._fd = os.open(os.ttyname(fd), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._before = termios.tcgetattr(self._fd)
        attributes = termios.tcgetattr(self._fd)
        attributes[_IFLAG] &= ~termios.IXON
        attributes[_OFLAG] &= ~termios.OPOST
        attributes[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)

    def fileno(self) -> int:
        """The terminal's descriptor."""
        return self._fd

    def send(self, data: memoryview | bytes | bytearray, /) -> int:
        """Show bytes; BlockingIOError when the terminal is stopped."""
        return os.write(self._fd, data)

    def recv(self, size: int, /) -> bytes:
        """What was typed; empty when the terminal has hung up."""
        return os.read(self._fd, size)

    def size(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        window = os.get_terminal_size(self._fd)
        return window.lines, window.columns

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._fd < 0:
            return
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        except termios.error:  # hung up: nobody is left to see it
            pass
        os.close(self._fd)
        self._fd = -1


def in_foreground(fd: int) -> bool:
    """Whether this process may read the terminal without being stopped for it."""
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
