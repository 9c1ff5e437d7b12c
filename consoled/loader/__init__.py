"""Loads a configuration in a process of its own: everything that may hang or needs a library.

The server starts ``python -m consoled.loader`` and reads one JSON document; it never parses
a file itself. People get the same reading as a check, a dump, a schema and a manual page.
"""
