"""A child that reads nothing before SIGUSR1, then COUNT bytes, and tells their SHA-256."""

import hashlib
import os
import signal
import sys
import tty

MODE, COUNT = sys.argv[1], int(sys.argv[2])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
if MODE == "raw":
    tty.setraw(0)
os.write(1, b"READY\r\n")
signal.sigwait([signal.SIGUSR1])
data = b""
while len(data) < COUNT:
    data += os.read(0, 4096)
os.write(1, b"<<%d %s>>\r\n" % (len(data), hashlib.sha256(data).hexdigest().encode()))
signal.pause()
