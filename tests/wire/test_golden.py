"""What a user reads, byte by byte: the same as from procServ 2.7.0, and as recorded.

The first half compares the two recordings of each script; the second plays ours to a whole
console of today. Together they hold today's console to procServ's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .recording import OFFER, Recording, read_all
from .stacks import Site

RECORDINGS = read_all()
SCRIPTS = sorted({name.partition(".")[0] for name in RECORDINGS})
OURS = {name: one for name, one in RECORDINGS.items() if not one.by_procserv}
NO_OPERATION = b"\xff\xf1"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


DEATH = re.compile(
    rb"(@@@ Current time: .*?\^Q quits the server\r\n)(\r\n@@@ .*? signal 9\r\n)", re.DOTALL
)


def in_order(text: bytes) -> bytes:
    """procServ tells of a death in two halves in an order of chance, we: first how, then when."""
    return DEATH.sub(rb"\2\1", text)


def both(script: str) -> tuple[Recording, Recording]:
    """The recordings of one script, ours first."""
    return RECORDINGS[f"{script}.ours"], RECORDINGS[f"{script}.procserv"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_greet_alike(script: str) -> None:
    ours, procserv = both(script)
    assert ours.greeting == procserv.greeting
    assert ours.greeting.endswith(b"\r\n" + OFFER)


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_show_the_same(script: str) -> None:
    """Notices and the child's output; procServ's child never sees a NUL."""
    ours, procserv = both(script)
    assert ours.text.replace(b"<00>", b"") == in_order(procserv.text)


def test_todays_greeting_is_procservs(site: Site) -> None:
    wanted = both("socat-keys")[1].greeting
    assert site.hear(len(wanted)) == wanted


@pytest.mark.parametrize("name", OURS)
def test_todays_console_speaks_as_recorded(site: Site, name: str) -> None:
    """The dialogue in its own order: nothing is said before what it answers."""
    for side, data in OURS[name].pieces:
        if side == "C":
            site.say(data)
            continue
        text = data.removesuffix(NO_OPERATION)
        assert site.hear(len(text)) == text
        if text != data:  # the client had closed its side, which is looked into
            site.leave()
            assert site.hear(len(NO_OPERATION)) == NO_OPERATION
