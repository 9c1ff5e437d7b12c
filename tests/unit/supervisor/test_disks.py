"""The file system of a path is found by its spelling alone."""

import pytest

from consoled.supervisor.disks import mount_point

POINTS = ["/", "/proc", "/home", "/home/ann", "/var/log/with blank"]


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/etc/x", "/"),
        ("/home/bob/x.log", "/home"),
        ("/home/ann/x.log", "/home/ann"),
        ("/home/anna/x.log", "/home"),
        ("/home", "/home"),
        ("/var/log/with blank/a", "/var/log/with blank"),
        ("/", "/"),
    ],
)
def test_longest_point_wins(path: str, point: str) -> None:
    assert mount_point(path, POINTS) == point


def test_of_two_mounts_on_one_point_either_will_do() -> None:
    assert mount_point("/home/x", ["/", "/home", "/home"]) == "/home"
