"""The exception tree: every error that consoled itself raises.

``OSError`` stays ``OSError`` until a layer can add the name of the thing it concerns.
"""


class ConsoledError(Exception):
    """Root of all errors raised on purpose; its text is one line for a person."""


class ConfigError(ConsoledError):
    """A value given by the user cannot be used; the text says which and what would do."""


class UsageError(ConfigError):
    """The command line is wrong as a whole: usage is printed along with the text."""


class ProtocolError(ConsoledError):
    """Somebody broke a wire protocol. Never raised itself (whose fault was it?)."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what no sane peer sends; the connection is to be dropped."""


class SpawnError(ConsoledError):
    """A child could not be started, or not be signalled.

    ``step`` names what failed: ``pty``, ``fork``, ``tty``, ``signals``, ``limit``, ``user``,
    ``chdir``, ``exec`` or ``signal``; ``keeper`` when there is nobody to fork it;
    ``errno`` the system's reason.
    """

    def __init__(self, step: str, errno: int, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.errno = errno


class EndpointError(ConsoledError):
    """An endpoint could not be opened; ``errno`` is the system's reason (0 if none)."""

    def __init__(self, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.errno = errno


class PlainError(ProtocolError):
    """Data from another process does not describe what it should."""


class KeeperError(ConsoledError):
    """There is no keeper to work for, or it wants none of us."""
