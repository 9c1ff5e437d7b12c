"""The log's words say, at every moment of a write, what is known to be in the file."""

from consoled.keeper.checkpoint import Checkpoint, Progress
from consoled.keeper.spool import Spool


def test_an_empty_spool_knows_of_no_log() -> None:
    checkpoint = Checkpoint(Spool(8192))
    assert checkpoint.patience is None
    assert checkpoint.read() == Progress(0, 0, 0, 0, (0, 0), False, False)


def test_a_write_is_intended_then_done() -> None:
    checkpoint = Checkpoint(Spool(8192))
    checkpoint.declare(1.5)
    checkpoint.opened(7, 8, 1000)
    checkpoint.intend(50, 60, line_open=True)
    assert checkpoint.read() == Progress(0, 1000, 50, 60, (7, 8), False, True)
    checkpoint.done(1060)
    assert checkpoint.read() == Progress(50, 1060, 50, 0, (7, 8), True, True)
    assert checkpoint.patience == 1.5
    assert checkpoint.taken == 50


def test_patience_may_be_nothing_at_all() -> None:
    checkpoint = Checkpoint(Spool(8192))
    checkpoint.declare(0.0)
    assert checkpoint.patience == 0.0
    checkpoint.withdraw()
    assert checkpoint.patience is None


def test_another_process_reads_the_same() -> None:
    spool = Spool(8192)
    Checkpoint(spool).intend(5, 6, line_open=False)
    other = Checkpoint(Spool(fd=spool.fd))
    assert other.read().next_taken == 5
    other.skip_to(9)
    assert Checkpoint(spool).taken == 9
