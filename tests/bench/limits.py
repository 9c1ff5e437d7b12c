"""Bounded waiting, and the two ways in which a peer can let us down."""

import time
from collections.abc import Callable

STEP = 30.0
"""Seconds for one step that normally takes milliseconds (start, attach, one answer)."""

IDLE = 30.0
"""Seconds without one byte before a flow counts as stuck; procServ's own stalls take 10 to 20."""

FLOW = 240.0
"""Seconds for a whole flow of bytes, however slowly it moves."""

POLL = 0.005
"""Seconds between two looks at what the kernel offers no event for (files of other programs)."""


class PeerError(Exception):
    """A peer could not be measured; the text says why, in one line."""


class Stuck(PeerError):  # noqa: N818 - it is a state of the peer, not a mistake
    """A step ran into its time limit."""


def until(done: Callable[[], bool], what: str, limit: float = STEP) -> None:
    """Poll until `done()`; `what` completes the sentence "no ... within 30 s"."""
    if not happens(done, limit):
        raise Stuck(f"no {what} within {limit:g} s")


def happens(done: Callable[[], bool], limit: float) -> bool:
    """Poll until `done()` and return whether it came true within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
