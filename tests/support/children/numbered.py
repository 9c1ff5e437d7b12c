"""A child in raw mode that counts: numbered.py RATE [SIZE]

Prints lines of SIZE bytes, a number of ten digits first: RATE of them a second, or, with 0, as
many as the terminal takes. Between two lines it answers a key with `<6b>`, filled up to a line.
TERM lets it say `END lines=N longest=MICROSECONDS` (of a write) and go.
"""

import os
import select
import signal
import sys
import time
import tty

rate, size = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 64
pad = b" " + b"x" * (size - 12) + b"\n"
batch = max(1, 16384 // size) if rate == 0 else max(1, rate // 100)
longest = 0.0
ending = []


def write(data: bytes) -> None:
    """All of it, and how long that took."""
    global longest
    begun = time.monotonic()
    while data:
        data = data[os.write(1, data) :]
    longest = max(longest, time.monotonic() - begun)


signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
tty.setraw(0)
number, due = 0, time.monotonic()
while not ending:
    write(b"".join([b"%010d" % n + pad for n in range(number, number + batch)]))
    number += batch
    wait = 0.0
    if rate:
        due += batch / rate
        wait = max(0.0, due - time.monotonic())
    if not ending and select.select([0], [], [], wait)[0]:
        for key in os.read(0, 4096):
            write((b"<%02x>" % key).ljust(size - 1) + b"\n")
        while rate and not ending and (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
os.write(1, b"END lines=%d longest=%d\n" % (number, longest * 1e6))
