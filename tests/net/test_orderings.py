"""Whatever ends while something else begins: nothing stays counted, cut or believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from p2pcommons.net.relay import Relay, RelayLimits

from .hosts import ECHO, connect, host, says_back, until

if TYPE_CHECKING:
    from p2pcommons.net.frames import FrameStream

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def test_several_probes_of_one_connection_at_once_do_not_cut_it() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        muxed = alice.swarm.get_connections()[0].muxed_conn
        async with trio.open_nursery() as nursery:
            nursery.start_soon(muxed.probe)
            nursery.start_soon(muxed.probe)
        assert muxed.ended_because == ""
        assert await says_back(alice, bob)


@pytest.mark.parametrize("what", ["a pause", "a block"])
async def test_who_connects_in_the_moment_of_a_pause_or_a_block_is_put_out(what: str) -> None:
    async with host("alice") as alice, host("bob") as bob:
        add_conn = alice._inner_add_conn

        async def add_then_pause(*args: object) -> object:
            """The same, and a person pauses before the connection is there to be hung up on."""
            if what == "a pause":
                alice.gate.is_paused = True
                for peer_id in alice.connected_peers():
                    await alice.disconnect(peer_id)
            else:
                await alice.block(bob.peer_id, 60)
            return await add_conn(*args)

        alice._inner_add_conn = add_then_pause
        await bob.dial(alice.peer_id, alice.addresses())
        await until(lambda: not alice.gate.by_peer and not bob.connected_peers())
        assert alice.connected_peers() == ()


async def test_a_place_at_a_relay_is_not_believed_beyond_the_connection_it_was_given_on() -> None:
    async with host("alice") as alice, host("relay") as relay:
        Relay(relay, RelayLimits()).serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        given_on = alice.swarm.get_connections()[0]
        # The relay comes again, from elsewhere or started anew, before its end is noticed.
        await relay.swarm.dial_addr(
            alice.library_host.get_transport_addrs()[0], alice.library_host.get_id()
        )
        await until(lambda: len(alice.swarm.get_connections()) == 2)
        assert alice.circuits.holds(relay.peer_id)
        given_on.muxed_conn.abort("no answer to a probe")
        await until(lambda: not alice.circuits.holds(relay.peer_id))
        assert alice.connected_peers() == (relay.peer_id,)


async def test_who_reads_from_a_stream_that_another_task_resets_gets_its_end() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        stream = await bob.open_stream(alice.peer_id, ECHO)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_reads_nothing, stream)
                await trio.testing.wait_all_tasks_blocked(0.05)
                await stream.reset()


async def test_who_reads_as_a_connection_ends_in_the_middle_of_a_frame_gets_the_end() -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        stream = await bob.open_stream(alice.peer_id, ECHO)
        (connection,) = bob.swarm.get_connections()
        muxed = connection.muxed_conn
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_reads_nothing, stream)
                await trio.testing.wait_all_tasks_blocked(0.05)
                async with muxed.streams_lock:
                    nursery.start_soon(alice.swarm.get_connections()[0].new_stream)
                    await until(lambda: muxed.streams_lock.statistics().tasks_waiting == 1)
                    nursery.start_soon(connection.close)
                    await until(lambda: muxed.streams_lock.statistics().tasks_waiting == 2)
                    muxed.abort("it takes nothing")
        assert not bob.gate.by_peer


@pytest.mark.parametrize("is_stuck", [True, False])
async def test_a_stream_whose_opener_is_cancelled_is_not_kept(is_stuck: bool) -> None:
    async with host("alice") as alice, host("bob") as bob:
        await connect(bob, alice)
        (connection,) = bob.swarm.get_connections()
        muxed = connection.muxed_conn
        free = muxed.stream_backlog_semaphore.value
        for ticks in range(12):  # cancelled at each step on the way
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(bob.open_stream, alice.peer_id, ECHO)
                    if is_stuck:
                        async with muxed._write_lock:
                            await _ticks(ticks)
                            scope.cancel()
                            await _ticks(3)
                    await _ticks(ticks)
                    scope.cancel()
        with trio.fail_after(5):
            while muxed.streams or connection.get_streams():
                await trio.sleep(0.05)
        assert muxed.stream_backlog_semaphore.value == free
        assert await says_back(bob, alice)


async def _ticks(count: int) -> None:
    with trio.CancelScope(shield=True):
        for _ in range(count):
            await trio.lowlevel.checkpoint()


async def _reads_nothing(stream: FrameStream) -> None:
    assert await stream.read(10) == b""
