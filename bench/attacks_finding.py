"""Rows of the attack table about finding each other: dial-backs and the directory of holders."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import base58
import trio

from attack_rows import PLAIN, PUBLIC, Field, row, watched_door
from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.host import Host, open_host
from p2pcommons.net.nat_messages import (
    AUTONAT_PROTOCOL,
    MESSAGE_BYTES_MAX,
    DialStatus,
    decode_dial_answer,
    encode_dial,
)
from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.kademlia import provider_key
from p2pcommons.protocol.kademlia_messages import (
    KAD_PROTOCOL,
    Contact,
    Kind,
    Message,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.kademlia_messages import MESSAGE_BYTES_MAX as KAD_BYTES_MAX
from p2pcommons.protocol.offers import OFFERS_PROTOCOL, encode_question
from p2pcommons.protocol.peer_records import PEERS_PROTOCOL, RECORDS_BYTES_MAX
from raw_peer import peer_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from p2pcommons.net.frames import FrameStream

PAUSE_SECONDS = 0.02


async def talk(
    field: Field,
    protocol: str,
    say: Callable[[Host, FrameStream], Awaitable[None]],
    *,
    listen: bool = False,
) -> None:
    """Open stream after stream of a protocol and say something on each."""
    victim = peer_of(field.address)
    async with open_host(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"] if listen else []) as host:
        while True:
            if not host.connected_peers():
                await host.dial(victim, [field.address], 3.0)
            with suppress(NetworkError, RejectedError, trio.TooSlowError):
                with trio.fail_after(10):
                    async with await host.open_stream(victim, protocol) as stream:
                        field.count("streams")
                        await say(host, stream)
            await trio.sleep(PAUSE_SECONDS)


# --- dial-backs -------------------------------------------------------------------------------


@row(PLAIN, "asks to be dialled back at the doors of others", name="dial-back reflection")
async def reflects_dial_backs(field: Field) -> None:
    async with watched_door(field) as port:
        doors = [f"/ip4/127.0.0.9/tcp/{port}", f"/ip4/10.1.2.3/tcp/{port}", "/ip6/::1/tcp/22"]

        async def say(host: Host, stream: FrameStream) -> None:
            await stream.write_message(encode_dial(host.peer_id, doors * 5))
            answer = decode_dial_answer(await stream.read_message(MESSAGE_BYTES_MAX) or b"")
            field.count(DialStatus(answer.status).name.lower())

        await talk(field, AUTONAT_PROTOCOL, say)


@row(PLAIN, "asks to be dialled back at sixteen of its own ports, again and again")
async def dial_backs_at_many_ports(field: Field) -> None:
    async with trio.open_nursery() as nursery:
        ports: list[int] = []

        async def count(listener: trio.SocketListener) -> None:
            async with listener:
                while True:
                    await trio.aclose_forcefully(await listener.accept())
                    field.count("dials")

        for _ in range(16):
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            ports.append(listener.socket.getsockname()[1])
            nursery.start_soon(count, listener)

        async def say(host: Host, stream: FrameStream) -> None:
            own = [f"/ip4/127.0.0.1/tcp/{port}" for port in ports]
            await stream.write_message(encode_dial(host.peer_id, own))
            answer = decode_dial_answer(await stream.read_message(MESSAGE_BYTES_MAX) or b"")
            field.count(DialStatus(answer.status).name.lower())
            # Four questions and one each minute, three addresses each.
            field.must(field.counted["dials"] <= 18, "one machine was dialled more than 18 times")

        await talk(field, AUTONAT_PROTOCOL, say, listen=True)


# --- the directory ----------------------------------------------------------------------------


def someone() -> str:
    """The id of a peer that does not exist."""
    return base58.b58encode(PEER_ID_PREFIX + os.urandom(32)).decode()


@row(PUBLIC, "tells the directory of holders that do not exist", name="directory: fake holders")
async def tells_of_fake_holders(field: Field) -> None:
    key = provider_key(field.commons)
    fakes = [someone() for _ in range(20)]

    async def say(_host: Host, stream: FrameStream) -> None:
        for _ in range(60):
            others = tuple(Contact(each, ("/ip4/127.0.0.9/tcp/1",)) for each in fakes)
            await stream.write_message(encode_message(Message(Kind.ADD_PROVIDER, key, (), others)))
            field.count("messages")
        await stream.write_message(encode_message(Message(Kind.GET_PROVIDERS, key)))
        answer = decode_message(await stream.read_message(KAD_BYTES_MAX) or b"")
        named = {each.peer_id for each in answer.providers}
        field.must(not named & set(fakes), "it names holders that a third peer made up")

    await talk(field, KAD_PROTOCOL, say)


@row(PUBLIC, "messages of 64 KiB to the directory", name="directory: huge messages")
async def sends_huge_records(field: Field) -> None:
    contact = Contact(someone(), tuple(f"/ip4/127.0.0.9/tcp/{each}" for each in range(1, 9)))
    one = encode_message(Message(Kind.FIND_NODE, os.urandom(32), (contact,)))
    tail = one[one.index(b"\x42", 30) :]
    huge = one + tail * ((KAD_BYTES_MAX - len(one)) // len(tail))

    async def say(_host: Host, stream: FrameStream) -> None:
        for _ in range(60):
            await stream.write_message(huge)
            field.count("kB", len(huge) // 1_000)
            await stream.read_message(KAD_BYTES_MAX)

    await talk(field, KAD_PROTOCOL, say)


@row(PUBLIC, "asks the directory as fast as it can", name="directory: questions")
async def asks_the_directory(field: Field) -> None:
    async def say(_host: Host, stream: FrameStream) -> None:
        for _ in range(60):
            message = Message(Kind.FIND_NODE, os.urandom(32))
            await stream.write_message(encode_message(message))
            await stream.read_message(KAD_BYTES_MAX)
            field.count("answers")

    await talk(field, KAD_PROTOCOL, say)


@row(PUBLIC, "bytes that are no message to the directory", name="directory: garbage")
async def sends_the_directory_garbage(field: Field) -> None:
    async def say(_host: Host, stream: FrameStream) -> None:
        await stream.write_message(os.urandom(2_000))
        field.count("messages")
        await stream.read_message(KAD_BYTES_MAX)

    await talk(field, KAD_PROTOCOL, say)


# --- peers of peers, what is offered ----------------------------------------------------------


@row(PUBLIC, "garbage where peers tell each other records", name="peer records: garbage")
async def tells_garbage_records(field: Field) -> None:
    async def say(_host: Host, stream: FrameStream) -> None:
        await stream.write_frame(os.urandom(RECORDS_BYTES_MAX // 2))
        field.count("frames")
        await stream.read_frame(RECORDS_BYTES_MAX)

    await talk(field, PEERS_PROTOCOL, say)


@row(PUBLIC, "asks without end what is offered", name="offers: questions")
async def asks_for_offers(field: Field) -> None:
    async def say(_host: Host, stream: FrameStream) -> None:
        await stream.write_frame(encode_question([os.urandom(32) for _ in range(16)]))
        field.count("questions")
        await stream.read_frame(70_000)

    await talk(field, OFFERS_PROTOCOL, say)
