"""The info file of a console, as procServ's users read it: who serves it, and where."""

import os

from consoled.config.model import ConsoleConfig
from consoled.supervisor.meaning import addresses_of

_MODE = 0o644


def write_info(config: ConsoleConfig, server_pid: int) -> None:
    """Write beside and rename; for a disk's thread. Raises OSError."""
    assert config.info_file is not None
    lines = [address for one in reversed(config.listen) for address in addresses_of(one)]
    text = "".join(f"{line}\n" for line in (f"pid:{server_pid}", *lines))
    beside = f"{config.info_file}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(beside, flags, _MODE)
    try:
        os.write(fd, os.fsencode(text))
    finally:
        os.close(fd)
    os.replace(beside, config.info_file)


def remove_info(path: str) -> None:
    """Nobody serves it any more; for a disk's thread. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
