"""Reload: what another configuration would change, as a plan that is told before it is done.

Pure. No step of a plan ends a running child: what a child has been started with waits for its
next start, and a console that is no longer configured stays until its child has ended.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from consoled.config.model import ConsoleConfig, SiteConfig

AT_NEXT_START = frozenset(
    ("command", "executable", "directory", "environment", "identity", "umask", "limits", "size")
)
"""Fields of a console that a running child has taken with it."""

AT_SERVER_RESTART = frozenset(("scrollback",))
"""Fields that a console takes when it is made."""

_MUTE = frozenset(("name", "file", "line", "user", "own_log_dir"))
"""Where something stands, or another word for something that counts itself."""


@dataclass(frozen=True, slots=True)
class Change:
    """One console's changes by when they take effect; names of fields."""

    live: tuple[str, ...] = ()
    next_start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """From one configuration to another; ``changed`` by the name of the console."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, Change] = field(default_factory=dict)
    unchanged: int = 0
    server: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.added or self.removed or self.changed or self.server)

    def lines(self) -> Iterator[str]:
        """The plan for people, one step a line."""
        yield from (f"+ {name}: added" for name in self.added)
        yield from (f"- {name}: removed; a running child is left until it ends"
                    for name in self.removed)  # fmt: skip
        for name, change in self.changed.items():
            yield from _change_lines(name, change)
        yield from (f"~ server.{name}: changes when the server is restarted"
                    for name in self.server)  # fmt: skip
        yield f"= {self.unchanged} unchanged"


def _change_lines(name: str, change: Change) -> Iterator[str]:
    if change.live:
        yield f"~ {name}: {', '.join(change.live)}: changed now"
    if change.next_start:
        yield f"~ {name}: {', '.join(change.next_start)}: changes at its next start"
    if change.restart:
        yield f"~ {name}: {', '.join(change.restart)}: changes when the server is restarted"


def plan(before: SiteConfig, after: SiteConfig) -> Plan:
    """What has to be done to get from one configuration to the other."""
    old = {console.name: console for console in before.consoles}
    new = {console.name: console for console in after.consoles}
    changed = {
        name: change
        for name in new
        if name in old and (change := _change(old[name], new[name])) != Change()
    }
    return Plan(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=changed,
        unchanged=len(set(old) & set(new)) - len(changed),
        server=tuple(n for n in _differing(before.server, after.server) if n not in _MUTE),
    )


def _change(old: ConsoleConfig, new: ConsoleConfig) -> Change:
    differing = [name for name in _differing(old, new) if name not in _MUTE]
    later = AT_NEXT_START | AT_SERVER_RESTART
    return Change(
        tuple(name for name in differing if name not in later),
        tuple(name for name in differing if name in AT_NEXT_START),
        tuple(name for name in differing if name in AT_SERVER_RESTART),
    )


def _differing(old: object, new: object) -> Iterator[str]:
    names = (field.name for field in fields(old))  # type: ignore[arg-type]
    return (name for name in names if getattr(old, name) != getattr(new, name))
