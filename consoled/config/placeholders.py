"""``{name}`` and ``{instance}`` in the strings of a console's options; ``{{`` is a brace."""

import re
from typing import Any, Final

from consoled.errors import ConfigError

_BRACES: Final = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")


def instance_of(name: str) -> str | None:
    """What follows the first ``@`` of a console's name; None if there is no ``@``."""
    _, at, instance = name.partition("@")
    return instance if at else None


def template_of(name: str) -> str | None:
    """The template a console takes by its name: ``ioc@`` for ``ioc@vac``."""
    prefix, at, _ = name.partition("@")
    return prefix + at if at else None


def fill(value: Any, name: str) -> Any:
    """``value`` of the console ``name`` with every string in it filled in.

    ConfigError tells of a word that is none.
    """
    if isinstance(value, str):
        return fill_text(value, name) if "{" in value or "}" in value else value
    if isinstance(value, list):
        return [fill(item, name) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, name) for key, item in value.items()}
    return value


def fill_text(text: str, name: str) -> str:
    """One string filled in."""

    def word(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] == "name":
            return name
        if match[1] == "instance":
            return _instance(name)
        raise ConfigError(
            f'"{match[0]}" is no placeholder: use {{name}} or {{instance}},'
            ' and "{{" or "}}" for a brace'
        )

    return _BRACES.sub(word, text)


def _instance(name: str) -> str:
    instance = instance_of(name)
    if instance is None:
        raise ConfigError(f'"{{instance}}" is empty: the name "{name}" has no "@"')
    return instance


def literal(value: Any) -> Any:
    """The opposite of ``fill``: strings whose braces stand for themselves."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    return value
