"""The place of one run: its directory, its children's muster and its servers."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .children import Console
from .muster import Muster
from .peers.base import Farm, Peer


class Site:
    """Context manager: whatever a run started or wrote is gone at its end."""

    def __init__(self, tmpfs: Path, disk: Path) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="bench-", dir=tmpfs))
        self.muster = Muster(self.dir / "fifo")
        self._disk = disk
        self._disk_dir: Path | None = None
        self._farms: list[Farm] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for farm in self._farms:
                farm.close()
        finally:
            self.muster.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self._disk_dir:
            shutil.rmtree(self._disk_dir, ignore_errors=True)

    def log(self, name: str, *, on_disk: bool = False) -> Path:
        """Return a log path: on tmpfs, which is kind to procServ, or on the real disk."""
        if not on_disk:
            return self.dir / f"{name}.log"
        if self._disk_dir is None:
            self._disk_dir = Path(tempfile.mkdtemp(prefix="bench-", dir=self._disk))
        return self._disk_dir / f"{name}.log"

    def start(
        self,
        peer: Peer,
        consoles: Sequence[Console],
        transport: str,
        *,
        holdoff: int = 15,
        options: Sequence[str] = (),
    ) -> Farm:
        """Start the servers and wait until every child has reported."""
        farm = peer.farm(self.dir)
        self._farms.append(farm)
        farm.start(consoles, transport, holdoff, options)
        self.muster.take("ready", len(consoles), farm.check)
        return farm
