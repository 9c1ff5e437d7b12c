"""Whatever comes over the link, the keeper neither raises nor forgets what it holds.

``CONSOLED_FUZZ`` is the number of examples per target.
"""

import os
import socket
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consoled.keeper.channel import Channel
from consoled.keeper.keeper import Keeper
from consoled.keeper.kinfolk import Kinfolk
from consoled.keeper.loop import Loop
from consoled.keeper.runfiles import RunFiles
from consoled.keeper.service import _ACTIONS, VERSION, Service
from consoled.keeper.spool import Spool

fuzz = settings(max_examples=int(os.environ.get("CONSOLED_FUZZ", "300")), deadline=None)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
keys = ("console", "note", "number", "rows", "columns", "key", "pid", "spec", "replace", "for")
verbs = st.sampled_from(sorted(set(_ACTIONS) - {"stop", "stopped", "reexec"})) | st.text(max_size=6)
frames = st.builds(
    lambda verb, rest: {**rest, "do": verb},
    verbs | values,
    st.dictionaries(st.sampled_from(keys), values, max_size=4),
)


class Site:
    """A service with one console and one worker at work."""

    def __init__(self, folder: str) -> None:
        self.loop = Loop()
        files = RunFiles(os.path.join(folder, "children"))
        kin = Kinfolk(self.loop, lambda: (), files)
        self.said: list[str] = []
        keeper = Keeper(self.loop, kin)
        self.service = Service(self.loop, keeper, kin, self.said.append, watched=False)
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.service.connect(ours)
        self.service.add_ward("kept", Spool(8192).fd)

    def turn(self) -> None:
        self.loop.call_later(0.0, self.loop.stop)
        self.loop.run()


@fuzz
@given(st.lists(frames, max_size=8), st.booleans())
def test_frames(sent: list[Any], greeted: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(folder)
        channel = Channel(Loop(), site.theirs, lambda frame, fds: None, lambda: None)
        if greeted:
            channel.send({"do": "hello", "version": VERSION})
        for frame in sent:
            channel.send(frame)
        site.turn()
        closed = any(frame["do"] == "close" and frame.get("console") == "kept" for frame in sent)
        assert "kept" in site.service.wards or closed
        channel.close()
        site.turn()
        assert site.service.at_work is None


@fuzz
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_packets_that_are_no_frames(sent: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(folder)
        for packet in sent:
            try:
                site.theirs.send(packet)
            except BrokenPipeError:
                break
            site.turn()
        site.theirs.close()
        site.turn()
        assert "kept" in site.service.wards
