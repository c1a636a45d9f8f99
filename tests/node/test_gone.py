"""What is left of a peer that came and went."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from p2pcommons.node.reconciling import Reconciling


class Stream:
    """A stream that a peer opened before its connection ended."""

    peer_id = "gone"
    was_reset = False

    async def reset(self) -> None:
        await trio.lowlevel.checkpoint()
        self.was_reset = True


@pytest.mark.trio
async def test_a_stream_that_comes_after_its_connection_leaves_nothing_behind() -> None:
    context = SimpleNamespace(config=SimpleNamespace(number=lambda _name: 300))
    host = SimpleNamespace(connected_peers=lambda: (), peer_id="here")
    reconciling = Reconciling(cast(Any, context), cast(Any, host))
    stream = Stream()
    await reconciling._answer(cast(Any, stream))
    assert stream.was_reset
    assert not reconciling._peers
