"""``consoled``: its command line, and which of its processes it becomes."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from consoled import __version__
from consoled.errors import ConsoledError
from consoled.server import kept

KEEPER = ("-P", "-m", "consoled.keeper.process")
STARTER = ("-P", "-m", "consoled.server.starter")
LOADER = ("-P", "-m", "consoled.loader")
EX_CONFIG = 78


def parser() -> argparse.ArgumentParser:
    """Every option, as ``--help`` and the manual page tell them."""
    parser = argparse.ArgumentParser(
        prog="consoled",
        description="Serve the consoles of this host: run programs on terminals, log them,"
        " share them, and never lose them.",
        epilog="Without an option for another task it serves in the foreground.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-c", "--config", metavar="FILE", help="main file (else the system's or the user's)")
    add("--run-dir", metavar="DIR", help="where keeper and workers meet, for --keeper/--worker")
    task = parser.add_mutually_exclusive_group()
    flag = task.add_argument
    flag("-f", "--foreground", action="store_true", help="serve: the keeper and its worker")
    flag("--keeper", action="store_true", help="only hold children; the worker is started apart")
    flag("--worker", action="store_true", help="only serve what the running keeper holds")
    flag("--check-config", action="store_true", help="tell everything that is wrong, exit 0 or 78")
    flag(
        "--dump-config",
        metavar="CONSOLE",
        nargs="?",
        const="",
        help="show every option, its value and where it comes from",
    )
    flag("--schema", action="store_true", help="print a JSON schema of the configuration")
    flag("--version", action="version", version=f"consoled {__version__}")
    add("--json", action="store_true", help="with --dump-config: as JSON")
    add("--no-watchdog", action="store_true", help="never kill a worker that hangs")
    add("--cgroup", metavar="DIR", help="make a cgroup for each console below this one")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``consoled``; mostly becomes another process instead of returning."""
    options = parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        if options.keeper:
            become(KEEPER, *_keeper_words(options, run_dir_of(options)))
        if options.worker:
            config = [] if options.config is None else ["--config", os.path.abspath(options.config)]
            become(STARTER, "--run-dir", run_dir_of(options), "--fresh", *config)
        if options.check_config or options.dump_config is not None or options.schema:
            become(LOADER, *_loader_words(options))
        return _foreground(options)
    except (ConsoledError, OSError) as error:
        print(f"consoled: {error}", file=sys.stderr)
        return 1


def become(module: Sequence[str], *words: str) -> NoReturn:
    """Execute one of our other programs in place of this one."""
    os.execv(sys.executable, [sys.executable, *module, *words])


def run_dir_of(options: argparse.Namespace) -> str:
    """The directory given, or the one that a configuration has without saying so."""
    if options.run_dir is not None:
        return os.path.abspath(str(options.run_dir))
    if os.geteuid() == 0:
        return "/run/consoled"
    base = os.environ.get("XDG_RUNTIME_DIR")
    if not base:
        raise ConsoledError("XDG_RUNTIME_DIR is not set: say --run-dir DIR")
    return os.path.join(base, "consoled")


def _keeper_words(options: argparse.Namespace, run_dir: str) -> list[str]:
    words = ["--run-dir", run_dir]
    if options.no_watchdog:
        words.append("--no-watchdog")
    if options.cgroup is not None:
        words += ["--cgroup", options.cgroup]
    return words


def _loader_words(options: argparse.Namespace) -> list[str]:
    words = [] if options.config is None else ["--config", options.config]
    if options.schema:
        return ["--schema"]
    if options.check_config:
        return [*words, "--check"]
    dump = ["--dump", options.dump_config] if options.dump_config else ["--dump"]
    return [*words, *dump, *(["--json"] if options.json else [])]


def _foreground(options: argparse.Namespace) -> int:
    """Load the configuration, then become the keeper that starts the worker with it."""
    loaded = _load(options)
    for line in loaded["warnings"]:
        print(f"consoled: warning: {line}", file=sys.stderr)
    if loaded["site"] is None:
        for line in loaded["errors"]:
            print(line, file=sys.stderr)
        print("consoled: the configuration cannot be used", file=sys.stderr)
        return EX_CONFIG
    run_dir = loaded["site"]["server"]["run_dir"]
    config = kept.write(loaded["site"])
    os.set_inheritable(config, True)
    starter = [sys.executable, *STARTER, "--run-dir", run_dir]
    starter += ["--with-keeper", str(os.getpid())]  # an exec keeps the pid
    if options.config is not None:
        starter += ["--config", os.path.abspath(options.config)]
    words = _keeper_words(options, run_dir)
    become(KEEPER, *words, "--config", str(config), "--", *starter)


def _load(options: argparse.Namespace) -> Any:
    import subprocess  # only the foreground needs it

    given = [] if options.config is None else ["--config", options.config]
    done = subprocess.run(
        [sys.executable, *LOADER, *given],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "1"},
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise ConsoledError("the configuration could not be loaded") from error
