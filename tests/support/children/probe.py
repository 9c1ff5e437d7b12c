"""A child that answers questions about itself: one line in, `<<answer>>` out."""

import fcntl
import json
import os
import resource
import signal
import struct
import sys
import termios
import time
import tty


def reply(value: object) -> None:
    """Answer between brackets so that a test can tell the answer from the tty's echo."""
    sys.stdout.write(f"<<{json.dumps(value)}>>\n")
    sys.stdout.flush()


def fds() -> dict[int, str]:
    """Open descriptors; the one that reads the directory is gone when it is looked at."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


def winsize() -> list[int]:
    """Lines and columns."""
    return list(struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2])


def modes() -> dict[str, object]:
    """Terminal settings and the session's ids."""
    iflag, oflag, _cflag, lflag = termios.tcgetattr(0)[:4]
    return {
        "icanon": bool(lflag & termios.ICANON),
        "echo": bool(lflag & termios.ECHO),
        "isig": bool(lflag & termios.ISIG),
        "icrnl": bool(iflag & termios.ICRNL),
        "ixon": bool(iflag & termios.IXON),
        "iutf8": bool(iflag & 0o40000),
        "onlcr": bool(oflag & termios.ONLCR),
        "leader": os.getsid(0) == os.getpid() == os.getpgrp(),
        "foreground": os.tcgetpgrp(0) == os.getpid(),
        "ttyname": os.ttyname(0),
    }


def fork(detach: bool) -> int:
    """Leave a process behind that sleeps, in this group or in its own session."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        if detach:
            os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for fd in (0, 1, 2, done):
            os.close(fd)
        time.sleep(600)
        os._exit(0)
    os.close(done)
    os.read(ready, 1)
    os.close(ready)
    return pid


def out(text: str) -> None:
    """Write without a newline of our own; escapes as in a Python literal."""
    os.write(1, text.encode().decode("unicode_escape").encode("latin-1"))


def close_tty() -> None:
    """Close the terminal and live on."""
    for fd in (0, 1, 2):
        os.close(fd)
    time.sleep(600)


def trap(number: str, path: str) -> None:
    """On a signal write its number to a file, then end with status 7."""

    def note(got: int, _frame: object) -> None:
        with open(path, "w") as file:
            file.write(str(got))
        os._exit(7)

    signal.pthread_sigmask(signal.SIG_UNBLOCK, [int(number)])
    signal.signal(int(number), note)
    reply("trapped")


def ignore(*numbers: str) -> None:
    """Ignore signals."""
    for number in numbers:
        signal.signal(int(number), signal.SIG_IGN)
    reply("ignored")


COMMANDS = {
    "ping": lambda: (sys.stdout.write("pong\n"), sys.stdout.flush()),
    "pid": lambda: reply(os.getpid()),
    "argv": lambda: reply(sys.argv),
    "cwd": lambda: reply(os.getcwd()),
    "env": lambda name: reply(os.environ.get(name)),
    "environ": lambda: reply(dict(os.environ)),
    "fds": lambda: reply(fds()),
    "size": lambda: reply(winsize()),
    "modes": lambda: reply(modes()),
    "core": lambda: reply(list(resource.getrlimit(resource.RLIMIT_CORE))),
    "umask": lambda: reply(os.umask(0)),
    "out": out,
    "exit": lambda code: os._exit(int(code)),
    "die": lambda number: os.kill(os.getpid(), int(number)),
    "fork": lambda: reply(fork(detach=False)),
    "detach": lambda: reply(fork(detach=True)),
    "closetty": close_tty,
    "trap": trap,
    "ignore": ignore,
    "raw": lambda: (tty.setraw(0), reply("raw")),
}


def main() -> None:
    """Answer until end of input."""
    while line := sys.stdin.readline():
        word, *args = line.split()[:3] or ["ping"]
        if word in COMMANDS:
            COMMANDS[word](*args)


main()
