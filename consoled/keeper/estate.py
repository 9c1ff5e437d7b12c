"""Estate: what a worker leaves to the next one besides its consoles.

Sockets, each with a key and a note in the worker's own words: those that listen and those of
peers. And the last configuration that was in force. The keeper looks into none of it.

Never true: a socket held that its worker has dropped.
"""

import os

from consoled.keeper.channel import Channel


class Estate:
    """Held sockets by key, and a configuration."""

    def __init__(self) -> None:
        self.sockets: dict[str, tuple[int, str]] = {}
        self.config = -1
        """A memfd with the configuration in force; -1 if there is none."""

    def hold(self, key: str, note: str, fd: int | None) -> None:
        """Keep a socket; without a descriptor its note alone is replaced."""
        if fd is None:
            fd = self.sockets[key][0]
        elif key in self.sockets:
            os.close(self.sockets[key][0])
        self.sockets[key] = (fd, note)

    def drop(self, key: str) -> None:
        """Close a socket; one that is not held is no error."""
        held = self.sockets.pop(key, None)
        if held is not None:
            os.close(held[0])

    def send_config(self, channel: Channel) -> None:
        """Tell the configuration that was last in force, if any."""
        if self.config >= 0:
            channel.send({"do": "config"}, (self.config,))

    def keep_config(self, fd: int) -> None:
        """Another configuration is in force; the descriptor becomes ours."""
        if self.config >= 0:
            os.close(self.config)
        self.config = fd

    def send_sockets(self, channel: Channel) -> None:
        """Hand everything on, and go on holding it."""
        for key, (fd, note) in self.sockets.items():
            channel.send({"do": "held", "key": key, "note": note}, (fd,))
