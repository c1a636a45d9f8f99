"""What is left of a peer that came and went."""

from __future__ import annotations

from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from p2pcommons.errors import NetworkError
from p2pcommons.node import reconciling as reconciling_module
from p2pcommons.node.reconciling import PASS_ON_SECONDS, Reconciling
from p2pcommons.node.state import NodeState


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


class Bringing:
    """A session that brought something and does not end by itself."""

    received, sent, bodies, rounds, again, over_at = 3, 0, 3, 1, 0, 0.0
    bytes_sent = bytes_received = 500
    ended = fault = None

    def __init__(self, *_args: object, **_options: object) -> None:
        self.is_running = trio.Event()

    async def run(self) -> None:
        self.is_running.set()
        await trio.sleep_forever()


@pytest.mark.trio
async def test_what_a_session_brought_before_it_gave_way_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconciling_module, "SessionDriver", Bringing)
    state = NodeState()
    context = SimpleNamespace(
        config=SimpleNamespace(number=lambda _name: 300), state=state, joined=(), now=lambda: 0
    )
    host = SimpleNamespace(connected_peers=lambda: ("gone", "other"), peer_id="here")
    reconciling = Reconciling(cast(Any, context), cast(Any, host))
    for peer_id in ("gone", "other"):
        reconciling.connected(peer_id)
        reconciling._peers[peer_id].due = float("inf")
    schedule = reconciling._peers["gone"]
    stream = Stream()
    async with trio.open_nursery() as nursery:
        run = partial(reconciling._run, began=0.0, opener=True)
        nursery.start_soon(run, cast(Any, stream), schedule)
        while schedule.session is None:
            await trio.lowlevel.checkpoint()
        schedule.session.cancel()
    assert stream.was_reset
    assert reconciling._peers["other"].due <= trio.current_time() + PASS_ON_SECONDS
    assert schedule.due == float("inf")
    (listed,) = state.peer("gone").recent
    assert (listed.received, listed.ended) == (3, "")


@pytest.mark.trio
async def test_a_session_that_waited_while_its_peer_came_again_leaves_it_to_the_new_one() -> None:
    opened: list[Stream] = []

    async def open_stream(_peer_id: str, _protocol: str) -> Stream:
        await trio.lowlevel.checkpoint()
        if not opened:
            reconciling.disconnected("gone")
            reconciling.connected("gone")
        opened.append(Stream())
        return opened[-1]

    context = SimpleNamespace(
        config=SimpleNamespace(number=lambda _name: 300), state=NodeState(), now=lambda: 0
    )
    host = SimpleNamespace(peer_id="here", open_stream=open_stream)
    reconciling = Reconciling(cast(Any, context), cast(Any, host))
    reconciling.connected("gone")
    before = reconciling._peers["gone"]
    await reconciling._open("gone", before)
    assert [each.was_reset for each in opened] == [True]
    await reconciling._open("gone", before)  # one that waited for its turn
    assert len(opened) == 1
    assert reconciling._peers["gone"].session is None


@pytest.mark.trio
async def test_a_session_asked_for_while_one_is_about_to_begin_does_not_end_it() -> None:
    opened: list[trio.Event] = []

    async def open_stream(_peer_id: str, _protocol: str) -> Stream:
        opened.append(trio.Event())
        await opened[-1].wait()
        raise NetworkError("it was slow, and is gone")

    context = SimpleNamespace(
        config=SimpleNamespace(number=lambda _name: 300),
        state=NodeState(),
        ingest=SimpleNamespace(on_new=None),
        chance=Random(1),
    )
    host = SimpleNamespace(
        peer_id="here", open_stream=open_stream, set_stream_handler=lambda *_: None
    )
    reconciling = Reconciling(cast(Any, context), cast(Any, host))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reconciling.run)
        reconciling.connected("other")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            reconciling.soon()
            await trio.testing.wait_all_tasks_blocked()
        assert len(opened) == 1
        opened[0].set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(opened) == 2  # what was asked for meanwhile
        nursery.cancel_scope.cancel()
