"""Sockets that the service manager has opened for us (sd_listen_fds(3))."""

import os
import socket

_FIRST = 3


def inherited_sockets() -> list[socket.socket]:
    """All that were passed to this very process; children are not told of them."""
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    meant = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    os.environ.pop("LISTEN_FDNAMES", None)
    if not meant:
        return []
    found = []
    for fd in range(_FIRST, _FIRST + count):
        os.set_inheritable(fd, False)
        found.append(socket.socket(fileno=fd))
        found[-1].setblocking(False)
    return found
