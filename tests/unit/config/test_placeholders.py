"""{name} and {instance}."""

import pytest

from consoled.config.placeholders import fill, fill_text, literal, template_of
from consoled.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("{name}", "ioc@vac"),
        ("/opt/{instance}/{instance}.cmd", "/opt/vac/vac.cmd"),
        ("{{name}}", "{name}"),
        ('{{"a": {{"b": "{instance}"}}}}', '{"a": {"b": "vac"}}'),
    ],
)
def test_text(text: str, filled: str) -> None:
    assert fill_text(text, "ioc@vac") == filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nam}", '"{nam}" is no placeholder: use {name} or {instance}, and "{{" or "}}" for'),
        ("a { b", '"{" is no placeholder'),
        ("a } b", '"}" is no placeholder'),
        ("${HOME}", '"{HOME}" is no placeholder'),
        ("{instance}", '"{instance}" is empty: the name "gw" has no "@"'),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        fill_text(text, "gw")
    assert message in str(error.value)


def test_all_that_is_within() -> None:
    value = {"{name}": ["{name}", 5, {"a": "{instance}"}], "b": True}
    assert fill(value, "a@b@c") == {"{name}": ["a@b@c", 5, {"a": "b@c"}], "b": True}


def test_literal_is_the_opposite() -> None:
    value = {"a": ["{x}", "}}", 5], "b": "plain"}
    assert fill(literal(value), "x") == value


def test_template() -> None:
    assert template_of("ioc@vac@x") == "ioc@"
    assert template_of("ioc") is None
