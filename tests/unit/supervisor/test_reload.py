"""The plan says what changes, when, and of nothing else."""

from dataclasses import replace

from consoled.config.model import ConsoleConfig, LogConfig, RestartMode, ServerConfig, SiteConfig
from consoled.supervisor.reload import AT_NEXT_START, AT_SERVER_RESTART, Change, Plan, plan

SERVER = ServerConfig("/run/consoled", "/var/lib/consoled")
A = ConsoleConfig("a", ("cat",), "/")
B = ConsoleConfig("b", ("cat",), "/")


def site(*consoles: ConsoleConfig, server: ServerConfig = SERVER) -> SiteConfig:
    return SiteConfig(server, consoles)


def test_the_same_is_no_change() -> None:
    changes = plan(site(A, B), site(B, A))
    assert changes == Plan(unchanged=2)
    assert changes.is_empty
    assert list(changes.lines()) == ["= 2 unchanged"]


def test_added_and_removed() -> None:
    changes = plan(site(A), site(B))
    assert (changes.added, changes.removed, changes.unchanged) == (("b",), ("a",), 0)
    assert list(changes.lines()) == [
        "+ b: added",
        "- a: removed; a running child is left until it ends",
        "= 0 unchanged",
    ]


def test_changes_are_sorted_by_when_they_take_effect() -> None:
    policy = replace(A.policy, mode=RestartMode.OFF)
    other = replace(A, policy=policy, log=LogConfig("/x"), command=("dog",), scrollback=1 << 17)
    changes = plan(site(A, B), site(other, B))
    assert changes.changed == {"a": Change(("policy", "log"), ("command",), ("scrollback",))}
    assert list(changes.lines()) == [
        "~ a: policy, log: changed now",
        "~ a: command: changes at its next start",
        "~ a: scrollback: changes when the server is restarted",
        "= 1 unchanged",
    ]


def test_where_it_stands_is_no_change() -> None:
    assert plan(site(A), site(replace(A, file="x.toml", line=7))).is_empty


def test_the_server_changes_at_its_restart() -> None:
    changes = plan(site(A), site(A, server=replace(SERVER, gid=5)))
    assert changes.server == ("gid",)
    assert "~ server.gid: changes when the server is restarted" in changes.lines()


def test_every_field_named_here_exists() -> None:
    assert {*AT_NEXT_START, *AT_SERVER_RESTART} <= set(ConsoleConfig.__slots__)
