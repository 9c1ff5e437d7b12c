"""How a peer's bytes arrive: TCP, UNIX sockets, the foreground terminal."""
