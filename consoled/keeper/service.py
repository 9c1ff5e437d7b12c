"""Service: the keeper process as its workers see it.

One worker at a time is *at work*: it reads the ptys, and gets everything the keeper knows when
it comes. One more may wait as *candidate* to replace it; the one that was replaced waits as
*retired* until the candidate serves, and goes on if that never comes about. While nobody is at
work the wards stand in.

Never true: a pty that two processes read; a fact about a child that no worker ever hears.
"""

import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from consoled.config.model import SpawnSpec
from consoled.errors import ConsoledError
from consoled.keeper import kin
from consoled.keeper.board import Board
from consoled.keeper.channel import Channel, Frame
from consoled.keeper.child import Child
from consoled.keeper.estate import Estate
from consoled.keeper.keeper import Keeper
from consoled.keeper.kinfolk import Kinfolk
from consoled.keeper.loop import Loop, Timer
from consoled.keeper.ward import Ward
from consoled.keeper.watchdog import TICK, Watchdog
from consoled.protocol import plain

VERSION = 1
"""Of the frames. A worker of another version is told so and sent away."""

_COME_UP = 10.0
"""Seconds in which a candidate has to serve what it was given."""

_GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL when no worker is there, who would know better."""

_LOOK = 0.02
_LAST = 2.0
_LINGER = 1.0
"""Seconds from a SIGKILL to the hand-over, should the killed worker not go."""


class Worker:
    """A process at the other end of a link."""

    def __init__(self, service: "Service", connection: socket.socket) -> None:
        self.channel = Channel(
            service.loop,
            connection,
            lambda frame, fds: service.receive(self, frame, fds),
            lambda: service.lost(self),
        )
        self.pid = self.channel.peer_pid
        self.greeted = False
        self.detached = False


class Service:
    """Wards, held sockets, and the worker that is at work."""

    def __init__(
        self,
        loop: Loop,
        keeper: Keeper,
        kin: Kinfolk,
        say: Callable[[str], None],
        *,
        watched: bool = True,
    ) -> None:
        self.loop = loop
        self.keeper = keeper
        self._kin = kin
        self._say = say
        self._watched = watched
        self.wards: dict[str, Ward] = {}
        self.estate = Estate()
        self.board = Board()
        self.at_work: Worker | None = None
        self.candidate: Worker | None = None
        self.retired: Worker | None = None
        self.files_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        """What children get, unless they are given another one."""
        self._deadline: Timer | None = None
        self._watchdog = Watchdog()
        self._ticking: Timer | None = None
        self.stopping = False
        self._killing = False
        self.on_stopped: Callable[[], None] = loop.stop
        self.on_reexec: Callable[[list[str]], None] = lambda _: None
        self.on_first: Callable[[Collection[str], int], list[Frame]] | None = None
        """Called with the consoles whose children the first worker brings along, and its pid."""
        self._news: list[Frame] = []
        kin.on_survivors = self._on_survivors

    # -- links ----------------------------------------------------------------------------

    @property
    def unsettled(self) -> str | None:
        """Why this is no moment to hand everything over; None if it is one."""
        if self.candidate is not None or self.retired is not None or self.stopping:
            return "a worker is coming or going"
        if self._news or self._kin.busy:
            return "a child and what it has left are being ended"
        if self.at_work is not None and not self.at_work.channel.idle:
            return "the worker does not read what it is told"
        return None

    def connect(self, connection: socket.socket) -> None:
        """A process has connected; what it is it says itself."""
        Worker(self, connection)

    def receive(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        """Do what a frame asks for; one that cannot be done is told and harms nobody else."""
        try:
            action = _ACTIONS.get(frame.get("do", ""))
            if action is None:
                raise ConsoledError(f"unknown request {frame.get('do')!r}")
            if not worker.greeted and action is not Service._hello:
                raise ConsoledError("no hello")
            action(self, worker, frame, fds)
        except (ConsoledError, LookupError, ValueError, TypeError, OSError) as error:
            self._say(f"worker {worker.pid}: {frame.get('do')!r} cannot be done: {error!r}")
        finally:
            for fd in fds:
                os.close(fd)

    def tell(self, frame: Frame, fds: Sequence[int] = ()) -> None:
        """Send to whoever is at work; without anybody it is told by the inventory."""
        if self.at_work is not None:
            self.at_work.channel.send(frame, fds)

    def lost(self, worker: Worker) -> None:
        """A link has ended: whatever the process still wanted has been done."""
        if worker is self.retired:
            self.retired = None
        elif worker is self.candidate:
            self.candidate = None
            self._say(f"the new worker {worker.pid} ended before it was ready")
        elif worker is self.at_work:
            self.at_work = None
            self._stand_in()
            if not worker.detached:
                self._say(f"worker {worker.pid} is gone; standing in for it")
            self._back_out(f"worker {worker.pid} ended before it served")
            if self.stopping:
                self._stop_alone()

    def _stand_in(self) -> None:
        for ward in self.wards.values():
            ward.lose_worker()

    # -- a worker comes -------------------------------------------------------------------

    def _hello(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        if self.at_work is not None and kin.is_over(self.at_work.pid):
            self._give_up(self.at_work)
        refusal = self._refusal(frame)
        if refusal is not None:
            worker.channel.send({"do": "refused", "why": refusal})
            return
        worker.greeted = True
        if "children" in frame:  # it has survived another keeper
            self.board = Board(fds.pop(0))
        if self.on_first is not None:
            self._news += self.on_first(frame.get("children", ()), worker.pid)
            self.on_first = None
        welcome = {"do": "welcome", "pid": os.getpid(), "started": _started()}
        worker.channel.send(welcome, (self.board.fd,))
        self.estate.send_config(worker.channel)
        if self.at_work is None:
            self._put_to_work(worker)
        else:
            self.candidate = worker
            worker.channel.send({"do": "prepare"})

    def _refusal(self, frame: Frame) -> str | None:
        if frame.get("version") != VERSION:
            return f"it speaks version {frame.get('version')}, the keeper {VERSION}: upgrade both"
        if self.stopping:
            return "the keeper is ending"
        if self._watchdog.exhausted(self.loop.time()):
            return "workers hung three times in ten minutes; the children are looked after"
        if self.at_work is not None and not frame.get("replace"):
            return f"worker {self.at_work.pid} is at work already"
        if self.candidate is not None:
            return f"worker {self.candidate.pid} is about to replace the one at work"
        return None

    def _put_to_work(self, worker: Worker) -> None:
        self.at_work = worker
        for ward in self.wards.values():
            frame, fds = ward.inventory()
            worker.channel.send(frame, fds)
        self.estate.send_sockets(worker.channel)
        worker.channel.send({"do": "go", "news": self._news})
        self._news = []
        self._watch_over()

    def _watch_over(self) -> None:
        self._watchdog.begin()
        if self._watched and self._ticking is None:
            self._ticking = self.loop.call_later(TICK, self._tick)

    def _ready(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        """The candidate can take over: ask the one at work to hand over what it has."""
        if worker is not self.candidate:
            return
        if self.at_work is None:
            self._install_candidate()
        else:
            self.at_work.channel.send({"do": "detach", "for": worker.pid})

    def _detached(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        """The worker reads no more and has told all; it ends, or waits as retired."""
        worker.detached = True
        if worker is not self.at_work or self.candidate is None:
            return
        self.at_work, self.retired = None, worker
        self._stand_in()
        self._install_candidate()

    def _install_candidate(self) -> None:
        candidate, self.candidate = self.candidate, None
        assert candidate is not None
        self._put_to_work(candidate)
        self._deadline = self.loop.call_later(_COME_UP, self._too_late, candidate)

    def _serving(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        """The worker at work serves everything: whom it replaced may go."""
        self._cancel_deadline()
        if self.retired is not None:
            self.retired.channel.send({"do": "leave"})

    def _too_late(self, candidate: Worker) -> None:
        self._deadline = None
        if candidate is self.at_work:
            self._say(f"the new worker {candidate.pid} does not come up; killed")
            self._kill(candidate)

    def _back_out(self, why: str) -> None:
        """The one that was replaced shall go on, if it is still there."""
        self._cancel_deadline()
        if self.retired is not None:
            self._say(f"{why}: going back to the version of worker {self.retired.pid}")
            self.retired.channel.send({"do": "resume", "why": why})

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # -- the watchdog ---------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticking = None
        worker = self.at_work
        if worker is None:
            return
        if self._watchdog.tick(self.board.beat, self.loop.time()):
            self._say(f"worker {worker.pid} hangs; killed, children run on")
            self._kill(worker)
        self._ticking = self.loop.call_later(TICK, self._tick)

    def _kill(self, worker: Worker) -> None:
        """Its link ends with it; one that hangs in the kernel is given up after a second."""
        try:
            os.kill(worker.pid, 9)
        except ProcessLookupError:
            pass
        self.loop.call_later(_LINGER, self._give_up, worker)

    def _give_up(self, worker: Worker) -> None:
        worker.channel.drain()
        if worker.channel.open and worker is self.at_work:
            worker.channel.close()
            self.lost(worker)
            process = kin.look(worker.pid)
            if process is not None:  # whoever waits for it gets no signal before it is gone
                os.kill(process.ppid, signal.SIGCHLD)

    # -- what a worker asks for -----------------------------------------------------------

    def _open(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        name = frame["console"]
        if name in self.wards:
            raise ConsoledError(f"console {name} exists already")
        ward = self.add_ward(name, fds.pop(0))
        ward.note = frame.get("note")
        if frame.get("pid") is not None:
            master, pidfd = fds.pop(0), fds.pop(0)
            ward.adopt(Child(frame["pid"], master, -1, pidfd=pidfd, own=False))

    def add_ward(self, name: str, spool: int) -> Ward:
        """A console whose spool is in this memfd."""
        ward = Ward(name, spool, self.loop, self.keeper, self.tell, self._kin)
        self.wards[name] = ward
        return ward

    def put_back(self, connection: socket.socket) -> None:
        """The worker that is at work and knows of no change: we have executed ourselves."""
        worker = self.at_work = Worker(self, connection)
        worker.greeted = True
        self._watch_over()

    def _close(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        if self.keeper.is_running(frame["console"]):
            raise ConsoledError(f"console {frame['console']} has a child")
        self.wards.pop(frame["console"]).close()

    def _spawn(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        ward = self.wards[frame["console"]]
        spec = plain.load(SpawnSpec, frame["spec"])
        files = (resource.RLIMIT_NOFILE, *self.files_limit)
        self.keeper.spawn(ward.name, replace(spec, limits=(files, *spec.limits)))

    def _signal(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        name, number = frame["console"], frame["number"]
        child = self.keeper.child(name)
        if child is not None and self.keeper.is_running(name):
            self._kin.signal(name, number)

    def _resize(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.keeper.resize(frame["console"], frame["rows"], frame["columns"])

    def _release(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.keeper.release(frame["console"])

    def _note(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.wards[frame["console"]].note = frame["note"]

    def _hold(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.estate.hold(frame["key"], frame["note"], fds.pop(0) if fds else None)

    def _drop(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.estate.drop(frame["key"])

    def _keep_config(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.estate.keep_config(fds.pop(0))

    def _run(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        """Start a program that writes to the descriptor given.

        For the worker, which must not: it has logs open, and to close one on a file system
        that hangs, as its child would have to before the exec, may take for ever.
        """
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        output = (os.POSIX_SPAWN_DUP2, fds[0], 1)
        argv = [str(word) for word in frame["argv"]]
        os.posix_spawn(
            argv[0],
            argv,
            {**os.environ, **frame["environment"]},
            file_actions=[null, output],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE,),
        )

    def _reexec(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.on_reexec(list(frame.get("argv") or ()))

    def _stop(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.stop()

    def _stopped(self, worker: Worker, frame: Frame, fds: list[int]) -> None:
        self.on_stopped()

    # -- children's families, and the end -------------------------------------------------

    def _on_survivors(self, console: str, names: list[str]) -> None:
        frame = {"do": "survivors", "console": console, "processes": names}
        if self.at_work is None:
            self._news.append(frame)
        else:
            self.tell(frame)

    def stop(self) -> None:
        """End everything in order; asked again, at once."""
        if self.stopping:
            self.kill_all()
            return
        self.stopping = True
        if self.at_work is None:
            self._stop_alone()
        else:
            self.tell({"do": "stop"})

    def _stop_alone(self) -> None:
        """No worker knows how each child is to be stopped: TERM, and after a while KILL."""
        self._signal_all(signal.SIGTERM)
        self._await_end(_GRACE, self.kill_all)

    def kill_all(self) -> None:
        """End every child that is there, now, and then the keeper."""
        if not self._killing:
            self._killing = True
            self._signal_all(signal.SIGKILL)
            self._await_end(_LAST, self._give_up_children)

    def _signal_all(self, number: int) -> None:
        for name in self._running():
            self._kin.signal(name, number)

    def _running(self) -> list[str]:
        return [name for name in self.wards if self.keeper.is_running(name)]

    def _await_end(self, seconds: float, otherwise: Callable[[], None]) -> None:
        if not self._running():
            self.on_stopped()
        elif seconds <= 0:
            otherwise()
        else:
            self.loop.call_later(_LOOK, self._await_end, seconds - _LOOK, otherwise)

    def _give_up_children(self) -> None:
        for name in self._running():
            self._say(f"the child of {name} hangs in the kernel")
        self.on_stopped()


def _started() -> float:
    """When this process began, by the wall clock; an exec does not change it."""
    process = kin.look(os.getpid())
    ticks = 0 if process is None else process.started
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - since_boot


Action = Callable[[Service, Worker, Frame, list[int]], Any]
_ACTIONS: dict[str, Action] = {
    "hello": Service._hello,
    "ready": Service._ready,
    "serving": Service._serving,
    "detached": Service._detached,
    "open": Service._open,
    "close": Service._close,
    "spawn": Service._spawn,
    "signal": Service._signal,
    "resize": Service._resize,
    "release": Service._release,
    "note": Service._note,
    "hold": Service._hold,
    "drop": Service._drop,
    "config": Service._keep_config,
    "run": Service._run,
    "reexec": Service._reexec,
    "stop": Service._stop,
    "stopped": Service._stopped,
}
"""Every request by name: nothing is looked up by attribute."""
