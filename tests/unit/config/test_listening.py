"""What ``listen`` and its ``at`` take."""

from typing import Any

import pytest

from consoled.config.listening import PLACE, Place
from consoled.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("2000", Place(port=2000)),
        (2000, Place(port=2000)),
        ("tcp:2000", Place(port=2000)),
        ("tcp:ioc.example.org:2000", Place("ioc.example.org", 2000)),
        ("localhost:2000", Place("localhost", 2000)),
        ("tcp:10.0.0.1:2000", Place("10.0.0.1", 2000)),
        ("tcp:[::1]:2001", Place("::1", 2001)),
        ("tcp:[0:0::1]:2001", Place("::1", 2001)),
        ("unix:x.sock", Place(path="x.sock")),
        ("unix:/run/x", Place(path="/run/x")),
        ("unix:x,raw", Place(path="x", raw=True)),
        ("unix:@x", Place(path="x", abstract=True)),
        ("unix:me:us:0600:/x", Place(path="/x", user="me", group="us", mode=0o600)),
        ("unix:::0666:/x", Place(path="/x", mode=0o666)),
        ("unix:::0:/x", Place(path="/x", mode=0)),
        ("unix::us::/x:y", Place(path="/x:y", group="us")),
    ],
)
def test_good(value: Any, place: Place) -> None:
    assert PLACE.read(value) == place
    assert not place.nowhere


def test_none_is_nowhere() -> None:
    assert PLACE.read("none").nowhere


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "port 0 does not exist: use 1 to 65535"),
        ("70000", "port 70000 does not exist"),
        (-5, 'such as "2000", "tcp:HOST:2000" or "unix:x.sock", not -5'),
        (True, "not true"),
        (10**30, "not a number of more than 64 bits"),
        (2.5, "not 2.5"),
        ("", 'not ""'),
        ("tcp:", 'not "tcp:"'),
        ("tcp::2000", 'not "tcp::2000"'),
        ("1.2.3:2000", 'not "1.2.3:2000"'),
        ("1.2.3.4.5:2000", "not"),
        ("300.2.3.4:2000", "not"),
        ("[::1:2000", "not"),
        ("[x]:2000", "not"),
        ("a b:2000", "not"),
        ("ssh:host:2000", "not"),
        ("NONE", "not"),
        ("unix:", "expected unix socket path"),
        ("unix:@", "an abstract socket needs a name"),
        ("unix:a:b", "use unix:USER:GROUP:MODE:PATH"),
        ("unix:::888:/x", "use unix:USER:GROUP:MODE:PATH"),
        ("unix:/" + "x" * 108, "too long"),
        ("unix:a\0b", "NUL"),
    ],
)
def test_bad(value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        PLACE.read(value)
    assert message in str(error.value)
