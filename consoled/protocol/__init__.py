"""Bytes in, bytes and facts out: wire protocols and texts, without any I/O."""
