"""Frames on streams: their borders, their limits, and the other side that fails."""

from __future__ import annotations

import struct

import pytest
import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.net.frames import FrameStream
from p2pcommons.net.limits import HostLimits
from p2pcommons.net.muxer import GuardedStream
from raw_peer import RST, WINDOW, muxed

from .hosts import ECHO, connect, host, says_back, until

pytestmark = pytest.mark.network

QUICK = HostLimits(stream_writes_seconds_max=0.5)


class Ending:
    """Reads one stream to its end and keeps what came of it."""

    def __init__(self, bytes_max: int = 1000) -> None:
        self.frames: list[bytes] = []
        self.error: BaseException | None = None
        self.ended = trio.Event()
        self._bytes_max = bytes_max

    async def __call__(self, stream: FrameStream) -> None:
        try:
            while (frame := await stream.read_frame(self._bytes_max)) is not None:
                self.frames.append(frame)
        except (NetworkError, RejectedError) as error:
            self.error = error
            raise
        finally:
            self.ended.set()


async def after(body: bytes, ending: Ending, *, reset: bool = False) -> None:
    """Send bytes as the body of a stream, end it, and wait until the other side has noticed."""
    async with host("alice") as alice:
        alice.set_stream_handler("/frames", ending)
        async with muxed(alice.addresses()[0]) as muxer:
            stream = await muxer.open("/frames")
            await muxer.data(stream, body)
            if reset:
                await trio.sleep(0.1)
            await muxer.frame(WINDOW, RST if reset else 4, stream, 0)
            with trio.fail_after(5):
                await ending.ended.wait()


@pytest.mark.trio
@pytest.mark.parametrize("size", [0, 1, 65_515, 65_536, 1 << 20])
async def test_frames_of_any_size_come_back_whole(size: int) -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        assert await says_back(bob, alice, bytes(size))


@pytest.mark.trio
async def test_stream_that_ends_between_frames_has_ended() -> None:
    ending = Ending()
    await after(struct.pack(">I", 3) + b"one" + struct.pack(">I", 0), ending)
    assert ending.frames == [b"one", b""]
    assert ending.error is None


@pytest.mark.trio
async def test_reset_between_frames_looks_like_an_end() -> None:
    ending = Ending()
    await after(struct.pack(">I", 3) + b"one", ending, reset=True)
    assert ending.frames == [b"one"]
    assert ending.error is None


@pytest.mark.trio
@pytest.mark.parametrize("body", [b"\x00", b"\x00\x00\x00", struct.pack(">I", 10) + b"half"])
@pytest.mark.parametrize("reset", [False, True])
async def test_stream_that_ends_inside_a_frame_is_an_error(body: bytes, reset: bool) -> None:
    ending = Ending()
    await after(body, ending, reset=reset)
    assert isinstance(ending.error, NetworkError)


@pytest.mark.trio
async def test_frame_over_its_limit_is_refused_before_it_is_read() -> None:
    ending = Ending(bytes_max=10)
    await after(struct.pack(">I", 2**32 - 1), ending)
    assert isinstance(ending.error, RejectedError)
    assert ending.error.reason is RejectReason.FRAME_TOO_LARGE


async def never_reads(_: FrameStream) -> None:
    await trio.sleep_forever()


async def write_for_ever(stream: FrameStream) -> None:
    while True:
        await stream.write_frame(bytes(1 << 20))


@pytest.mark.trio
async def test_write_to_a_peer_that_does_not_read_gives_up() -> None:
    async with host("alice") as alice, host("bob", limits=QUICK) as bob, host("eve") as eve:
        alice.set_stream_handler("/unread", never_reads)
        await connect(bob, alice)
        await connect(bob, eve)
        stream = await bob.open_stream(alice.peer_id, "/unread")
        with trio.fail_after(10), pytest.raises(NetworkError, match="does not read"):
            await write_for_ever(stream)
        with pytest.raises(NetworkError, match="closed"):
            await stream.write_frame(b"more")
        assert await says_back(bob, alice)
        assert await says_back(bob, eve)


@pytest.mark.trio
async def test_cancelled_write_ends_the_stream_and_leaves_the_connection_whole() -> None:
    async with host("alice") as alice, host("bob") as bob:
        alice.set_stream_handler("/unread", never_reads)
        await connect(bob, alice)
        for _ in range(5):
            stream = await bob.open_stream(alice.peer_id, "/unread")
            with trio.move_on_after(0.05):
                await stream.write_frame(bytes(8 << 20))
            assert await says_back(bob, alice, bytes(200_000))


@pytest.mark.trio
async def test_error_in_a_handler_resets_its_stream_only() -> None:
    async def fails(stream: FrameStream) -> None:
        await stream.read_frame(100)
        raise RuntimeError("boom")

    async with host("alice") as alice, host("bob") as bob:
        alice.set_stream_handler("/fails", fails)
        await connect(bob, alice)
        for _ in range(3):
            stream = await bob.open_stream(alice.peer_id, "/fails")
            await stream.write_frame(b"x")
            assert await stream.read_frame(100) is None
        assert await says_back(bob, alice)


@pytest.mark.trio
async def test_unknown_protocol_is_an_error_in_words() -> None:
    async with host("alice") as alice, host("bob") as bob:
        with pytest.raises(NetworkError, match="not connected"):
            await bob.open_stream(alice.peer_id, ECHO)
        await connect(bob, alice)
        with pytest.raises(NetworkError, match="/nothing"):
            await bob.open_stream(alice.peer_id, "/nothing")


@pytest.mark.trio
async def test_one_peer_may_open_so_many_streams_of_a_protocol_and_no_more() -> None:
    limits = HostLimits(protocol_streams_per_peer_max=3)
    async with host("alice", limits=limits) as alice, host("bob") as bob, host("eve") as eve:
        await connect(bob, alice)
        await connect(eve, alice)
        streams = [await bob.open_stream(alice.peer_id, ECHO) for _ in range(3)]
        for stream in streams:
            await stream.write_frame(b"x")
            assert await stream.read_frame(10) == b"x"
        with pytest.raises(NetworkError):
            await (await bob.open_stream(alice.peer_id, ECHO)).write_frame(bytes(1 << 20))
        assert await says_back(eve, alice)
        await streams[0].close()
        await until(lambda: alice.gate.streams[bob.peer_id] < 3)
        assert await says_back(bob, alice)


@pytest.mark.trio
async def test_streams_that_are_done_leave_nothing_behind() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        for _ in range(100):
            assert await says_back(bob, alice)
        for one in (alice, bob):
            (connection,) = one.swarm.get_connections()
            await until(lambda muxed=connection.muxed_conn: len(muxed.streams) == 0)
        assert not alice.gate.streams


@pytest.mark.trio
async def test_window_is_granted_by_halves_and_not_for_every_small_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    granted: list[int] = []
    send = GuardedStream.send_window_update

    async def counted(self: GuardedStream, increment: int, skip_lock: bool = False) -> None:
        granted.append(increment)
        await send(self, increment, skip_lock)

    monkeypatch.setattr(GuardedStream, "send_window_update", counted)
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        async with await bob.open_stream(alice.peer_id, ECHO) as stream:
            granted.clear()
            for number in range(100):
                await stream.write_frame(bytes([number]) * 500)
                assert await stream.read_frame(1_000) == bytes([number]) * 500
            assert len(granted) < 5
