"""What the cases of consoled share: a site of their own that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """A directory with a configuration, and the server that reads it."""
    site = Site()
    yield site
    site.close()
