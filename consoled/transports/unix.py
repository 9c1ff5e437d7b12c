"""UNIX socket endpoints: never steal a living server's path, never delete a file.

A path is taken under a lock on its directory: probed by connecting, freed only if it is a
socket that nobody answers on, bound with no rights for anybody, given its owner and mode, and
only then listened on. A connection before that moment is refused by the kernel.
"""

import errno
import fcntl
import grp
import os
import pwd
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from consoled.config.endpoint import UnixEndpoint
from consoled.errors import ConfigError, EndpointError
from consoled.transports.bound import Bound, describe_process
from consoled.transports.listener import BACKLOG

_LOCK_PATIENCE, _LOCK_RETRY = 2.0, 0.02

Owner = tuple[int, int]
"""uid and gid to give a socket; -1 leaves either as it is."""


def find_owner(endpoint: UnixEndpoint) -> Owner:
    """Look up an endpoint's user and group; a user alone also sets their primary group."""
    uid = gid = -1
    if endpoint.user:
        try:
            entry = pwd.getpwnam(endpoint.user)
        except KeyError:
            raise ConfigError(f"Unknown user '{endpoint.user}'") from None
        uid, gid = entry.pw_uid, entry.pw_gid
    if endpoint.group:
        try:
            gid = grp.getgrnam(endpoint.group).gr_gid
        except KeyError:
            raise ConfigError(f"Unknown group '{endpoint.group}'") from None
    return uid, gid


def bind(endpoint: UnixEndpoint, owner: Owner) -> Bound:
    """Listen on an endpoint; EndpointError says who or what is in the way."""
    if endpoint.abstract:
        return _bind_abstract(endpoint)
    # As given, for a path that is too long for a socket may be short from where we are.
    path = endpoint.path
    with _locked_directory(path):
        _make_way(path)
        listening = _bind_closed(path)
        try:
            warning = _give(path, owner)
            os.chmod(path, endpoint.mode)
            listening.listen(BACKLOG)
            status = os.stat(path)
        except OSError as error:
            listening.close()
            raise _refusal(path, error) from error
    identity = (status.st_dev, status.st_ino)
    return Bound(listening, f"unix:{path}", endpoint.raw, path, identity, warning)


def _give(path: str, owner: Owner) -> str | None:
    """Change the owner; as in procServ a socket that stays ours is no reason to stop."""
    try:
        if owner != (-1, -1):
            os.chown(path, *owner)
    except OSError as error:
        return f"{path}: cannot change its owner: {os.strerror(error.errno or 0)}"
    return None


def is_ours(bound: Bound) -> bool:
    """Whether the path of a bound socket still names that socket."""
    try:
        status = os.lstat(bound.path or "")
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == bound.identity


def unbind(bound: Bound) -> None:
    """Remove the path of a bound socket, if it is still that socket's."""
    if bound.path is not None and is_ours(bound):
        os.unlink(bound.path)


def _bind_abstract(endpoint: UnixEndpoint) -> Bound:
    listening = _new_socket()
    try:
        listening.bind(b"\0" + os.fsencode(endpoint.path))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _refusal(f"@{endpoint.path}", error) from error
    return Bound(listening, f"unix:@{endpoint.path}", endpoint.raw)


def _new_socket() -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    return listening


@contextmanager
def _locked_directory(path: str) -> Iterator[None]:
    """Keep others of our kind from taking a path in the same directory meanwhile.

    Anybody who may open a directory may lock it, so the lock is waited for only so long;
    without it the probe still protects a living server.
    """
    directory = os.path.dirname(path) or "."
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # one may write into a directory that one may not read
        yield
        return
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_RETRY)
        else:
            return


def _make_way(path: str) -> None:
    """Remove a dead server's socket; refuse anything else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refusal(path, error) from error
    if not stat.S_ISSOCK(mode):
        raise EndpointError(
            f"{path}: exists and is no socket; it was left alone, remove it yourself",
            errno.EEXIST,
        )
    holder = _living_holder(path)
    if holder is not None:
        raise EndpointError(f"{path}: Address already in use, held by {holder}", errno.EADDRINUSE)
    try:
        os.unlink(path)
    except OSError as error:
        raise _refusal(path, error) from error


def _living_holder(path: str) -> str | None:
    """Who listens on the path; a full backlog and a refused permission are signs of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except OSError:
            return "another server"
        size = struct.calcsize("3i")
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return describe_process(struct.unpack("3i", credentials)[0])


def _bind_closed(path: str) -> socket.socket:
    """Bind with no rights for anybody.

    Linux gives the file the mode of the socket itself; a umask would do the same, but it is
    the whole process's and another thread may be making files.
    """
    listening = _new_socket()
    try:
        os.fchmod(listening.fileno(), 0)
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise _refusal(path, error) from error
    return listening


def _refusal(path: str, error: OSError) -> EndpointError:
    number = error.errno or 0
    text = f"{path}: {os.strerror(number) if number else error}"
    directory = os.path.dirname(path) or "."
    if number == errno.ENOENT:
        text += f"; make its directory first: mkdir -p {directory}"
    elif number in (errno.EACCES, errno.EPERM):
        text += f"; write access to {directory} is needed"
    elif number == errno.EADDRINUSE:
        text += ", held by another server"
    return EndpointError(text, number)
