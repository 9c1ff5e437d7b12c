"""Records real clients in dialogue with procServ and with ours, by hand:

    python tests/wire/record.py                  all of them
    python tests/wire/record.py telnet-keys ...  those whose names begin so

Run it again when a script or a client changes, look at what `git diff` says, and commit what
is true. It needs Debian's procserv, inetutils-telnet, busybox, putty-tools, socat,
netcat-openbsd, conserver-server and conserver-client, and a Python that still has telnetlib.
A file holds facts, bytes that went over a wire; nothing of the clients themselves.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.servers import RAW_ECHO, Lab, find_kind
from wire.clients import SCRIPTS, Script
from wire.proxy import Proxy
from wire.recording import FOLDER, Recording
from wire.stage import Stage

SERVERS = {"procServ": "procServ 2.7.0", "ours": "consoled-procserv --compat 2.7"}


def record(script: Script, server_name: str) -> Recording:
    """Play a script against a server; the child shows what reaches it."""
    with tempfile.TemporaryDirectory(prefix="wire-") as name:
        folder = Path(name)
        lab = Lab(find_kind(server_name), folder)
        try:
            endpoint = "unix:ctl" if script.unix else "0"
            options = ("-n", "ioc", "--holdoff", "0", "-L", "log")
            server = lab.start(*options, command=RAW_ECHO, endpoints=(endpoint,))
            server.await_file("log", b"READY")
            proxy = Proxy(server.connect().sock, folder / "proxy" if script.unix else None)
            stage = Stage(proxy, folder, lab.environ({}))
            proxy.recording.facts |= {
                "client": script.version(),
                "server": SERVERS[server_name],
                "transport": "UNIX socket" if script.unix else "TCP",
            }
            try:
                script.play(stage)
            finally:
                stage.close()
            recording = proxy.done()
            if b"\xff\xfa\x1f" in recording.said("C"):
                shown = (f"{rows}x{columns}" for rows, columns in stage.sizes)
                recording.facts["windows"] = " ".join(shown)
            return recording
        finally:
            lab.close()


def main(beginnings: list[str]) -> None:
    """Record all scripts whose names begin so."""
    FOLDER.mkdir(exist_ok=True)
    for script in SCRIPTS:
        if not script.name.startswith(tuple(beginnings or [""])):
            continue
        for server in SERVERS:
            recording = record(script, server)
            path = FOLDER / f"{script.name}.{server.lower()}.txt"
            recording.write(path)
            print(f"{path.name}: {len(recording.said('C'))} bytes of the client's", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
