"""Read a console and throw it away, in a process of its own: ``drain.py FD``."""

import socket
import sys

BUFFER = bytearray(65536)

with socket.socket(fileno=int(sys.argv[1])) as sock:
    sock.setblocking(True)
    while sock.recv_into(BUFFER):
        pass
