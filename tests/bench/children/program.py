"""The child on the pty: ``program.py blocks|lines|echo NAME FIFO [SIZE RATE]``.

It talks to the harness through a FIFO ("ready NAME PID", "done NAME BYTES"), never through
the server: procServ shows nothing to those who attach later, and counting must not depend
on what is being measured.
"""

import os
import sys
import time
import tty
from collections.abc import Iterator

import stream  # type: ignore[import-not-found]  # run as a script, beside this file

PACED_WRITE = 16384
"""Bytes per write at a given rate: small enough for an even flow at 20 MB/s."""

LATE = 0.1
"""Seconds behind plan after which a stalled child forgets the plan instead of catching up."""


def write_all(data: bytes) -> None:
    """Write everything to the tty, whatever a single write takes."""
    while data:
        data = data[os.write(1, data) :]


def pour(chunks: Iterator[bytes], rate: float) -> int:
    """Write all chunks, flat out or at `rate` MB/s, and return the number of bytes."""
    total, due = 0, time.monotonic()
    for chunk in chunks:
        total += len(chunk)
        if not rate:
            write_all(chunk)
            continue
        for at in range(0, len(chunk), PACED_WRITE):
            piece = chunk[at : at + PACED_WRITE]
            write_all(piece)
            due += len(piece) / (rate * 1e6)
            ahead = due - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            elif ahead < -LATE:
                due = time.monotonic()
    return total


def write_stream(kind: str, size: int, rate: float) -> int:
    """Wait for the line "go", write the stream between its markers, return the byte count."""
    while b"\n" not in os.read(0, 4096):
        pass
    write_all(stream.START)
    total = pour(stream.KINDS[kind](size), rate)
    write_all(stream.END)
    return len(stream.START) + total + len(stream.END)


def main(kind: str, name: str, fifo: str, size: str = "0", rate: str = "0") -> None:
    """Set the tty raw, report, work, and stay until the tty is closed or a signal comes."""
    tty.setraw(0)
    report = os.open(fifo, os.O_WRONLY | os.O_CLOEXEC)
    os.write(report, f"ready {name} {os.getpid()}\n".encode())
    if kind != "echo":
        total = write_stream(kind, int(size), float(rate))
        os.write(report, f"done {name} {total}\n".encode())
    while data := os.read(0, 4096):
        if kind == "echo":
            os.write(1, data)


main(*sys.argv[1:])
