"""Command line of the loader: one JSON document for the server, or something for people.

    python -m consoled.loader [--config FILE] [--texts -]
    python -m consoled.loader --check | --dump [NAME] [--json] [--config FILE]
    python -m consoled.loader --schema | --man FILE

The document has ``site`` (null if anything is wrong), ``errors``, ``warnings`` and
``texts``: what every file that was read held. Given back on stdin with ``--texts -``, these
are read in place of the disk.
"""

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence

from consoled.config.schema import Site
from consoled.config.table import json_schema
from consoled.loader.assemble import load
from consoled.loader.check import EX_CONFIG, check
from consoled.loader.dump import dump
from consoled.loader.lookup import Lookup
from consoled.loader.read import Files, KeptFiles, default_file
from consoled.loader.reference import renew
from consoled.protocol import plain


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.schema:
        print(json.dumps(json_schema(Site), indent=2))
        return 0
    if arguments.man:
        return renew(arguments.man)
    # A short life with many small objects, all of them needed to its end.
    gc.disable()
    lookup = Lookup()
    path = os.path.abspath(arguments.config or default_file(lookup.uid, lookup.environ))
    files = KeptFiles(json.load(sys.stdin)) if arguments.texts else Files()
    outcome = load(files, path, lookup)
    if arguments.check:
        return check(outcome)
    if arguments.dump is not None:
        return dump(outcome, arguments.dump, arguments.json)
    document = {
        "site": outcome.site and plain.dump(outcome.site),
        "errors": [str(problem) for problem in outcome.problems],
        "warnings": [str(problem) for problem in outcome.warnings],
        "texts": files.texts,
    }
    try:
        print(json.dumps(document), flush=True)
    except BrokenPipeError:  # whoever wanted it has gone, or has been replaced
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EX_CONFIG if outcome.site is None else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consoled.loader", description="load a configuration")
    parser.add_argument("--config", metavar="FILE", help="the main file")
    parser.add_argument("--texts", choices=["-"], help="read kept texts from stdin, not the disk")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--check", action="store_true", help="tell what is wrong, for people")
    task.add_argument("--dump", metavar="NAME", nargs="?", const="", help="show every option")
    task.add_argument("--schema", action="store_true", help="print the JSON schema")
    task.add_argument("--man", metavar="FILE", help="renew the option reference in a page")
    parser.add_argument("--json", action="store_true", help="dump as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
