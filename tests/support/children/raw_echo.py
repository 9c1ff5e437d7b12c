"""A child in raw mode that shows every byte it gets in hexadecimal: `<0d>`."""

import os
import termios
import tty

tty.setraw(0, termios.TCSANOW)  # no flush: what came early counts too
os.write(1, b"READY\r\n")
while data := os.read(0, 4096):
    os.write(1, b"".join(b"<%02x>" % byte for byte in data))
