"""Being named proves nothing: a holder counts when a session with it shows the commons."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from p2pcommons.node.holders import HolderDials
from p2pcommons.node.state import NodeState
from p2pcommons.protocol.kademlia_messages import Contact

COMMONS = bytes(32)


@pytest.mark.trio
async def test_a_holder_of_which_all_was_forgotten_meanwhile_is_met_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    context: Any = SimpleNamespace(state=NodeState(), now=lambda: 0)
    host: Any = SimpleNamespace(connected_peers=lambda: ("ben",))
    dials = HolderDials(context, host, COMMONS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dials.dial, Contact("ben"))
        await trio.sleep(0.5)
        del context.state.peers["ben"]
        context.state.peer("ben").shared = frozenset((COMMONS,))
    assert dials.met == 1
