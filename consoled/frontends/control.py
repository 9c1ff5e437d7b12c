"""ControlFrontend: one JSON object a line, answered by one JSON object a line.

    {"verb": "list"}
    {"verb": "restart", "console": "my-ioc", "id": 7}

An answer repeats ``id`` and has ``ok``; when that is false, ``error`` is a stable word and
``text`` a line for people. Who may connect is decided by the socket's owner and mode.

Never true: a request that holds up another connection; a verb looked up by attribute.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from consoled import __version__
from consoled.keeper.link import KeeperLink
from consoled.supervisor.supervisor import Supervisor
from consoled.transports.listener import Room

LONGEST_REQUEST = 64 * 1024
_MOST_CONNECTIONS = 64

Answer = dict[str, Any]


class RequestError(Exception):
    """A request that is not carried out; ``code`` is the stable word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Server(Protocol):
    """The worker as its control frontend sees it."""

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def link(self) -> KeeperLink: ...

    def reload(self, done: Callable[[list[str], bool], None] | None = None) -> None: ...

    def upgrade(self) -> None: ...


class ControlFrontend:
    """All control connections of a worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server, room: Room) -> None:
        self._loop = loop
        self._server = server
        self._room = room
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.Task[None], None] = {}
        """Those that wait for a request, the one that has waited longest first."""

    def accept(self, peer: socket.socket) -> None:
        """Serve a connection until it ends."""
        if len(self._tasks) >= _MOST_CONNECTIONS:  # whoever is silent for longest makes room
            idle = next(iter(self._idle), None)
            if idle is not None:
                idle.cancel()
        task = self._loop.create_task(self._serve(peer))
        self._tasks.add(task)
        self._idle[task] = None
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, peer: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        reader, writer = await asyncio.open_unix_connection(sock=peer, limit=LONGEST_REQUEST)
        try:
            while line := await self._await_request(reader):
                answer = await self._answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):  # gone, or a line without an end
            pass
        finally:
            self._idle.pop(task, None)
            writer.close()
            self._room.taken -= 1

    async def _await_request(self, reader: asyncio.StreamReader) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._idle.pop(task, None)
        self._idle[task] = None
        line = await reader.readline()
        self._idle.pop(task, None)
        return line

    async def _answer(self, line: bytes) -> Answer:
        request: Any = None
        try:
            request = _parse(line)
            action = _VERBS.get(request.get("verb", ""))
            if action is None:
                known = ", ".join(_VERBS)
                raise RequestError("unknown-verb", f"no verb {request.get('verb')!r}: {known}")
            result = await action(self, request)
        except RequestError as error:
            result = {"ok": False, "error": error.code, "text": str(error)}
        if isinstance(request, dict) and "id" in request:
            result["id"] = request["id"]
        return {"ok": True, **result}

    # -- verbs ----------------------------------------------------------------------------

    async def _list(self, request: Answer) -> Answer:
        supervisor = self._server.supervisor
        return {"consoles": [supervisor.snapshot(name) for name in supervisor.consoles]}

    async def _status(self, request: Answer) -> Answer:
        names = self._names(request)
        return {"consoles": [self._server.supervisor.snapshot(name) for name in names]}

    async def _start(self, request: Answer) -> Answer:
        return self._each(request, self._server.supervisor.start)

    async def _stop(self, request: Answer) -> Answer:
        return self._each(request, self._server.supervisor.stop)

    async def _restart(self, request: Answer) -> Answer:
        consoles = self._server.supervisor.consoles
        return self._each(request, lambda name: consoles[name].restart())

    async def _kill(self, request: Answer) -> Answer:
        consoles = self._server.supervisor.consoles
        return self._each(request, lambda name: consoles[name].kill())

    async def _reload(self, request: Answer) -> Answer:
        self._need_keeper()
        done: asyncio.Future[tuple[list[str], bool]] = self._loop.create_future()

        def reloaded(lines: list[str], ok: bool) -> None:
            if not done.done():
                done.set_result((lines, ok))

        self._server.reload(reloaded)
        lines, ok = await done
        if not ok:
            raise RequestError("refused", "\n".join(lines))
        return {"plan": lines}

    def _need_keeper(self) -> None:
        if self._server.link.lost:
            raise RequestError("refused", "the keeper is gone and no new one has come yet")

    async def _upgrade(self, request: Answer) -> Answer:
        self._need_keeper()
        self._server.upgrade()
        return {}

    async def _upgrade_keeper(self, request: Answer) -> Answer:
        self._need_keeper()
        self._server.link.reexec()
        return {}

    async def _shutdown(self, request: Answer) -> Answer:
        self._need_keeper()
        self._server.link.stop_everything()
        return {}

    async def _version(self, request: Answer) -> Answer:
        keeper = None if self._server.link.lost else self._server.link.keeper_pid
        return {"version": __version__, "worker": os.getpid(), "keeper": keeper}

    def _each(self, request: Answer, action: Callable[[str], None]) -> Answer:
        for name in self._names(request):
            action(name)
        return {}

    def _names(self, request: Answer) -> Sequence[str]:
        given = request.get("console")
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not names or not all(type(n) is str for n in names):
            raise RequestError("usage", 'give "console": a name, or a list of names')
        consoles = self._server.supervisor.consoles
        for name in names:
            if name not in consoles:
                raise RequestError("no-such-console", f"no console {name!r}")
        return names


def _parse(line: bytes) -> Answer:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError("usage", f"not a line of JSON: {error}") from None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise RequestError("usage", 'not a request: {"verb": "list"} would be one')
    return request


Verb = Callable[[ControlFrontend, Answer], Awaitable[Answer]]
_VERBS: dict[str, Verb] = {
    "list": ControlFrontend._list,
    "status": ControlFrontend._status,
    "start": ControlFrontend._start,
    "stop": ControlFrontend._stop,
    "restart": ControlFrontend._restart,
    "kill": ControlFrontend._kill,
    "reload": ControlFrontend._reload,
    "upgrade": ControlFrontend._upgrade,
    "upgrade-keeper": ControlFrontend._upgrade_keeper,
    "shutdown": ControlFrontend._shutdown,
    "version": ControlFrontend._version,
}
