"""Child: one forked program on its own pty, and the one way to make it.

Forking beside threads is safe here because the child's side, from fork to exec, only makes
system calls: no import, no logging, no lock that another thread could have held. All that
could need one (names, paths, limits) is resolved before the fork. The fork never waits for
the exec: a directory or a binary on a hung file system holds nobody but the child itself.
What fails on the way is written to a close-on-exec pipe as ``step errno``; an end of file
without a word means the exec succeeded.

The child's side closes every other descriptor *before* it touches a configured path, so a
child that hangs in chdir(2) does not keep a client's connection open.
"""

import errno
import fcntl
import os
import resource
import signal
import struct
import termios
from typing import NoReturn

from ptyprocess import PtyProcess

from consoled.config.model import SpawnSpec
from consoled.errors import SpawnError
from consoled.keeper.outcome import collected, exit_status

_REPORT_FD = 3
_MAX_FD = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] % 2**64, 2**20)
_HANDLED = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGALRM, signal.SIGPIPE),
)
"""Signals that a process of ours may have a handler for. (Blocking all would cost more than the
fork: each one of the mask becomes a Python object when it is lifted.)"""
FAILED_STATUS = 255
"""Exit status of a child that could not become its program, as in procServ."""

_ZOMBIE_PATIENCE = 20
"""How often somebody else's child is asked for its status before it is given up."""

UNKNOWN_STATUS = -1
"""In place of a wait status that nobody could learn: the process was not our own child."""


def _ignorable() -> tuple[signal.Signals, ...]:
    """Signals that this process may ignore: what it was born with, Python's, and ours."""
    inherited = {
        number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN
    }
    python = {signal.SIGPIPE, signal.SIGXFSZ}
    return tuple(inherited | python | {*_HANDLED, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP})


_IGNORABLE = _ignorable()


class Child:
    """A forked process: its pid, its pty master, its pidfd, and the report of its exec.

    Owned by the keeper, which closes it. ``report`` becomes readable once, when the exec
    has succeeded or failed (-1 if that is known); ``pidfd`` once, when the process has ended.
    One that is not ``own`` was forked by a keeper that is no more. ``pidfd`` -1: it has ended.
    """

    __slots__ = ("_asked", "_pty", "master", "own", "pid", "pidfd", "report")

    def __init__(
        self, pid: int, master: int, report: int, *, pidfd: int | None = None, own: bool = True
    ) -> None:
        self.pid = pid
        self.report = report
        self.own = own
        self._asked = 0
        self.pidfd = os.pidfd_open(pid) if pidfd is None else pidfd
        self.master = master
        """The pty master's descriptor, non-blocking; -1 once it is closed."""
        self._pty: PtyProcess | None = None

    def lend(self) -> int:
        """A descriptor of the master for somebody else; without one the child is ended."""
        try:
            return os.dup(self.master)
        except OSError as error:
            self.end()
            raise _refusal("fork", error) from error

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; the foreground group gets SIGWINCH."""
        self._handle().setwinsize(rows, columns)

    def _handle(self) -> PtyProcess:
        """Made when first needed: it is bigger than all the rest of a child."""
        if self._pty is None:
            self._pty = PtyProcess(self.pid, self.master)
            # It would sleep and kill in its destructor: closing is done here alone.
            self._pty.closed = True
        return self._pty

    def signal(self, number: int) -> None:
        """Signal the whole process group, or the process while it has none yet.

        Raises PermissionError when all of it runs as somebody else (sudo).
        """
        try:
            if not self.own:  # reaped elsewhere, its number may be another's: ask the pidfd
                signal.pidfd_send_signal(self.pidfd, 0)
            os.killpg(self.pid, number)
        except ProcessLookupError:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass

    def reap(self) -> int | None:
        """End what is left of the group, collect the process, return its wait status.

        None when it cannot be collected yet: a debugger that traces it comes first. The
        group is killed while the leader is still a zombie, so its number cannot have been
        given to anybody else.
        """
        if not self.own:
            status = exit_status(self.pidfd)
            if status is None and not collected(self.pidfd) and self._asked < _ZOMBIE_PATIENCE:
                self._asked += 1
                return None
            os.close(self.pidfd)
            return UNKNOWN_STATUS if status is None else status
        try:
            self.signal(signal.SIGKILL)
        except PermissionError:
            pass
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        os.close(self.pidfd)
        return status

    def end(self) -> None:
        """Kill and collect a child that nobody can look after."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.close()

    def failure(self) -> tuple[str, int] | None:
        """Read the report: None when the exec succeeded, else the step and its errno."""
        text = os.read(self.report, 64)
        os.close(self.report)
        self.report = -1
        if not text:
            return None
        step, number = text.split()
        return step.decode(), int(number)

    def close(self) -> None:
        """Close the master; a process that still holds the tty gets SIGHUP."""
        if self._pty is not None:
            self._pty.fileobj.close()
        else:
            os.close(self.master)
        self.master = -1
        if self.report >= 0:
            os.close(self.report)
            self.report = -1


def spawn(spec: SpawnSpec, cgroup: int | None = None) -> Child:
    """Fork a child for ``spec``; raises SpawnError when there is no pty or no process.

    ``cgroup`` is an open cgroup.procs file that the child enters first.
    """
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise _refusal("pty", error) from error
    try:
        report, told = os.pipe()
        try:
            pid = _fork(spec, slave, told, cgroup)
        except OSError:
            os.close(report)
            raise
        finally:
            os.close(told)
    except OSError as error:
        os.close(master)
        raise _refusal("fork", error) from error
    finally:
        os.close(slave)
    os.set_blocking(master, False)
    try:
        return Child(pid, master, report)
    except OSError as error:  # no descriptor for the pidfd: a child nobody could watch
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)
        os.close(report)
        raise _refusal("fork", error) from error


def _refusal(step: str, error: OSError) -> SpawnError:
    number = error.errno or 0
    return SpawnError(step, number, os.strerror(number))


def _fork(spec: SpawnSpec, slave: int, told: int, cgroup: int | None) -> int:
    """Fork with our signals blocked, so none reaches the child with our handlers set."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _become(spec, slave, told, cgroup)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _become(spec: SpawnSpec, slave: int, told: int, cgroup: int | None) -> NoReturn:
    """The child's side: become the program, or say why not and end with status 255."""
    step = b"tty"
    try:
        if cgroup is not None:
            _enter(cgroup)
        _take_terminal(slave, told)
        _prepare_terminal(spec)
        step = b"signals"
        _reset_signals()
        step = b"limit"
        for number, soft, hard in spec.limits:
            resource.setrlimit(number, (soft, hard))
        step = b"user"
        _take_identity(spec)
        if spec.chdir is not None:
            step = b"chdir"
            os.chdir(spec.chdir)
        step = b"exec"
        _execute(spec)
    except OSError as error:
        os.write(_REPORT_FD, b"%s %d" % (step, error.errno or 0))
    except BaseException:
        os.write(_REPORT_FD, b"%s %d" % (step, errno.EINVAL))
    finally:
        os._exit(FAILED_STATUS)


def _enter(cgroup: int) -> None:
    """Join a cgroup; without it the child is found by its session, so it is no reason to stop."""
    try:
        os.write(cgroup, b"0")
    except OSError:
        pass


def _prepare_terminal(spec: SpawnSpec) -> None:
    """A size from the first moment; an owner who may open it again by its name."""
    if spec.size is not None:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *spec.size, 0, 0))
    if spec.identity is not None and spec.identity.uid != os.geteuid():
        os.fchown(0, spec.identity.uid, -1)


def _take_identity(spec: SpawnSpec) -> None:
    """Groups, then group, then user: after that there is no way back."""
    if spec.umask is not None:
        os.umask(spec.umask)
    if spec.identity is not None:
        if os.geteuid() == 0:
            os.setgroups(spec.identity.groups)
        os.setresgid(spec.identity.gid, spec.identity.gid, spec.identity.gid)
        os.setresuid(spec.identity.uid, spec.identity.uid, spec.identity.uid)


def _take_terminal(slave: int, told: int) -> None:
    """Lead a new session on the tty; keep descriptors 0 to 2 and the report."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    # Both may sit on a number that is about to be overwritten: lift them out of the way.
    slave = fcntl.fcntl(slave, fcntl.F_DUPFD, 10)
    told = fcntl.fcntl(told, fcntl.F_DUPFD, 10)
    for target in (0, 1, 2):
        os.dup2(slave, target)
    os.dup2(told, _REPORT_FD, inheritable=False)
    os.closerange(_REPORT_FD + 1, _MAX_FD)


def _reset_signals() -> None:
    """Default dispositions and an empty mask, whatever the server ignores or blocks.

    A handler ends with the exec by itself; what is ignored would stay so.
    """
    for number in _IGNORABLE:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _execute(spec: SpawnSpec) -> None:
    """Try the files as execvp(3) does: a denied one is remembered, a text one is a script."""
    denied: OSError | None = None
    for file in spec.files:
        try:
            os.execve(file, spec.argv, spec.environment)
        except FileNotFoundError as error:
            last: OSError = error
        except NotADirectoryError as error:
            last = error
        except PermissionError as error:
            last = denied = error
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                shell = (b"/bin/sh", file, *spec.argv[1:])
                os.execve(b"/bin/sh", shell, spec.environment)
            raise
    raise denied or last
