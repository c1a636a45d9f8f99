"""A host keeps to the bytes a second it is allowed, in turns, and never looks dead for it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.net.limits import HostLimits
from p2pcommons.net.pacing import PORTION_BYTES_MAX, PORTION_BYTES_MIN, Pace, Turns

from .hosts import ECHO, connect, host, says_back, seed, until

if TYPE_CHECKING:
    from p2pcommons.net.frames import FrameStream

assert seed


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers()), max_size=60))
def test_everybody_gets_one_turn_before_anybody_the_next(items: list[tuple[str, int]]) -> None:
    turns: Turns[tuple[str, int]] = Turns()
    for who, number in items:
        turns.add(who, (who, number))
    given_out: list[tuple[str, int]] = []
    while turns:
        given_out.append(turns.next())
    assert Counter(given_out) == Counter(items)
    left = Counter(who for who, _ in items)
    had: Counter[str] = Counter()
    for who, _ in given_out:
        had[who] += 1
        # Nobody is more than one turn ahead of somebody who still waits.
        assert all(had[who] <= had[other] + 1 for other in left if had[other] < left[other])


def test_who_gives_up_waiting_gets_no_turn() -> None:
    turns: Turns[str] = Turns()
    for item in ("one", "two"):
        turns.add("a", item)
    turns.add("b", "three")
    turns.remove("a", "one")
    turns.remove("a", "never there")
    assert [turns.next(), turns.next()] == ["two", "three"]
    assert not turns


@pytest.mark.parametrize("rate", [1, 1_000, 20_000, 1_000_000, 10**9])
def test_portions_fit_a_frame_and_are_worth_a_header(rate: int) -> None:
    assert PORTION_BYTES_MIN <= Pace(rate).portion <= PORTION_BYTES_MAX


async def _moved_in(pace: Pace, seconds: float, sizes: dict[str, int]) -> dict[str, int]:
    """Let everybody claim as fast as they can; return the bytes that each had turns for."""
    moved = dict.fromkeys(sizes, 0)

    async def claim_on(who: str) -> None:
        while True:
            await pace.claim(who, sizes[who])
            moved[who] += sizes[who]

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pace.run)
            for who in sizes:
                nursery.start_soon(claim_on, who)
    return moved


@pytest.mark.trio
async def test_the_rate_holds_over_time_and_is_shared_alike(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert autojump_clock
    pace = Pace(20_000)
    moved = await _moved_in(pace, 60, {"ana": 5_000, "bob": 5_000, "cleo": 5_000})
    assert 60 * 20_000 <= sum(moved.values()) <= 60 * 20_000 + 20_000 + 5_000
    assert max(moved.values()) - min(moved.values()) <= 5_000


@pytest.mark.trio
async def test_what_is_small_passes_at_once_and_is_paid_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert autojump_clock
    pace = Pace(20_000)
    pace.charge(200_000)  # ten seconds are owed
    began = trio.current_time()
    for _ in range(20):
        await pace.promptly("ana", 300)
    assert trio.current_time() == began
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        await pace.claim("bob", 1_000)
        assert 9 < trio.current_time() - began < 11
        # A flood of small things is no way around the rate.
        began, sent = trio.current_time(), 0
        while trio.current_time() - began < 60:
            await pace.promptly("ana", 300)
            sent += 300
        assert sent <= 60 * 20_000 + 60_000
        nursery.cancel_scope.cancel()


async def _swallow(stream: FrameStream) -> None:
    while await stream.read_frame(1 << 20) is not None:
        pass


@pytest.mark.trio
@pytest.mark.network
@pytest.mark.parametrize("slow", ["sender", "receiver"])
async def test_neither_a_slow_sender_nor_a_slow_receiver_looks_dead(slow: str) -> None:
    paced = HostLimits(bytes_per_second=400_000)
    async with (
        host("alice", limits=paced if slow == "receiver" else None) as alice,
        host("bob", limits=paced if slow == "sender" else None) as bob,
    ):
        alice.set_stream_handler("/swallow", _swallow)
        await connect(bob, alice)
        connection = bob._open_to(alice.peer_id)[0].muxed_conn
        async with await bob.open_stream(alice.peer_id, "/swallow") as stream:
            began = trio.current_time()
            for _ in range(4):
                await stream.write_frame(bytes(150_000))
                # Beside it small things pass, and pings are answered.
                with trio.fail_after(1.5):
                    assert await says_back(bob, alice)
                    await connection.probe()
        await until(lambda: alice.traffic.of(bob.peer_id)[0] > 600_000)
        seconds = trio.current_time() - began
        moved = max(sum(alice.traffic.total()), sum(bob.traffic.total()))
        assert moved <= 400_000 * (seconds + 0.6) + 262_144 + PORTION_BYTES_MAX
        assert bob.connected_peers()


@pytest.mark.trio
@pytest.mark.network
async def test_a_stream_that_is_granted_little_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library gives up a stream on which it may not send for five seconds."""
    from p2pcommons.net import grants, muxer

    monkeypatch.setattr(grants, "DRIP_SECONDS", 0.1)
    monkeypatch.setattr(muxer.GuardedStream, "patience_s", 0.4)
    async with (
        host("alice", limits=HostLimits(bytes_per_second=1_000)) as alice,
        host("bob", limits=HostLimits(stream_writes_seconds_max=0.4)) as bob,
    ):
        alice.set_stream_handler("/swallow", _swallow)
        await connect(bob, alice)
        stream = await bob.open_stream(alice.peer_id, "/swallow")
        # The first window is for free and owed afterwards, for minutes.
        await stream.write_frame(bytes(264_000))
        await until(lambda: alice.traffic.of(bob.peer_id)[0] > 264_000)
        await stream.close()
        assert bob.connected_peers()


@pytest.mark.trio
@pytest.mark.network
async def test_without_a_limit_nothing_is_paced() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        assert alice.pace is None
        async with await bob.open_stream(alice.peer_id, ECHO) as stream:
            await stream.write_frame(bytes(900_000))
            assert len(await stream.read_frame(1 << 20) or b"") == 900_000
