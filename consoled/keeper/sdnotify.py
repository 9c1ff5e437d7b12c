"""sd_notify(3) in a few lines: tells the service manager how we are, if there is one."""

import os
import socket


def notify(*lines: str) -> None:
    """Send assignments such as ``READY=1``; without NOTIFY_SOCKET nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto("\n".join(lines).encode(), address)
        except OSError:  # nobody listens; that is nobody's trouble but the manager's
            pass
