"""What one process leaves to the next of a console, beyond its spool and its child."""

from dataclasses import dataclass, field

from consoled.console.lifecycle import Snapshot


@dataclass(frozen=True, slots=True)
class Found:
    """A child that a predecessor has left: ``status`` None while it runs."""

    pid: int
    master: int
    status: int | None = None
    failure: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What a successor of this process has to know beyond spool and child.

    ``pid`` is the child that was announced last, ``typed`` what it has not taken yet.
    """

    life: Snapshot = field(default_factory=Snapshot)
    pid: int | None = None
    child_started: str = ""
    started_at: float = 0.0
    starts: int = 0
    status: int | None = None
    window: tuple[int, int] | None = None
    typed: bytes = b""
    missed: int = 0
