"""A site of many consoles for tests of its configuration: files, reloads, and who is untouched.

A `Site` is a `Station` whose files a test writes itself: one main file and drop-ins. A `Crowd`
remembers pids and clients of many consoles, and says who has lost what.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import processes
from .one_of_many import ask
from .streams import PATIENCE, Peer
from .survivors import BIN, Station
from .translation import toml

CAT = ["/bin/cat"]
MEMORY = "/dev/shm"
"""Where the run directory is: in memory, as /run is, for a keeper waits for it."""


class Site(Station):
    """One server with its configuration in files; every child carries the mark."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_ins = self.dir / "consoles.d"
        self.drop_ins.mkdir()
        self.prefix: tuple[str, ...] = ()
        self._memory = Path(tempfile.mkdtemp(prefix="site-", dir=MEMORY))
        self._memory.chmod(0o755)
        self.run = self._memory / "run"
        self.server: dict[str, Any] = {
            "run_dir": str(self.run),
            "state_dir": str(self.dir / "state"),
            "log_dir": str(self.logs),
        }

    def close(self) -> None:
        """End every process of this test and remove its files."""
        super().close()
        shutil.rmtree(self._memory, ignore_errors=True)

    # -- files ----------------------------------------------------------------------------

    def write(self, **consoles: Mapping[str, Any]) -> None:
        """Write the main file: the server, the mark as a default, and these consoles."""
        tables = {
            "server": self.server,
            "defaults": {"environment": {processes.MARK: self.mark}},
            **{f'console."{name}"': table for name, table in consoles.items()},
        }
        self.config.write_text(toml(tables))

    def add(self, text: str) -> None:
        """Write something at the end of the main file."""
        with self.config.open("a") as file:
            file.write(text)

    def drop_in(self, name: str, **options: Any) -> Path:
        """Write one console into a file of its own."""
        path = self.drop_ins / f"{name}.toml"
        path.write_text(toml({f'console."{name}"': options}))
        return path

    def write_config(self) -> None:
        """The test has written its files itself."""

    # -- programs -------------------------------------------------------------------------

    def run_to_end(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `consoled` with these words until it ends by itself."""
        return subprocess.run(
            [*self.prefix, str(BIN), *words],
            cwd=self.dir,
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start_default(self, env: Mapping[str, str]) -> None:
        """Start it without naming a configuration, as a user's shell or unit does."""
        self.popen = self.spawn(env=env)
        self.ask("version")

    def spawn(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `consoled`, behind the prefix if there is one."""
        popen = subprocess.Popen(
            [*self.prefix, str(BIN), *argv],
            cwd=self.dir,
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        self._others.append(popen)
        return popen

    def stop(self) -> None:
        """End the server with all its children, in order."""
        assert self.popen is not None
        self.popen.terminate()
        assert self.popen.wait(2 * PATIENCE) == 0, self.errors()
        self.popen = None

    # -- requests -------------------------------------------------------------------------

    def request(self, verb: str, **more: object) -> dict[str, Any]:
        """One request and its answer, whether it was carried out or not."""
        return ask(self.run, verb, **more)

    def reload(self) -> list[str]:
        """Read the files again; the plan that was carried out."""
        return list(self.ask("reload")["plan"])

    def refused(self) -> list[str]:
        """Read the files again; why that was refused."""
        answer = self.request("reload")
        assert (answer["ok"], answer.get("error")) == (False, "refused"), answer
        return str(answer["text"]).splitlines()

    def names(self) -> list[str]:
        """All consoles that there are."""
        return [one["console"] for one in self.ask("list")["consoles"]]

    # -- what a child tells of itself -----------------------------------------------------

    def question(self, console: str) -> Peer:
        """A raw client of a PROBE child that is known to be up and listening."""
        self.child(console)
        peer = self.connect(console)
        peer.send(b"ping\n")
        peer.read_until(b"pong\r\n")
        return peer

    def accept(self, path: Path | str) -> Peer:
        """A client of any UNIX socket of this site."""
        peer = Peer.unix(path)
        self._peers.append(peer)
        return peer

    def wait_file(self, path: Path, text: bytes) -> None:
        """Wait until a file has this text."""

        def there() -> bool:
            return path.exists() and text in path.read_bytes()

        processes.wait_for(there, f"{text!r} in {path}")

    def environment_of(self, console: str) -> dict[str, str]:
        """The variables that the child was started with."""
        self.words_of(console)  # before its exec it has the keeper's
        data = Path(f"/proc/{self.child(console)}/environ").read_bytes()
        pairs = (item.decode().partition("=") for item in data.split(b"\0") if item)
        return {name: value for name, _, value in pairs}

    def words_of(self, console: str) -> list[str]:
        """The command line of the child, once its program is executed."""
        path = Path(f"/proc/{self.child(console)}/cmdline")
        mine = b"consoled.keeper.process"
        processes.wait_for(lambda: mine not in path.read_bytes(), f"exec of {console}")
        return [os.fsdecode(word) for word in path.read_bytes().split(b"\0")[:-1]]


class Crowd:
    """Pids and clients of consoles whose children are `cat`, to be found untouched later."""

    def __init__(self, site: Site, names: Iterable[str]) -> None:
        self._site = site
        self.pids = {name: site.child(name) for name in names}
        self.peers = {name: site.connect(name) for name in self.pids}

    def assert_untouched(self, but: Iterable[str] = ()) -> None:
        """The same children, and the same connections, in both directions."""
        names = [name for name in self.pids if name not in but]
        listed = {one["console"]: one["pid"] for one in self._site.ask("list")["consoles"]}
        assert {name: listed.get(name) for name in names} == {n: self.pids[n] for n in names}
        for name in names:
            peer, word = self.peers[name], f"still {name}".encode()
            peer.send(word + b"\n")
            peer.read_until(word + b"\r\n" + word + b"\r\n")
