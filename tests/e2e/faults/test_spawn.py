"""Forking beside threads that write logs never hangs (D5): ten thousand times in one process.

Also at speed through the real server: hundreds of restarts while its log is written.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import processes
from support.faults_users import PROMPT, Watcher, greeting_time
from support.servers import RESTART, Lab

SPAWNER = Path(processes.__file__).parent / "faults_spawner.py"
RESTARTS = 300
TEXT = 16384


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_ten_thousand_spawns_beside_a_busy_log(tmp_path: Path) -> None:
    """Not one child hangs between fork and exec."""
    argv = [sys.executable, "-W", "error", str(SPAWNER), "10000", str(tmp_path / "log")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    match = re.fullmatch(r"hung 0 failed 0 logged (\d+)\n", done.stdout)
    assert match, done.stdout
    assert int(match[1]) > 100_000_000, "the log was not busy"


@pytest.mark.slow
def test_quick_restarts_while_logging(lab: Lab) -> None:
    """300 children, each with 16 KiB to say; all of it reaches the user and the log."""
    said = f"head -c {TEXT} /dev/zero | tr '\\0' x; echo DONE"
    server = lab.start("-w", "--holdoff", "0", "-L", "log", command=["/bin/sh", "-c", said])
    peer, _ = server.greet()
    watcher = Watcher(peer)
    peer.send(RESTART)
    lags = []

    def enough() -> bool:
        watcher.check()
        lags.append(greeting_time(server))
        return watcher.data().count(b"DONE") >= RESTARTS

    processes.wait_for(enough, f"{RESTARTS} restarts", 30)
    server.signal(15)
    shown = watcher.wait_eof()
    assert server.wait() == 0
    assert (lab.dir / "log").read_bytes() == shown
    ends = re.findall(rb"PID of new child [^\r]*\r\n@@@ @@@ @@@ @@@ @@@\r\n(x*)DONE\r\n", shown)
    assert len(ends) >= RESTARTS
    assert {len(text) for text in ends} == {TEXT}
    assert b"bytes of output" not in shown
    assert max(lags) < PROMPT
