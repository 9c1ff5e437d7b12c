"""consoled-procserv: procServ's command line, so procServ's farm with another program."""

import sys
from pathlib import Path

from .procserv import ProcServ


class Ours(ProcServ):
    """What this repository builds."""

    name = "ours"
    program = str(Path(sys.prefix) / "bin" / "consoled-procserv")
    replay_options = ("--replay", "100000")
