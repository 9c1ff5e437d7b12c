"""All consoles of one server: what there should be, and what changes when that changes."""
