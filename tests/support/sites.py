"""A site made of texts in memory, loaded as the server's user or as root."""

from typing import Any

from consoled.config.model import ConsoleConfig
from consoled.loader.assemble import Outcome, load
from consoled.loader.lookup import Lookup
from consoled.loader.read import KeptFiles

MAIN = "/etc/consoled/consoled.toml"
SERVER = """\
[server]
run_dir = "/run/c"
state_dir = "/var/lib/c"
log_dir = "/var/log/c"
group = 0
"""


def load_texts(
    text: str, uid: int = 0, environ: dict[str, str] | None = None, **more: str
) -> Outcome:
    """Load ``text`` as the main file; ``more`` are drop-ins by their bare names."""
    texts = {MAIN: text}
    texts |= {f"/etc/consoled/consoles.d/{name}.toml": other for name, other in more.items()}
    return load(KeptFiles(texts), MAIN, Lookup(uid, environ or {}))


def load_console(options: str, **more: str) -> ConsoleConfig:
    """The only console of a site, ``x@y``, with some options; they must be right."""
    outcome = load_texts(f'{SERVER}[console."x@y"]\ncommand = "run"\n{options}', **more)
    assert outcome.problems == []
    assert outcome.site is not None
    return outcome.site.consoles[0]


def messages(*texts: str, **more: Any) -> list[str]:
    """What is wrong with texts; the main file is called M, a drop-in has its bare name."""
    outcome = load_texts(*texts, **more)
    assert (outcome.site is None) == bool(outcome.problems)
    return [short(problem) for problem in outcome.problems]


def short(problem: object) -> str:
    """A message without the long paths of this site."""
    text = str(problem).replace(MAIN, "M")
    return text.replace("/etc/consoled/consoles.d/", "").replace(".toml:", ":")
