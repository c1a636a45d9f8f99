"""Rows of the attack table about relays: those that lie to a node, floods of one that relays."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from attack_rows import PLAIN, PUBLIC, Field, row, watched_door
from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.host import Host, open_host
from p2pcommons.net.nat_messages import DCUTR_PROTOCOL, PunchMessage, encode_punch
from p2pcommons.net.relay import RelayLimits
from p2pcommons.net.relay_messages import (
    HOP_PROTOCOL,
    MESSAGE_BYTES_MAX,
    STOP_PROTOCOL,
    Granted,
    RelayRefusal,
    Status,
    decode_ask,
    decode_status,
    encode_connect,
    encode_reserve,
    encode_status,
    encode_stop,
    encode_stop_status,
)
from raw_peer import peer_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from p2pcommons.net.frames import FrameStream

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
MACHINES_PEERS = 40
"""Identities that one machine comes with."""
PAUSE_SECONDS = 0.05


@asynccontextmanager
async def liar(
    field: Field, answer: Callable[[FrameStream], Awaitable[None]]
) -> AsyncGenerator[Host]:
    """A host that the victim is connected with and takes for a relay."""
    async with open_host(os.urandom(32), [LOOPBACK]) as host:
        host.set_stream_handler(HOP_PROTOCOL, answer)
        await stay_connected(host, field)
        yield host


async def stay_connected(host: Host, field: Field) -> bool:
    """Dial the victim unless it is connected; whether it is now."""
    if host.connected_peers():
        return True
    report = await host.dial(peer_of(field.address), [field.address], 3.0)
    return report.connected


async def read_ask(stream: FrameStream) -> str | None:
    """What the victim asks of its relay: a peer id, or None for a reservation."""
    asked = decode_ask(await stream.read_message(MESSAGE_BYTES_MAX) or b"")
    return asked.peer_id


# --- a relay that lies to the victim ----------------------------------------------------------


@row(PLAIN, "a relay that promises places for centuries at 10,000 addresses")
async def relay_with_absurd_places(field: Field) -> None:
    async def answer(stream: FrameStream) -> None:
        await read_ask(stream)
        field.count("asked for a place")
        everywhere = tuple(f"/ip4/10.{each >> 8}.{each & 255}.1/tcp/1" for each in range(150))
        with suppress(NetworkError):
            await stream.write_message(
                encode_status(Status.OK, Granted(2**62, everywhere, 2**32 - 1, 2**62))
            )

    async with liar(field, answer) as host:
        while True:
            await stay_connected(host, field)
            await trio.sleep(0.5)


async def brings(
    field: Field, behaves: Callable[[Host, FrameStream], Awaitable[None]], pause: float
) -> None:
    """Give the victim a place, then bring circuits to it that behave in some way."""

    async def answer(stream: FrameStream) -> None:
        await read_ask(stream)
        await stream.write_message(encode_status(Status.OK, Granted(2**31, (), 7_200, 0)))
        field.count("places")

    async with liar(field, answer) as host, trio.open_nursery() as nursery:
        while True:
            if await stay_connected(host, field) and field.counted["places"]:
                nursery.start_soon(_bring_one, field, host, behaves)
            await trio.sleep(pause)


async def _bring_one(
    field: Field, host: Host, behaves: Callable[[Host, FrameStream], Awaitable[None]]
) -> None:
    with suppress(NetworkError, RejectedError):
        async with await host.open_stream(peer_of(field.address), STOP_PROTOCOL) as stream:
            await stream.write_message(encode_stop(host.peer_id, 7_200, 0))
            await stream.read_message(MESSAGE_BYTES_MAX)
            field.count("circuits")
            await behaves(host, stream)


@row(PLAIN, "a relay that brings circuits and then says nothing on them")
async def relay_that_is_silent(field: Field) -> None:
    async def behaves(_host: Host, _stream: FrameStream) -> None:
        await trio.sleep_forever()

    await brings(field, behaves, PAUSE_SECONDS)


@row(PLAIN, "a relay that sends garbage on its circuits as fast as it can")
async def relay_that_floods(field: Field) -> None:
    async def behaves(_host: Host, stream: FrameStream) -> None:
        while True:
            await stream.write(os.urandom(65_536))
            field.count("kB", 64)

    await brings(field, behaves, PAUSE_SECONDS)


@row(PLAIN, "a relay that cuts each circuit in the middle of the handshake")
async def relay_that_truncates(field: Field) -> None:
    async def behaves(_host: Host, stream: FrameStream) -> None:
        await stream.write(b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20" + os.urandom(9))

    await brings(field, behaves, PAUSE_SECONDS)


@row(
    PLAIN,
    "a relay that connects with another peer than the one asked for",
    name="relay that misdirects",
)
async def relay_that_misdirects(field: Field) -> None:
    """The victim is told of a friend behind this relay; whoever answers there is somebody else."""
    async with (
        open_host(os.urandom(32), [LOOPBACK]) as other,
        open_host(os.urandom(32), [LOOPBACK]) as host,
    ):

        async def answer(stream: FrameStream) -> None:
            if await read_ask(stream) is None:
                await stream.write_message(encode_status(Status.OK, Granted(2**31, (), 0, 0)))
                return
            field.count("circuits asked for")
            await host.dial(other.peer_id, other.addresses())
            async with await host.open_stream(other.peer_id, STOP_PROTOCOL) as end:
                await end.write_message(encode_stop(peer_of(field.address), 0, 0))
                await end.read_message(MESSAGE_BYTES_MAX)
                await stream.write_message(encode_status(Status.OK, Granted()))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_pass_on, stream, end)
                    nursery.start_soon(_pass_on, end, stream)

        other.circuits.accept_from.add(host.peer_id)
        host.set_stream_handler(HOP_PROTOCOL, answer)
        ghost = await _nobody()
        relay = host.addresses()[0]
        field.tell(f"peers add {relay}/p2p-circuit/p2p/{ghost}")
        while True:
            await trio.sleep(0.5)
            field.must(
                peer_of(field.address) not in other.connected_peers(),
                "somebody else was taken for the peer that was asked for",
            )


async def _nobody() -> str:
    """The id of a peer that is nowhere."""
    async with open_host(os.urandom(32), []) as host:
        return host.peer_id


async def _pass_on(one: FrameStream, other: FrameStream) -> None:
    with suppress(NetworkError):
        while data := await one.read(65_536):
            await other.write(data)
        await other.close()


# --- floods of a node that relays -------------------------------------------------------------


@asynccontextmanager
async def crowd(count: int) -> AsyncGenerator[list[Host]]:
    """Hosts with identities of their own."""
    async with trio.open_nursery() as nursery:
        hosts: list[Host] = []
        ready = trio.Event()

        async def one() -> None:
            async with open_host(os.urandom(32), []) as host:
                hosts.append(host)
                if len(hosts) == count:
                    ready.set()
                await trio.sleep_forever()

        for _ in range(count):
            nursery.start_soon(one)
        await ready.wait()
        yield hosts
        nursery.cancel_scope.cancel()


async def asked(host: Host, relay: str, message: bytes) -> str:
    """Ask a relay something; the name of its answer."""
    try:
        async with await host.open_stream(relay, HOP_PROTOCOL) as stream:
            await stream.write_message(message)
            decode_status(await stream.read_message(MESSAGE_BYTES_MAX) or b"")
    except RelayRefusal as error:
        return Status(error.status).name
    except (NetworkError, RejectedError):
        return "no answer"
    return "OK"


@row(PUBLIC, "40 identities of one machine ask for places without end")
async def relay_places_flood(field: Field) -> None:
    relay = peer_of(field.address)
    async with crowd(MACHINES_PEERS) as hosts, trio.open_nursery() as nursery:
        held: set[str] = set()

        async def one(host: Host) -> None:
            while True:
                await stay_connected(host, field)
                said = await asked(host, relay, encode_reserve())
                field.count("places" if said == "OK" else "refusals")
                if said == "OK":
                    held.add(host.peer_id)
                field.must(len(held) <= 16, "one machine took more than 16 places")
                await trio.sleep(PAUSE_SECONDS)

        for host in hosts:
            nursery.start_soon(one, host)


async def take_circuits(
    field: Field, hosts: list[Host], carry: Callable[[FrameStream], Awaitable[None]]
) -> None:
    """One half of the hosts reserves, the other half opens circuits to it and does something."""
    relay = peer_of(field.address)
    ends, sources = hosts[: len(hosts) // 2], hosts[len(hosts) // 2 :]

    async def stop(stream: FrameStream) -> None:
        await stream.read_message(MESSAGE_BYTES_MAX)
        await stream.write_message(encode_stop_status(Status.OK))
        await carry(stream)

    async def open_one(source: Host, end: Host) -> None:
        while True:
            with suppress(NetworkError, RejectedError):
                await stay_connected(source, field)
                async with await source.open_stream(relay, HOP_PROTOCOL) as stream:
                    await stream.write_message(encode_connect(end.peer_id))
                    decode_status(await stream.read_message(MESSAGE_BYTES_MAX) or b"")
                    field.count("circuits")
                    await carry(stream)
            await trio.sleep(0.5)

    async with trio.open_nursery() as nursery:
        for end in ends:
            end.set_stream_handler(STOP_PROTOCOL, stop, 64)
            await stay_connected(end, field)
            await asked(end, relay, encode_reserve())
        for source in sources:
            for end in ends:
                for _ in range(2):
                    nursery.start_soon(open_one, source, end)


@row(PUBLIC, "twelve strangers take every circuit and let them idle")
async def relay_circuits_flood(field: Field) -> None:
    async def carry(stream: FrameStream) -> None:
        while True:
            await stream.write(b".")
            await trio.sleep(5)

    async with crowd(12) as hosts:
        await take_circuits(field, hosts, carry)


@row(PUBLIC, "strangers pump bytes through circuits as fast as the relay takes them")
async def relay_bytes_flood(field: Field) -> None:
    async def carry(stream: FrameStream) -> None:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                while await stream.read(65_536):
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(read)
            while True:
                await stream.write(bytes(65_536))
                field.count("kB", 64)

    async with crowd(4) as hosts:
        await take_circuits(field, hosts, carry)


# --- hole punching ----------------------------------------------------------------------------


@row(
    PLAIN, "asks over a relay to be dialled at the doors of others", name="hole punching at others"
)
async def punches_at_others(field: Field) -> None:
    """The victim has a place at the attacker's relay; a second host comes over it."""
    async with (
        watched_door(field) as port,
        open_host(os.urandom(32), [LOOPBACK]) as relay,
        open_host(os.urandom(32), [LOOPBACK]) as host,
    ):
        relay.circuits.relay_for_others(RelayLimits(), lambda _peer_id: True)
        victim = peer_of(field.address)
        doors = tuple(f"/ip4/127.0.0.9/tcp/{port}" for _ in range(8))
        while True:
            await stay_connected(relay, field)
            if not host.connected_peers() or host.path_to(victim)[0] != "relayed":
                await host.dial(victim, [f"{relay.addresses()[0]}/p2p-circuit"])
            with suppress(NetworkError, RejectedError):
                stream = await host.open_stream(victim, DCUTR_PROTOCOL)
                async with stream:
                    field.count("attempts")
                    await stream.write_message(encode_punch(PunchMessage(False, doors)))
                    await stream.read_message(MESSAGE_BYTES_MAX)
                    await stream.write_message(encode_punch(PunchMessage(True)))
            await trio.sleep(0.2)
