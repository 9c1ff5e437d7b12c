"""Roster: who is attached to a console, and the handing of output to all of them.

Owned by one Console. A session is in the roster from its greeting until it is closed.
"""

from collections.abc import Iterator

from consoled.console.session import Role, Session
from consoled.keeper.spool import Spool


class Roster:
    """The sessions of one console."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._sessions: list[Session] = []
        self.lagging: set[Session] = set()
        """Those who cannot take all there is: only they can be behind."""

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def add(self, session: Session) -> None:
        """Take in a session that has been greeted."""
        self._sessions.append(session)

    def remove(self, session: Session) -> None:
        """Forget a session; one that never came in is no error."""
        self.lagging.discard(session)
        if session in self._sessions:
            self._sessions.remove(session)

    def count(self, role: Role) -> int:
        """How many peers of a role can still speak."""
        return sum(s.role is role and not (s.half_closed or s.gone) for s in self._sessions)

    def deliver(self, start: int, head: int) -> None:
        """Send new output to everybody who can take it now."""
        if not self._sessions:
            return
        plain = not self._spool.contains(b"\xff", start, head)
        for view in self._spool.slices(start, head):
            for session in tuple(self._sessions):
                session.deliver(start, view, plain)
            start += len(view)
