"""What comes without a grant, the first window of each stream, does not put a node into debt."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from p2pcommons.errors import NetworkError
from p2pcommons.net.limits import HostLimits
from p2pcommons.net.muxer import HOLD_SECONDS_MAX
from p2pcommons.net.pacing import UNGRANTED_BYTES_MIN, Pace

from .hosts import connect, host

if TYPE_CHECKING:
    from p2pcommons.net.frames import FrameStream

SILENT = "/test/silent/1.0.0"
FLOOD_SECONDS = 2.0


@pytest.mark.trio
async def test_strangers_at_one_machine_share_what_they_may_send_ungranted_and_friends_do_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    pace = Pace(50_000, {"friend"})
    assert pace.ungranted("eve", "192.0.2.1", UNGRANTED_BYTES_MIN) == 0
    assert pace.ungranted("mallory", "192.0.2.1", 65_000) > 2.5
    assert pace.ungranted("friend", "192.0.2.1", 65_000) == 0
    assert pace.ungranted("trudy", "198.51.100.1", 65_000) == 0
    await trio.sleep(2.6)
    assert pace.ungranted("mallory", "192.0.2.1", 1) < 0.1


@pytest.mark.network
@pytest.mark.trio
async def test_one_machine_cannot_evade_the_limit_with_ever_new_streams() -> None:
    """Each brings its first window before anything was granted to it."""
    limited = HostLimits(bytes_per_second=20_000)
    async with AsyncExitStack() as stack:
        victim = await stack.enter_async_context(host("victim", limits=limited))
        strangers = [await stack.enter_async_context(host(name)) for name in ("eve", "mallory")]

        async def read_on(stream: FrameStream) -> None:
            while await stream.read(65_536):
                pass

        victim.set_stream_handler(SILENT, read_on)
        for stranger in strangers:
            await connect(stranger, victim)

        async def flood(index: int) -> None:
            while True:
                try:
                    stream = await strangers[index].open_stream(victim.peer_id, SILENT)
                    await stream.write(bytes(250_000))
                    await stream.reset()
                except NetworkError:
                    await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            for index in range(2):
                nursery.start_soon(flood, index)
            await trio.sleep(FLOOD_SECONDS)
            came, _ = victim.traffic.total()
            # A write that was begun would wait until the victim reads on.
            for stranger in strangers:
                await stranger.disconnect(victim.peer_id)
            nursery.cancel_scope.cancel()
        # Its share at once, and what it may have owed when it was cut off.
        assert came < UNGRANTED_BYTES_MIN + (HOLD_SECONDS_MAX + 10) * 20_000 + 400_000
