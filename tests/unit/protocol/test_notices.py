"""The server's lines, byte for byte as procServ 2.7.0 and 2.8 say them."""

from dataclasses import replace

import pytest

from consoled.protocol import notices

FACTS = notices.Facts(
    profile=notices.PROFILES["2.7"],
    program="procServ",
    name="iocsh",
    titled=True,
    command="/bin/cmd",
    argv0="/bin/cmd",
    server_pid=11,
    server_directory="/here",
    child_directory="/there",
    log="/log/file",
    kill_key="^X",
    toggle_key="^T",
    logout_key=None,
    server_started="NOW",
)
UP = notices.Standing("ON", 22, "THEN", 3, 1)
DOWN = notices.Standing("OFF", None, "", 0, 0)


def lines(text: bytes) -> list[str]:
    assert text.endswith(b"\r\n")
    return text.decode().split("\r\n")[:-1]


def test_greeting_of_a_running_child() -> None:
    assert lines(notices.greeting(FACTS, UP)) == [
        "@@@ Welcome to procServ (procServ Process Server 2.7.0)",
        "@@@ Use ^X to kill the child, auto restart is ON, use ^T to toggle auto restart",
        "@@@ procServ server PID: 11",
        "@@@ Server startup directory: /here",
        "@@@ Child startup directory: /there",
        '@@@ Child "iocsh" started as: /bin/cmd',
        '@@@ Child "iocsh" PID: 22',
        "@@@ procServ server started at: NOW",
        '@@@ Child "iocsh" started at: THEN',
        "@@@ 3 user(s) and 1 logger(s) connected (plus you)",
    ]


def test_greeting_of_a_child_that_is_down() -> None:
    facts = replace(FACTS, logout_key="^Z", titled=False, name="/bin/cmd")
    shown = lines(notices.greeting(facts, DOWN))
    assert shown[2] == "@@@ Use ^Z to logout from procServ server"
    assert "@@@ Child started as: /bin/cmd" in shown
    assert '@@@ Child "/bin/cmd" is SHUT DOWN' in shown
    assert shown[-1] == (
        "@@@ ^R or ^X restarts the child, ^Q quits the server, ^Z closes this connection"
    )


def test_wording_of_2_8() -> None:
    shown = lines(notices.greeting(replace(FACTS, profile=notices.PROFILES["2.8"]), UP))
    assert shown[0].endswith("2.8.0)")
    assert "auto restart mode is ON, use ^T to toggle auto restart" in shown[1]
    assert shown[6] == "@@@ Child log file: /log/file"


def test_keys_that_are_switched_off() -> None:
    facts = replace(FACTS, kill_key=None, toggle_key=None)
    shown = lines(notices.greeting(facts, DOWN))
    assert shown[1] == (
        "@@@ Kill command disabled, auto restart is OFF, auto restart toggle disabled"
    )
    assert shown[-1] == "@@@ ^R restarts the child, ^Q quits the server"


def test_logger_sees_only_the_middle() -> None:
    shown = lines(notices.logger_greeting(FACTS, UP))
    assert shown == lines(notices.greeting(FACTS, UP))[2:-1]
    assert lines(notices.logger_greeting(FACTS, DOWN))[-1].startswith("@@@ ^R or ^X")


def test_start_of_a_child() -> None:
    assert lines(notices.started(FACTS, 33)) == [
        '@@@ Restarting child "iocsh"',
        "@@@    (as /bin/cmd)",
        '@@@ The PID of new child "iocsh" is: 33',
        "@@@ @@@ @@@ @@@ @@@",
    ]
    assert len(lines(notices.started(replace(FACTS, name="/bin/cmd"), 33))) == 3


@pytest.mark.parametrize(
    ("fate", "says", "last"),
    [
        ("RESTART", "a new one will be restarted shortly", "@@@ ^R"),
        ("DISABLED", "auto restart is disabled", "@@@ ^R"),
        ("ONESHOT", "oneshot mode: server will exit", "@@@ Child process"),
        ("QUIT", "server will exit", "@@@ Child process"),
    ],
)
def test_death(fate: str, says: str, last: str) -> None:
    ending = notices.ending(None, 9)
    shown = lines(notices.died(FACTS, 22, ending, "NOW", fate))
    assert shown[:5] == [
        "",
        "@@@ @@@ @@@ @@@ @@@",
        "@@@ Received a sigChild for process 22. The process was killed by signal 9",
        "@@@ Current time: NOW",
        f"@@@ Child process is shutting down, {says}",
    ]
    assert shown[-1].startswith(last)


def test_exit_status_and_toggle() -> None:
    assert notices.ending(3, None) == "Normal exit status = 3"
    assert notices.toggled("OFF", FACTS.profile) == b"\r\n@@@ Toggled auto restart to OFF\r\n"
    mode = notices.toggled("ON", notices.PROFILES["2.8"])
    assert mode == b"\r\n@@@ Toggled auto restart mode to ON\r\n"


def test_child_that_could_not_start() -> None:
    assert notices.spawn_failed(FACTS, "exec", "No such file or directory") == (
        b"procServ: child could not execute: /bin/cmd, No such file or directory\r\n"
    )
    assert lines(notices.spawn_failed(FACTS, "chdir", "Stale"))[0] == (
        "procServ: child could not chdir to /there, Stale"
    )
    assert b"kernel.pty.max" in notices.spawn_failed(FACTS, "pty", "x")
    assert b"forked" in notices.spawn_failed(FACTS, "fork", "x")
    assert b"another user" in notices.spawn_failed(FACTS, "signal", "x")
    assert b"limit" in notices.spawn_failed(FACTS, "limit", "x")


def test_notices_of_our_own_name_the_number_and_the_thing() -> None:
    assert b"@@@ 1234 bytes of output skipped" in notices.skipped(1234)
    assert b"@@@ 55 bytes of output are missing here" in notices.log_gap(55)
    assert b"Log file /l: No space left" in notices.log_failed("/l", "No space left")
    assert b"nothing is missing" in notices.log_resumed("/l", 0)
    assert b"77 bytes of output are missing" in notices.log_resumed("/l", 77)
    assert b"12 bytes discarded" in notices.line_too_long(12)
    assert b"65536 bytes wait" in notices.input_waits(65536)
    assert b"22 hangs" in notices.abandoned(22)
    assert b"refused: full" in notices.refused("full")


def test_names_pass_byte_for_byte() -> None:
    strange = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert b'"caf\xe9"' in notices.started(replace(FACTS, name=strange), 1)
