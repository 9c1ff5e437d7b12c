"""A configuration that is left to the next worker is the one that was in force."""

import pytest

from consoled.config.model import ConsoleConfig, ServerConfig, SiteConfig
from consoled.errors import PlainError
from consoled.protocol import plain
from consoled.server import kept

SITE = SiteConfig(
    ServerConfig("/run/x", "/var/x"),
    (ConsoleConfig("a", ("cat",), "/"), ConsoleConfig("b", ("cat", "\udcff"), "/")),
    {"both": ("a", "b")},
    ("a note",),
)
GONE = ConsoleConfig("gone", ("cat",), "/")


def test_comes_back_the_same() -> None:
    fd = kept.write(plain.dump(SITE), [plain.dump(GONE)])
    assert kept.read(fd) == (SITE, [GONE])
    assert kept.read(fd) == (SITE, [GONE])


def test_something_else_is_refused() -> None:
    with pytest.raises(PlainError):
        kept.read(kept.write({"consoles": []}))
