"""Loading: the configuration is read by a process of its own, so that nothing of it can hang us.

What comes back is JSON: a resolved site, or errors; and warnings.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consoled.config.model import SiteConfig
from consoled.errors import PlainError
from consoled.protocol import plain

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """``site`` None: ``errors`` say why. ``plain`` is the site as JSON."""

    site: SiteConfig | None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    plain: Any = None


def command(config: str | None) -> list[str]:
    """The loader's command line."""
    given = [] if config is None else ["--config", config]
    return [sys.executable, "-P", "-m", "consoled.loader", *given]


Run = Callable[[Sequence[str], dict[str, str], int], None]


async def load(config: str | None, run: Run) -> Loaded:
    """Read the configuration; whatever goes wrong is among the errors.

    ``run`` starts a program with its output on a descriptor.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    run(command(config), {"PYDANTIC_DISABLE_PLUGINS": "1"}, writing)
    os.close(writing)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with open(reading, "rb", buffering=0) as pipe:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            out = await asyncio.wait_for(reader.read(), _SECONDS)
        except TimeoutError:
            text = "the configuration cannot be read within a minute: does its file system hang?"
            return Loaded(None, (text,))
        finally:
            transport.close()
    return understand(out)


def understand(out: bytes) -> Loaded:
    """What a loader has printed."""
    try:
        data = json.loads(out)
        errors, warnings = _lines(data["errors"]), _lines(data["warnings"])
        if data["site"] is None or errors:
            return Loaded(None, errors or ("the loader gave no reason",), warnings)
        site = plain.load(SiteConfig, data["site"])
    except (ValueError, KeyError, TypeError, PlainError) as error:
        text = "the loader failed, its own words may stand above"
        return Loaded(None, (f"{text}: {error}" if out else text,))
    return Loaded(site, (), warnings, data["site"])


def _lines(items: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(item) for item in items)
