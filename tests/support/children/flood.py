"""A child in raw mode that writes RATE bytes a second, TOTAL in all, once it reads a `g`.

It answers each `?` with `!` also while it writes; its text is numbered lines of 64 bytes, with
a last line `END`. RATE 0 is as fast as it goes.
"""

import os
import select
import sys
import termios
import time
import tty

RATE, TOTAL = int(sys.argv[1]), int(sys.argv[2])
PIECE = 4096


def piece(number: int) -> bytes:
    """64 lines, each with its own number."""
    first = number * (PIECE // 64)
    return b"".join(b"%062d\r\n" % line for line in range(first, first + PIECE // 64))


def obey(timeout: float) -> bool:
    """Answer pings; whether somebody said to go."""
    go = False
    while select.select([0], [], [], timeout)[0]:
        timeout = 0.0
        data = os.read(0, 4096)
        if not data:
            sys.exit()
        if b"?" in data:
            os.write(1, b"!" * data.count(b"?"))
        go = go or b"g" in data
    return go


def flood() -> None:
    """Write at the rate, never ahead of it."""
    begun = time.monotonic()
    for number in range(TOTAL // PIECE):
        ahead = number * PIECE / RATE - (time.monotonic() - begun) if RATE else 0.0
        obey(max(0.0, ahead))
        while ahead > 0 and (ahead := number * PIECE / RATE - (time.monotonic() - begun)) > 0:
            obey(ahead)
        data = piece(number)
        while data:
            data = data[os.write(1, data) :]
    os.write(1, b"END\r\n")


tty.setraw(0, termios.TCSANOW)  # no flush: what came early counts too
os.write(1, b"READY\r\n")
while True:
    if obey(60.0):
        flood()
