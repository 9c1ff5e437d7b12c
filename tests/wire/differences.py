"""Where we answer a client otherwise than procServ 2.7.0 did, on purpose, each with its reason.

A difference turns our outcome into the one procServ would have had; whatever remains unlike
after all of them is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .stacks import Outcome

DO_NAWS: Final = b"\xfd\x1f"
DONT_NAWS: Final = b"\xfe\x1f"


@dataclass(frozen=True)
class Difference:
    """One thing that procServ does otherwise."""

    name: str
    why: str
    undo: Callable[[Outcome, bytes], Outcome]
    """Takes our outcome and the client's stream."""


def _ask_for_no_window(ours: Outcome, _stream: bytes) -> Outcome:
    """Said once at most, and not before something was answered or agreed."""
    replies = list(ours.replies)
    if DO_NAWS in replies:
        replies.remove(DO_NAWS)
    return ours._replace(replies=replies)


def _refuse_windows(ours: Outcome, stream: bytes) -> Outcome:
    """Each offer is refused where we said nothing: its place among the answers is its own."""
    offers = stream.count(b"\xff\xfb\x1f")
    return ours._replace(replies=[*ours.replies, *[DONT_NAWS] * offers], windows=[])


def _drop_nul(ours: Outcome, _stream: bytes) -> Outcome:
    return ours._replace(typed=ours.typed.replace(b"\0", b""))


DIFFERENCES: Final = (
    Difference(
        "asks for the window",
        "a child that draws has to know how large the user's window is; asked after the first"
        " answer, because a peer without telnet would show the question as junk",
        _ask_for_no_window,
    ),
    Difference(
        "accepts the window",
        "same; procServ refuses the offer",
        _refuse_windows,
    ),
    Difference(
        "keeps NUL",
        "^@ and ^Space are keys (Emacs sets its mark with it); only the NUL of CR NUL is telnet's",
        _drop_nul,
    ),
)
