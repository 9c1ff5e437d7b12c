"""The programs that run on the ptys, as consoles for a peer to serve."""

import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = (sys.executable, "-E", "-s", "-S", str(HERE / "program.py"))


@dataclass(frozen=True)
class Console:
    """One console to be served: its name, its child's command and its log file."""

    name: str
    argv: tuple[str, ...]
    log: Path


def flood(name: str, fifo: Path, log: Path, *, size: int, rate: float = 0.0) -> Console:
    """Write `size` bytes of checkable blocks after "go"; 0 is endless, `rate` is in MB/s."""
    argv = (*PYTHON, "blocks", name, str(fifo), str(size), str(rate))
    return Console(name, argv, log)


def pages(name: str, fifo: Path, log: Path, *, size: int) -> Console:
    """Write `size` bytes of numbered lines after "go"."""
    return Console(name, (*PYTHON, "lines", name, str(fifo), str(size), "0"), log)


def echo(name: str, fifo: Path, log: Path) -> Console:
    """Return every byte typed, from a raw tty."""
    return Console(name, (*PYTHON, "echo", name, str(fifo)), log)


def sleeper(name: str, fifo: Path, log: Path) -> Console:
    """Do nothing but report each start; a shell, since Python's start would be measured."""
    return Console(name, ("/bin/sh", str(HERE / "sleeper.sh"), name, str(fifo)), log)


def talker(name: str, fifo: Path, log: Path) -> Console:
    """Write 64 KiB once a line is typed; a shell, since there are many."""
    return Console(name, ("/bin/sh", str(HERE / "talker.sh"), name, str(fifo)), log)
