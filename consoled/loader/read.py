"""Files of a configuration: found, read, and remembered with their texts.

What was read can be kept and read again later in place of the disk, as the last good one.
"""

import glob
import os
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from consoled.config.document import Document, parse_document
from consoled.config.problem import Problem
from consoled.config.resolve import resolve_server
from consoled.config.tables import Tables

SYSTEM_FILE: Final = "/etc/consoled/consoled.toml"
ENVIRONMENT_NAME: Final = "CONSOLED_CONFIG"


def default_file(uid: int, environ: Mapping[str, str]) -> str:
    """Where the main file is if nobody says so."""
    if given := environ.get(ENVIRONMENT_NAME):
        return given
    if uid == 0:
        return SYSTEM_FILE
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/"), ".config")
    return os.path.join(home, "consoled", "consoled.toml")


class UnreadableError(Exception):
    """A file cannot be used; ``missing`` if it is just not there. ``line`` is 0 or known."""

    def __init__(self, text: str, line: int = 0, missing: bool = False) -> None:
        super().__init__(text)
        self.line = line
        self.missing = missing


class Files:
    """Texts by absolute path, from the disk; each file is read once."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def read(self, path: str) -> str:
        """The text of a file; UnreadableError says why not."""
        if path not in self.texts:
            self.texts[path] = self._fetch(path)
        return self.texts[path]

    def matching(self, pattern: str) -> list[str]:
        """Existing files in the order of their bytes, without hidden ones."""
        return sorted(glob.glob(pattern), key=os.fsencode)

    def _fetch(self, path: str) -> str:
        try:
            # A FIFO would be waited for.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise UnreadableError("cannot be read: not a regular file")
            with open(path, "rb") as file:
                return _decode(file.read())
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            raise UnreadableError(f"cannot be read: {error.strerror}", missing=missing) from None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise UnreadableError(f"not UTF-8: byte 0x{byte:02X}", line) from None


class KeptFiles(Files):
    """The texts of an earlier reading; the disk is not touched."""

    def __init__(self, kept: Mapping[str, str]) -> None:
        super().__init__()
        self._kept = kept

    def matching(self, pattern: str) -> list[str]:
        matching = [path for path in self._kept if PurePosixPath(path).match(pattern)]
        visible = [path for path in matching if not os.path.basename(path).startswith(".")]
        return sorted(visible, key=os.fsencode)

    def _fetch(self, path: str) -> str:
        if path not in self._kept:
            raise UnreadableError("cannot be read: not among the kept texts", missing=True)
        return self._kept[path]


class Reader:
    """Reads the main file and what it includes into tables.

    ``complete`` is false if some file gave none; messages are in ``problems``.
    """

    def __init__(self, files: Files) -> None:
        self.tables = Tables()
        self.problems: list[Problem] = []
        self.complete = True
        self._files = files

    def read(self, main: str) -> None:
        """Read everything that belongs to the main file."""
        if self._add(main, is_main=True) is None:
            return
        server, _, _ = resolve_server(self.tables.server)
        folder = os.path.dirname(main)
        found: dict[str, None] = {}
        for pattern in server.include:
            found |= dict.fromkeys(self._files.matching(os.path.join(folder, pattern)))
        for path in found:
            if path != main:
                self._add(path, is_main=False)

    def _add(self, path: str, is_main: bool) -> Document | None:
        try:
            document = parse_document(path, self._files.read(path))
        except UnreadableError as error:
            document = [Problem(path, error.line, "", "", str(error))]
        if isinstance(document, list):
            self.problems += document
            self.complete = False
            return None
        self.tables.add(document, is_main)
        return document
