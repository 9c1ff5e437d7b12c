"""The time as people are shown it, by a strftime pattern of theirs."""

import time


def format_time(pattern: str, now: float) -> str:
    """Local time by a strftime pattern; bytes that are no text pass through."""
    safe = pattern.encode("utf-8", "surrogateescape").decode("latin-1")
    shown = time.strftime(safe, time.localtime(now))
    return shown.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
