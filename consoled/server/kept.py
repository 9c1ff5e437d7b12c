"""The configuration in force, as it is left to the next worker: JSON, one console a line.

The first line has all but the consoles. Consoles that are configured no more and still have a
child are marked. Line by line, so that a thousand of them are read without ever being there
all at once as text.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

from consoled.config.model import ConsoleConfig, SiteConfig
from consoled.protocol import plain


def write(site: Any, condemned: Sequence[Any] = ()) -> int:
    """A memfd with a site, given as JSON values, and condemned consoles."""
    rest = {key: value for key, value in site.items() if key != "consoles"}
    lines = [rest, *site["consoles"], *({**one, "condemned": True} for one in condemned)]
    fd = os.memfd_create("config", os.MFD_CLOEXEC)
    with open(fd, "w", encoding="utf-8", closefd=False) as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return fd


def read(fd: int) -> tuple[SiteConfig, list[ConsoleConfig]]:
    """The site in a memfd and its condemned consoles; PlainError if it is none."""
    consoles: list[ConsoleConfig] = []
    condemned: list[ConsoleConfig] = []
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, encoding="utf-8", closefd=False) as file:
        rest = json.loads(file.readline())
        for line in file:
            data = json.loads(line)
            among = condemned if data.pop("condemned", False) else consoles
            among.append(plain.load(ConsoleConfig, data))
    site = plain.load(SiteConfig, {**rest, "consoles": []})
    return SiteConfig(site.server, tuple(consoles), site.groups, site.notes), condemned
