"""Names that the kernel's own files cannot collide with; where a process is in the tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consoled.keeper.cgroup import escape, own_directories

TOP = "/sys/fs/cgroup"
UNIFIED = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
OLD = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"


@pytest.mark.parametrize(
    ("console", "name"),
    [
        ("ioc-1", "console-ioc-1"),
        ("cgroup.kill", "console-cgroup.kill"),
        ("../a", "console-..%2Fa"),
        (".hidden", "console-.hidden"),
        ("a\nb%", "console-a%0Ab%25"),
    ],
)
def test_escape(console: str, name: str) -> None:
    assert escape(console) == name


@given(st.text(max_size=20), st.text(max_size=20))
def test_escape_keeps_consoles_apart(one: str, two: str) -> None:
    names = escape(one), escape(two)
    assert (names[0] == names[1]) == (one == two)
    assert not set("/\n\0") & set(names[0])


@pytest.mark.parametrize(
    ("membership", "mounts", "found"),
    [
        ("0::/a.slice/b.service\n", UNIFIED, [(TOP, f"{TOP}/a.slice/b.service")]),
        ("0::/\n", UNIFIED, [(TOP, TOP)]),
        ("4:memory:/x\n0::/y\n", OLD + UNIFIED, [(TOP, f"{TOP}/y")]),
        ("4:memory:/x\n", UNIFIED, []),
        ("0::/../outside\n", UNIFIED, []),
        ("0::/a\n", OLD, []),
        ("0::/a/b\n", "1 2 0:3 /a /my\\040own rw - cgroup2 x rw\n", [("/my own", "/my own/b")]),
        ("0::/b\n", "1 2 0:3 /a /mnt rw - cgroup2 x rw\n", []),
        ("0::/a\n", "1 2 0:3 / /m rw shared:1 - cgroup2 x rw\nx - cgroup2\n", [("/m", "/m/a")]),
        ("", "nonsense\n - cgroup2\n", []),
    ],
)
def test_own_directories(membership: str, mounts: str, found: list[tuple[str, str]]) -> None:
    assert own_directories(membership, mounts) == found
