"""One console: a child, its memory, its log and the people attached to it."""
