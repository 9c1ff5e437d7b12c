"""Composition root: a command line becomes the objects of one server, and they run.

``procserv`` is the drop-in for procServ: one console, in this process, in the foreground or
as a daemon. Whatever can go wrong with the command line or an endpoint is told before anything
is forked, to the shell that asked.
"""

import os
import signal
import sys
from collections.abc import Sequence

from consoled.config import procserv as command_line
from consoled.errors import ConfigError, UsageError
from consoled.procserv.server import Server
from consoled.procserv.startup import Startup
from consoled.protocol.notices import PROFILES


def procserv(argv: Sequence[str] | None = None) -> int:
    """Run ``consoled-procserv``; returns the exit code of the process."""
    words = list(sys.argv if argv is None else argv)
    program = os.path.basename(words[0])
    try:
        options = command_line.parse([program, *words[1:]], os.environ)
    except UsageError as error:
        print(error, file=sys.stderr)
        print(command_line.usage_text(program), end="")
        return 1
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    if options.help:
        print(command_line.help_text(program), end="")
        return 0
    if options.version:
        print(f"procServ Process Server {PROFILES[options.compat].version}")
        return 0
    try:
        return Startup(program, options).run(lambda startup: Server(startup).serve())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
