"""Loading: the configuration is read by a process of its own, so that nothing of it can hang us.

What comes back is JSON: a resolved site, or errors; and warnings.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
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


async def load(config: str | None) -> Loaded:
    """Read the configuration; whatever goes wrong is among the errors."""
    process = await asyncio.create_subprocess_exec(
        *command(config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "1"},
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        return Loaded(None, ("the configuration cannot be read: its file system hangs",))
    return understand(out, said)


def understand(out: bytes, said: bytes = b"") -> Loaded:
    """What a loader has printed."""
    try:
        data = json.loads(out)
        errors, warnings = _lines(data["errors"]), _lines(data["warnings"])
        if data["site"] is None or errors:
            return Loaded(None, errors or ("the loader gave no reason",), warnings)
        site = plain.load(SiteConfig, data["site"])
    except (ValueError, KeyError, TypeError, PlainError) as error:
        words = said.decode(errors="replace").strip().splitlines() or [str(error)]
        return Loaded(None, (f"the loader failed: {words[-1]}",))
    return Loaded(site, (), warnings, data["site"])


def _lines(items: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(item) for item in items)
