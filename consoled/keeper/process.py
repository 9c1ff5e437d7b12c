"""The keeper process: from its command line to its end.

    python -m consoled.keeper.process --run-dir DIR [--no-watchdog] [--cgroup DIR]
        [--config FD] [-- STARTER ...]

With a STARTER command it also starts the worker (``consoled --foreground``) and ends with it
when that is told to end. TERM or INT stops all children in order, a second one at once.

Never true: two keepers of one directory; a keeper that ends while children run, unless they
cannot be killed.
"""

import fcntl
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from consoled.errors import ConsoledError, KeeperError
from consoled.keeper import handover, kin
from consoled.keeper.aftermath import clean_up
from consoled.keeper.cgroup import Cgroups
from consoled.keeper.channel import Frame, peer_credentials
from consoled.keeper.keeper import Keeper
from consoled.keeper.kinfolk import Kinfolk
from consoled.keeper.launcher import Launcher
from consoled.keeper.loop import Loop
from consoled.keeper.runfiles import RunFiles
from consoled.keeper.sdnotify import notify
from consoled.keeper.service import Service

_REAP_AFTER = 0.2
_RESTART_AFTER = 1.0
_LOOK_AFTER = 5.0
SOCKET = "keeper.sock"
_LOCK = "keeper.lock"


@dataclass
class Arguments:
    """The command line; ``starter`` is what starts the worker, empty if somebody else does."""

    run_dir: str = ""
    watchdog: bool = True
    cgroup: str | None = None
    thaw: int | None = None
    rehearse: int | None = None
    config: int | None = None
    files: tuple[int, int] | None = None
    starter: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> Arguments:
    """Read the command line, which only our own programs write."""
    arguments = Arguments()
    rest = list(words)
    while rest:
        match rest.pop(0):
            case "--run-dir":
                arguments.run_dir = rest.pop(0)
            case "--no-watchdog":
                arguments.watchdog = False
            case "--config":
                arguments.config = int(rest.pop(0))
            case "--cgroup":
                arguments.cgroup = rest.pop(0)
            case "--files":
                arguments.files = (int(rest.pop(0)), int(rest.pop(0)))
            case "--thaw":
                arguments.thaw = int(rest.pop(0))
            case "--rehearse":
                arguments.rehearse = int(rest.pop(0))
            case "--":
                arguments.starter, rest = tuple(rest), []
            case word:
                raise KeeperError(f"unknown option {word!r}")
    return arguments


def _raise_files_limit(arguments: Arguments) -> tuple[int, int]:
    """Allow ourselves all descriptors; returns what children get. An exec keeps the latter."""
    soft, hard = arguments.files or resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def say(text: str) -> None:
    """One line for the journal."""
    print(f"consoled-keeper: {text}", file=sys.stderr, flush=True)


class Process:
    """One keeper from its lock to its end."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._loop = Loop()
        table = None if arguments.thaw is None else handover.read(arguments.thaw)
        self._lock = _lock(arguments.run_dir) if table is None else table.lock
        self._files = RunFiles(os.path.join(arguments.run_dir, "children"))
        self._cgroups, _ = Cgroups.find(arguments.cgroup)
        place = None if self._cgroups is None else self._cgroups.place
        self._launcher = Launcher(self._loop, arguments.starter, self._on_worker_gone, say)
        family = Kinfolk(self._loop, self._not_children, self._files, self._cgroups)
        self._family = family
        self._keeper = Keeper(self._loop, family, place)
        family.signal_group = self._keeper.signal
        self._service = Service(self._loop, self._keeper, family, say, watched=arguments.watchdog)
        self._service.on_stopped = self._end
        self._service.files_limit = _raise_files_limit(arguments)
        self._service.on_reexec = self._rehearse
        self._rehearsal: handover.Rehearsal | None = None
        self._reaping = False
        self.code = 0
        if table is None:
            self._service.on_first = self._clean_up
            self._listening = _listen(arguments.run_dir)
            self._take_config()
        else:
            self._listening = socket.socket(fileno=table.listening)
            self._thaw(table)

    def run(self) -> int:
        """Serve until told to end; returns the exit code."""
        kin.become_subreaper()
        os.environ.pop(kin.MARK.decode(), None)  # started from within a console, we are no kin
        loop = self._loop
        loop.add_reader(self._listening.fileno(), self._on_connection)
        loop.call_later(_LOOK_AFTER, self._look_after_files)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._service.stop)
        loop.add_signal_handler(signal.SIGUSR1, self._rehearse)
        loop.add_signal_handler(signal.SIGHUP, self._launcher.signal, signal.SIGHUP)
        loop.add_signal_handler(signal.SIGUSR2, self._launcher.signal, signal.SIGUSR2)
        loop.add_signal_handler(signal.SIGCHLD, self._reap_soon)
        self._launcher.start()
        notify("READY=1")
        gc.collect()
        gc.freeze()
        loop.run()
        self._clean()
        return self.code

    def _thaw(self, table: handover.Table) -> None:
        handover.thaw(table, self._service)
        self._launcher.adopt(table.starter)
        if table.worker is None:
            for ward in self._service.wards.values():
                ward.lose_worker()
        else:
            self._service.put_back(socket.socket(fileno=table.worker))
        if self._arguments.thaw is not None:
            os.close(self._arguments.thaw)
        say("executed anew; all children and connections are held as before")

    def _take_config(self) -> None:
        """Whoever has started us may have loaded a configuration already."""
        fd = self._arguments.config
        if fd is not None:
            os.set_inheritable(fd, False)
            self._service.estate.keep_config(fd)

    def _clean_up(self, adopted: Collection[str], worker: int) -> list[Frame]:
        others = {worker, *self._launcher.pids}
        return clean_up(self._files, self._cgroups, adopted, others)

    def _not_children(self) -> set[int]:
        """Processes below us that are no console's: the worker and whoever starts it."""
        workers = (self._service.at_work, self._service.candidate, self._service.retired)
        return {w.pid for w in workers if w is not None} | self._launcher.pids

    def _on_connection(self) -> None:
        connection, _ = self._listening.accept()
        _, uid, _ = peer_credentials(connection)
        if uid in (0, os.geteuid()):
            self._service.connect(connection)
        else:
            connection.close()

    def _look_after_files(self) -> None:
        """Make anew what was deleted under us: nobody could reach us, or know that we live."""
        self._loop.call_later(_LOOK_AFTER, self._look_after_files)
        run_dir = self._arguments.run_dir
        if not _is_at(os.path.join(run_dir, _LOCK), self._lock):
            say(f"{run_dir}/{_LOCK} was deleted; making it anew")
            os.close(self._lock)
            self._lock = _lock(run_dir)
        if not os.path.exists(os.path.join(run_dir, SOCKET)):
            say(f"{run_dir}/{SOCKET} was deleted; listening there again")
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = _listen(run_dir)
            self._loop.add_reader(self._listening.fileno(), self._on_connection)

    def _reap_soon(self) -> None:
        if not self._reaping:
            self._reaping = True
            self._loop.call_later(_REAP_AFTER, self._reap_orphans)

    def _reap_orphans(self) -> None:
        """What a subreaper inherits has to be collected; our own children have their pidfds."""
        self._reaping = False
        known = self._keeper.pids() | self._launcher.pids
        if self._rehearsal is not None:
            known.add(self._rehearsal.pid)
        for pid in _children() - known:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass

    # -- becoming the newest version ------------------------------------------------------

    def _argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", "consoled.keeper.process"]

    def _rehearse(self, _argv: object = None, tries: int = 10) -> None:
        if self._rehearsal is not None:
            return
        if self._service.unsettled is not None and tries:
            self._loop.call_later(_RESTART_AFTER, self._rehearse, None, tries - 1)
            return
        try:
            table = self._freeze()
            self._rehearsal = handover.Rehearsal(self._loop, self._argv(), table, self._rehearsed)
        except (ConsoledError, OSError) as error:
            say(f"stays as it is: {error}")

    def _freeze(self) -> handover.Table:
        fd = self._listening.fileno()
        return handover.freeze(self._service, self._lock, fd, self._launcher.pid)

    def _rehearsed(self, trouble: str | None) -> None:
        self._rehearsal = None
        if trouble is not None:
            say(f"stays as it is: the new version does not come up: {trouble}")
            return
        try:
            soft, hard = self._service.files_limit
            argv = [*self._argv(), "--files", str(soft), str(hard)]
            handover.become(self._freeze(), argv)
        except (ConsoledError, OSError) as error:
            say(f"stays as it is: {error}")

    # -- the end --------------------------------------------------------------------------

    def _on_worker_gone(self, code: int) -> None:
        """The starter has ended for good; without any child there is nothing to stay for."""
        worker = self._service.at_work
        process = None if worker is None else kin.look(worker.pid)
        if process is not None and process.ppid != os.getpid():
            self._launcher.adopt(process.ppid)  # it was replaced; the new one's starter is ours
        elif process is not None:  # its starter died, and it is about to notice
            self._loop.call_later(_RESTART_AFTER, self._launcher.start)
        elif self._service.stopping:  # the end is on its way
            pass
        elif not any(self._keeper.is_running(name) for name in self._service.wards):
            self.code = code
            self._loop.stop()
        else:
            say("there is no worker any more; the children are looked after until one comes")

    def _end(self, tries: int = 60) -> None:
        """What children have left behind is ended before we are."""
        if self._family.busy and tries:
            self._loop.call_later(0.05, self._end, tries - 1)
            return
        self._launcher.signal(signal.SIGTERM)
        self._loop.stop()

    def _clean(self) -> None:
        notify("STOPPING=1")
        self._launcher.wait()
        self._listening.close()
        try:
            os.unlink(os.path.join(self._arguments.run_dir, SOCKET))
        except FileNotFoundError:
            pass


def _children() -> set[int]:
    """All processes whose parent is this one (proc_pid_task_children(5))."""
    path = f"/proc/self/task/{os.getpid()}/children"
    try:
        with open(path, "rb", buffering=0) as file:
            return {int(pid) for pid in file.readall().split()}
    except OSError:  # a kernel without it: orphans stay zombies
        return set()


def _lock(run_dir: str) -> int:
    """The directory is ours; KeeperError names who has it already."""
    os.makedirs(run_dir, 0o755, exist_ok=True)
    path = os.path.join(run_dir, _LOCK)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        raise KeeperError(f"{run_dir}: a keeper is running already, process {holder}") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _is_at(path: str, fd: int) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _refuse_if_answered(path: str) -> None:
    """The lock may have been deleted under a keeper that lives: then its socket answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
        pid, _, _ = peer_credentials(probe)
        raise KeeperError(f"{path}: a keeper is running already, process {pid}")


def _listen(run_dir: str) -> socket.socket:
    """The socket for workers."""
    path = os.path.join(run_dir, SOCKET)
    _refuse_if_answered(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    before = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(before)
    listening.listen(8)
    listening.setblocking(False)
    return listening


def main(words: Sequence[str] | None = None) -> int:
    """Run a keeper; returns the exit code of the process."""
    try:
        arguments = parse(sys.argv[1:] if words is None else words)
        if arguments.rehearse is not None:
            handover.read(arguments.rehearse)
            return 0
        return Process(arguments).run()
    except (ConsoledError, OSError) as error:
        say(str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 70


if __name__ == "__main__":
    sys.exit(main())
