"""Intent: which consoles somebody has stopped by hand, kept over restarts of the whole server.

Owned by the Supervisor; the file is read before the loop runs and written by a Disk. Written
beside and renamed, so that it is never half there. What cannot be read counts as nothing
stopped, and is told.

Never true: a console stopped here that was started by hand since.
"""

import json
import os
from collections.abc import Callable

from consoled.disk import Disk

_FILE = "stopped.json"


class Intent:
    """The names of consoles that shall stay down."""

    def __init__(self, directory: str, disk: Disk, complain: Callable[[str], None]) -> None:
        self._path = os.path.join(directory, _FILE)
        self._disk = disk
        self._complain = complain
        self._stopped: set[str] = set()

    def load(self) -> None:
        """Read the file; to be called where waiting does no harm."""
        try:
            with open(self._path, encoding="utf-8") as file:
                self._stopped = {str(name) for name in json.load(file)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as error:
            self._complain(f"{self._path}: {error}; nothing counts as stopped by hand")

    def is_stopped(self, console: str) -> bool:
        """Whether a console shall stay down until somebody starts it."""
        return console in self._stopped

    def note(self, console: str, *, stopped: bool) -> None:
        """Somebody has stopped, or started, a console."""
        if (console in self._stopped) != stopped:
            (self._stopped.add if stopped else self._stopped.discard)(console)
            names = sorted(self._stopped)
            self._disk.submit(lambda: self._save(names), self._saved)

    def _save(self, names: list[str]) -> None:
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        beside = f"{self._path}.new"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(names, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)

    def _saved(self, result: object) -> None:
        if isinstance(result, OSError):
            self._complain(f"{self._path}: {result.strerror}; a stop by hand is not remembered")
