"""Outcome: how a process ended that is not our child, or is so no more.

A pidfd outlives its process, and since Linux 6.15 it keeps the wait status, whoever collected
it: ioctl PIDFD_GET_INFO with PIDFD_INFO_EXIT. There is no state here; the pidfd is the
caller's, who must have opened it before the process was collected.

Never true: a status is guessed. Between its end and its being collected a process is a zombie
and the kernel does not tell yet; an older kernel never does. ``collected`` is the difference.
"""

import fcntl
import select
import struct

_INFO = struct.Struct("=QQ11Ii")
"""struct pidfd_info in its first and smallest form: mask, cgroup id, pids and credentials as
eleven numbers, the exit code. The kernel fills what fits into the size it is given."""

_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
"""_IOWR(0xFF, 11, struct pidfd_info)."""

_INFO_EXIT = 1 << 3


def exit_status(pidfd: int) -> int | None:
    """The wait status of an ended process; None when the kernel does not tell (yet)."""
    info = bytearray(_INFO.size)
    _INFO.pack_into(info, 0, _INFO_EXIT, *(13 * (0,)))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, info)
    except OSError:  # an older kernel: no such request, or ESRCH once it is collected
        return None
    mask, *_, status = _INFO.unpack(info)
    return int(status) if mask & _INFO_EXIT else None


def still_running(pidfd: int) -> bool:
    """Whether the process has not ended; a zombie has."""
    return not _events(pidfd)


def collected(pidfd: int) -> bool:
    """Whether somebody has waited for the process: ``exit_status`` will not change any more.

    A selector learns of it as a hang-up. Kernels too old to tell a status may never say it.
    """
    return bool(_events(pidfd) & select.POLLHUP)


def _events(pidfd: int) -> int:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    for _, events in poll.poll(0):
        if events & select.POLLNVAL:
            raise OSError(f"descriptor {pidfd} is closed")
        return events
    return 0
