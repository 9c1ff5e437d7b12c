"""W2: from a key to its echo, alone and beside a busy console."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from .. import children, procfs
from ..clients import DRAIN
from ..limits import PeerError
from ..outcome import Case, Metric, Outcome, Scale
from ..peers import Farm, Peer
from ..site import Site
from ..wire import Attachment, receive

TITLE = "keystroke round trip through a raw echo child"
METRICS = (
    Metric("p50", "us"),
    Metric("p99", "us"),
    Metric("worst", "us", context=True),
)
BESIDE = Metric("other console", "MB/s", context=True)

KEYS = b"abcdefghijklmnopqrstuvwxyz"
PACE = 0.001
"""Seconds between keys: long enough for a server to settle, so a key is a key and no paste."""
WARM_UP = 50
FLAT_OUT = 0.0
ALONE = -1.0
SITUATIONS = {
    "idle": (ALONE, PACE),
    "idle, back to back": (ALONE, 0.0),
    "beside 20 MB/s": (20.0, PACE),
    "beside flat out": (FLAT_OUT, PACE),
}


def cases(scale: Scale) -> list[Case]:
    """Return every situation over UNIX and over TCP; conserver has only the latter."""
    return [
        Case(
            "W2",
            f"{transport} {label}",
            METRICS if noise == ALONE else (*METRICS, BESIDE),
            partial(run, transport=transport, noise=noise, pace=pace, keys=scale.keys),
            transport,
        )
        for label, (noise, pace) in SITUATIONS.items()
        for transport in ("unix", "tcp")
    ]


def run(peer: Peer, site: Site, *, transport: str, noise: float, pace: float, keys: int) -> Outcome:
    """Type `keys` keys one after the other, `pace` seconds apart."""
    fifo = site.muster.path
    consoles = [children.echo("keys", fifo, site.log("keys"))]
    if noise != ALONE:
        consoles.append(children.flood("noise", fifo, site.log("noise"), size=0, rate=noise))
    farm = site.start(peer, consoles, transport)
    user = farm.attach("keys")
    if noise == ALONE:
        return _type(user, keys, pace)
    with _noise(farm):
        _type(user, WARM_UP, PACE)
        child = site.muster.pids["noise"]
        begun, before = time.perf_counter(), procfs.written(child)
        outcome = _type(user, keys, pace)
        rate = (procfs.written(child) - before) / (time.perf_counter() - begun) / 1e6
    outcome.values[BESIDE.name] = rate
    return outcome


def _type(user: Attachment, keys: int, pace: float) -> Outcome:
    outcome = Outcome()
    trips = []
    for number in range(WARM_UP + keys):
        key = KEYS[number % len(KEYS) :][:1]
        begun = time.perf_counter()
        user.sock.send(key)
        got = receive(user.sock, f"echo of key {number}", 4096)
        trips.append(time.perf_counter() - begun)
        if got != key:
            outcome.faults.append(f"key {number}: typed {key!r}, echo {got[:40]!r}")
            break
        if pace:
            time.sleep(pace)
    trips = sorted(trips[WARM_UP:]) or trips
    outcome.values = {
        "p50": trips[len(trips) // 2] * 1e6,
        "p99": trips[len(trips) * 99 // 100] * 1e6,
        "worst": trips[-1] * 1e6,
    }
    return outcome


@contextmanager
def _noise(farm: Farm) -> Iterator[None]:
    """Let the other console run, with a user who reads it in a process of his own."""
    listener = farm.attach("noise").sock
    listener.sendall(b"go\n")
    receive(listener, "output of the other console")
    program = [sys.executable, "-S", str(DRAIN), str(listener.fileno())]
    with subprocess.Popen(program, pass_fds=[listener.fileno()]) as reader:
        listener.close()
        try:
            yield
            if reader.poll() is not None:
                raise PeerError("the listener of the other console lost its connection")
        finally:
            reader.kill()
