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
import termios
from typing import NoReturn

from ptyprocess import PtyProcess

from consoled.config.model import SpawnSpec
from consoled.errors import SpawnError

_REPORT_FD = 3
_MAX_FD = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] % 2**64, 2**20)
_ALL_SIGNALS = signal.valid_signals()
_RESETTABLE = tuple(_ALL_SIGNALS - {signal.SIGKILL, signal.SIGSTOP})
FAILED_STATUS = 255
"""Exit status of a child that could not become its program, as in procServ."""


class Child:
    """A forked process: its pid, its pty master, its pidfd, and the report of its exec.

    Owned by the keeper, which closes it. ``report`` becomes readable once, when the exec
    has succeeded or failed; ``pidfd`` once, when the process has ended.
    """

    def __init__(self, pid: int, master: int, report: int) -> None:
        self.pid = pid
        self.report = report
        self.pidfd = os.pidfd_open(pid)
        self._pty = PtyProcess(pid, master)
        # ptyprocess would sleep and kill in its destructor: closing is done here alone.
        self._pty.closed = True

    @property
    def master(self) -> int:
        """The pty master's descriptor, non-blocking."""
        return int(self._pty.fd)

    def lend(self) -> int:
        """A descriptor of the master for somebody else; without one the child is ended."""
        try:
            return os.dup(self.master)
        except OSError as error:
            self.end()
            raise _refusal("fork", error) from error

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; the foreground group gets SIGWINCH."""
        self._pty.setwinsize(rows, columns)

    def signal(self, number: int) -> None:
        """Signal the whole process group, or the process while it has none yet.

        Raises PermissionError when all of it runs as somebody else (sudo).
        """
        try:
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
        self._pty.fileobj.close()
        if self.report >= 0:
            os.close(self.report)
            self.report = -1


def spawn(spec: SpawnSpec) -> Child:
    """Fork a child for ``spec``; raises SpawnError when there is no pty or no process."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise _refusal("pty", error) from error
    try:
        report, told = os.pipe()
        try:
            pid = _fork(spec, slave, told)
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


def _fork(spec: SpawnSpec, slave: int, told: int) -> int:
    """Fork with every signal blocked, so none reaches the child with our handlers set."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _become(spec, slave, told)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _become(spec: SpawnSpec, slave: int, told: int) -> NoReturn:
    """The child's side: become the program, or say why not and end with status 255."""
    step = b"tty"
    try:
        _take_terminal(slave, told)
        step = b"signals"
        _reset_signals()
        step = b"limit"
        for number, soft, hard in spec.limits:
            resource.setrlimit(number, (soft, hard))
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
    """Default dispositions and an empty mask, whatever the server ignores or blocks."""
    for number in _RESETTABLE:
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
