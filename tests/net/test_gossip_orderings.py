"""Gossip's streams, opened while connections come and go: one each way, and all topics told."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio

from .hosts import connect, until
from .test_gossip import TOPIC, all_good, crowd, receive

if TYPE_CHECKING:
    from p2pcommons.net.host import Host

pytestmark = [pytest.mark.trio, pytest.mark.network]

OTHER = "/p2pcommons/1/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"


def gossip_streams(host: Host) -> list[Any]:
    """Those that this host opened."""
    return [
        stream
        for connection in host.swarm.get_connections()
        for stream in connection.get_streams()
        if "meshsub" in str(stream.get_protocol()) and stream.muxed_stream.is_initiator
    ]


async def test_neighbour_that_is_told_several_times_at_once_gets_one_gossip_stream() -> None:
    async with AsyncExitStack() as stack:
        (ana, gossip, back), (bob, other, channel) = await crowd(stack, "ana", "bob")
        await connect(ana, bob)
        await until(lambda: bool(gossip.pubsub.peers and other.pubsub.peers))
        (peer_id,) = gossip.pubsub.peers
        gossip.pubsub._handle_dead_peer(peer_id)
        async with trio.open_nursery() as nursery:
            for _ in range(3):  # as often as a connection is told
                nursery.start_soon(gossip.pubsub._handle_new_peer, peer_id)
        await until(lambda: len(gossip_streams(ana)) == 1)
        await until(lambda: other.listeners(TOPIC) != () and gossip.listeners(TOPIC) != ())
        await gossip.publish(TOPIC, b"there")
        assert await receive(channel) == b"there"
        await other.publish(TOPIC, b"and back")
        assert await receive(back) == b"and back"


async def test_gossip_stream_whose_connection_ends_while_it_is_opened_is_opened_on_another() -> (
    None
):
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, _, channel) = await crowd(stack, "ana", "bob")
        await connect(ana, bob)
        await until(lambda: bool(gossip.pubsub.peers))
        (peer_id,) = gossip.pubsub.peers
        await ana.swarm.dial_addr(
            ana.swarm.get_connections()[0].get_transport_addresses()[0], peer_id
        )
        await until(lambda: len(bob.swarm.get_connections()) == 2)
        client: Any = ana.library_host.multiselect_client
        agree = client.select_one_of

        async def agree_as_the_connection_ends(names: Any, communicator: Any, *rest: Any) -> Any:
            client.select_one_of = agree
            communicator.read_writer.muxed_conn.abort("cut")
            return await agree(names, communicator, *rest)

        client.select_one_of = agree_as_the_connection_ends
        gossip.pubsub._handle_dead_peer(peer_id)
        await until(lambda: len(ana.swarm.get_connections()) == 1)
        await until(lambda: bool(gossip.pubsub.peers) and gossip.listeners(TOPIC) != ())
        await gossip.publish(TOPIC, b"on the other one")
        assert await receive(channel) == b"on the other one"


async def test_topic_that_is_joined_while_a_neighbour_is_greeted_is_told_it() -> None:
    async with AsyncExitStack() as stack:
        (ana, gossip, _), (bob, other, _) = await crowd(stack, "ana", "bob")
        greet = gossip.pubsub.get_hello_packet
        async with trio.open_nursery() as nursery:

            def join_meanwhile() -> Any:
                greeting = greet()
                gossip.pubsub.get_hello_packet = greet
                nursery.start_soon(gossip.subscribe, OTHER, all_good)
                nursery.start_soon(gossip.unsubscribe, TOPIC)
                return greeting

            gossip.pubsub.get_hello_packet = join_meanwhile
            await connect(ana, bob)
            await until(lambda: other.listeners(OTHER) == (ana.peer_id,))
            await until(lambda: other.listeners(TOPIC) == ())
