"""Circuits through a relay: real hosts on loopback of which two never see each other's address."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net import circuits as circuits_module
from p2pcommons.net import relay as relay_module
from p2pcommons.net.relay import Relay, RelayLimits
from p2pcommons.net.relay_messages import (
    HOP_PROTOCOL,
    MESSAGE_BYTES_MAX,
    STOP_PROTOCOL,
    Granted,
    RelayRefusal,
    Status,
    decode_status,
    decode_stop_status,
    encode_connect,
    encode_reserve,
    encode_status,
    encode_stop,
)

from .hosts import ECHO, connect, host, says_back, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

pytestmark = pytest.mark.network


@asynccontextmanager
async def relaying(
    limits: RelayLimits | None = None,
) -> AsyncGenerator[tuple[Host, Relay, Host, Host]]:
    """A relay, and alice who has a reservation there; bob knows nobody yet."""
    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        service = Relay(relay, limits or RelayLimits())
        service.serve()
        await connect(alice, relay)
        await alice.circuits.reserve(relay.peer_id)
        yield relay, service, alice, bob


def circuit_to(relay: Host, peer: Host) -> str:
    return f"{relay.addresses()[0]}/p2p-circuit/p2p/{peer.peer_id}"


@pytest.mark.trio
async def test_two_peers_meet_over_a_relay_that_one_of_them_reserved() -> None:
    no_limits = RelayLimits(circuit_bytes_max=0, circuit_seconds_max=0)
    async with relaying(no_limits) as (relay, service, alice, bob):
        address = circuit_to(relay, alice)
        report = await bob.dial(alice.peer_id, [address])
        assert report.connected, report.summary
        assert bob.path_to(alice.peer_id) == ("relayed", relay.peer_id)
        await until(lambda: alice.path_to(bob.peer_id) == ("relayed", relay.peer_id))
        assert bob.path_to(relay.peer_id) == ("direct", None)
        assert await says_back(bob, alice)
        assert await says_back(alice, bob, bytes(200_000))
        assert service.circuits == service.reservations == 1
        assert service.carried_bytes > 400_000
        assert bob.dialled_addresses(alice.peer_id) == (address.rpartition("/p2p/")[0],)
        await bob.disconnect(alice.peer_id)
        await until(lambda: bob.peer_id not in alice.connected_peers())
        await until(lambda: service.circuits == 0)
        assert relay.peer_id in alice.connected_peers()


async def ask(host: Host, relay: Host, message: bytes) -> Granted:
    """Say something to a relay and return its answer."""
    stream = await host.open_stream(relay.peer_id, HOP_PROTOCOL)
    async with stream:
        await stream.write_message(message)
        answer = await stream.read_message(MESSAGE_BYTES_MAX)
        assert answer is not None
        return decode_status(answer)


@pytest.mark.trio
async def test_ways_over_a_relay_keep_the_relays_name_also_where_identify_tells_them() -> None:
    async with host("alice") as alice, host("relay") as relay:
        way = f"{relay.addresses()[0]}/p2p-circuit"
        alice.set_announced("circuits", [way])
        alice.set_announced("public", ["/ip4/192.0.2.1/tcp/4001", f"{way}/p2p/{alice.peer_id}"])
        assert alice.addresses()[1:] == [
            f"{way}/p2p/{alice.peer_id}",
            f"/ip4/192.0.2.1/tcp/4001/p2p/{alice.peer_id}",
        ]
        assert [str(each) for each in alice.library_host.get_addrs()] == alice.addresses()
        alice.set_announced("circuits", [])
        alice.set_announced("public", [])
        assert len(alice.addresses()) == 1


@pytest.mark.trio
async def test_the_relay_says_why_not() -> None:
    limits = RelayLimits(circuits_max=1)
    async with relaying(limits) as (relay, service, alice, bob), host("cleo") as cleo:
        await connect(bob, relay)
        address = circuit_to(relay, alice)
        assert (await bob.dial(cleo.peer_id, [circuit_to(relay, cleo)])).summary.endswith(
            "the relay has no reservation for it"
        )
        assert (await bob.dial(alice.peer_id, [address])).connected
        refused = await cleo.dial(alice.peer_id, [address])
        assert refused.tried == ((address, "the relay refuses: limit reached"),)
        with pytest.raises(RelayRefusal) as nonsense:
            await ask(bob, relay, b"\xff\xff")
        assert nonsense.value.status == Status.MALFORMED_MESSAGE
        with pytest.raises(RelayRefusal) as itself:
            await ask(alice, relay, encode_connect(alice.peer_id))
        assert itself.value.status == Status.NO_RESERVATION
        assert service.refused == 4
        # Over a circuit nobody relays: circuits within circuits would have no end.
        Relay(alice, RelayLimits()).serve()
        with pytest.raises(RelayRefusal) as nested:
            await ask(bob, alice, encode_reserve())
        assert nested.value.status == Status.PERMISSION_DENIED
        no_relay = f"{bob.addresses()[0]}/p2p-circuit/p2p/{alice.peer_id}"
        assert "it does not relay" in (await cleo.dial(alice.peer_id, [no_relay])).summary


@pytest.mark.trio
async def test_places_and_questions_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "RESERVATIONS_MAX", 1)
    friends: set[str] = set()
    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        service = Relay(relay, RelayLimits(), friends.__contains__)
        service.serve()
        await connect(alice, relay)
        await connect(bob, relay)
        await alice.circuits.reserve(relay.peer_id)
        with pytest.raises(RelayRefusal, match="no room"):
            await bob.circuits.reserve(relay.peer_id)
        # Who shares something with the relay takes the place of a stranger, and keeps it.
        friends.add(bob.peer_id)
        assert (await bob.circuits.reserve(relay.peer_id)).circuit_seconds == 7_200
        with pytest.raises(RelayRefusal):
            await alice.circuits.reserve(relay.peer_id)
        for _ in range(relay_module.ASKS_BURST):
            with suppress(RelayRefusal):
                await alice.circuits.reserve(relay.peer_id)
        with pytest.raises(RelayRefusal) as flooded:
            await alice.circuits.reserve(relay.peer_id)
        assert flooded.value.status == Status.PERMISSION_DENIED
        await bob.disconnect(relay.peer_id)
        await until(lambda: service.reservations == 0)


@pytest.mark.trio
@pytest.mark.parametrize("limits", [RelayLimits(circuit_bytes_max=100_000)])
async def test_a_circuit_ends_at_its_limits(limits: RelayLimits) -> None:
    async with relaying(limits) as (relay, service, alice, bob):
        assert (await bob.dial(alice.peer_id, [circuit_to(relay, alice)])).connected
        with suppress(NetworkError):
            await says_back(bob, alice, bytes(400_000))
        await until(lambda: alice.peer_id not in bob.connected_peers())
        await until(lambda: service.circuits == 0)
        assert service.carried_bytes < limits.circuit_bytes_max + 200_000
        # Both are still with the relay, and may ask again.
        assert relay.peer_id in bob.connected_peers()
        assert (await bob.dial(alice.peer_id, [circuit_to(relay, alice)])).connected
        assert await says_back(bob, alice)


@pytest.mark.trio
async def test_time_ends_a_circuit() -> None:
    limits = RelayLimits(circuit_seconds_max=1)
    async with relaying(limits) as (relay, service, alice, bob):
        assert (await bob.dial(alice.peer_id, [circuit_to(relay, alice)])).connected
        await until(lambda: alice.peer_id not in bob.connected_peers())
        await until(lambda: service.circuits == 0)


@pytest.mark.trio
async def test_a_relay_that_dies_takes_its_circuits_along_and_dialling_says_so() -> None:
    async with host("alice") as alice, host("bob") as bob:
        async with host("relay") as relay:
            Relay(relay, RelayLimits()).serve()
            await connect(alice, relay)
            await alice.circuits.reserve(relay.peer_id)
            address = circuit_to(relay, alice)
            assert (await bob.dial(alice.peer_id, [address])).connected
        await until(lambda: not bob.connected_peers() and not alice.connected_peers())
        report = await bob.dial(alice.peer_id, [address])
        assert report.tried == ((address, "the relay is gone: nobody listens there"),)


@pytest.mark.trio
async def test_the_direct_connection_takes_over_and_the_circuit_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(circuits_module, "RETIRE_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(circuits_module, "RETIRE_SECONDS", 0.2)
    async with relaying() as (relay, service, alice, bob):
        assert (await bob.dial(alice.peer_id, [circuit_to(relay, alice)])).connected
        long = await bob.open_stream(alice.peer_id, ECHO)
        report = await bob.dial_direct(
            alice.peer_id, [circuit_to(relay, alice), *alice.addresses()]
        )
        assert report.connected
        assert bob.path_to(alice.peer_id) == ("direct", None)
        await trio.sleep(0.5)
        # What began on the circuit is not cut.
        await long.write_frame(b"still there")
        assert await long.read_frame(100) == b"still there"
        assert service.circuits == 1
        await long.close()
        await until(lambda: service.circuits == 0)
        assert await says_back(bob, alice)
        assert await says_back(alice, bob)


@pytest.mark.trio
async def test_direct_addresses_come_first() -> None:
    async with relaying() as (relay, service, alice, bob):
        report = await bob.dial(alice.peer_id, [circuit_to(relay, alice), *alice.addresses()])
        assert report.connected
        assert bob.path_to(alice.peer_id) == ("direct", None)
        assert relay.peer_id not in bob.connected_peers()
        assert service.circuits == 0


# A relay that lies


async def answering(relay: Host, answer: Callable[[FrameStream, bytes], Awaitable[None]]) -> None:
    async def on_stream(stream: FrameStream) -> None:
        asked = await stream.read_message(MESSAGE_BYTES_MAX)
        if asked is not None:
            await answer(stream, asked)

    relay.set_stream_handler(HOP_PROTOCOL, on_stream)


@pytest.mark.trio
async def test_a_relay_that_leads_to_somebody_else_is_found_out() -> None:
    async with (
        host("relay") as relay,
        host("alice") as alice,
        host("bob") as bob,
        host("eve") as eve,
    ):

        async def misdirect(stream: FrameStream, asked: bytes) -> None:
            end = await relay.open_stream(eve.peer_id, STOP_PROTOCOL)
            await end.write_message(encode_stop(stream.peer_id, 100, 1_000_000))
            await end.read_message(MESSAGE_BYTES_MAX)
            await stream.write_message(encode_status(Status.OK))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, stream, end)
                await pump(end, stream)
                nursery.cancel_scope.cancel()

        await answering(relay, misdirect)
        await connect(eve, relay)
        eve.circuits.accept_from.add(relay.peer_id)
        address = circuit_to(relay, alice)
        report = await bob.dial(alice.peer_id, [address])
        assert report.tried == ((address, "the relay led to another peer"),)
        assert eve.peer_id not in bob.connected_peers()


async def pump(one: FrameStream, other: FrameStream) -> None:
    while data := await one.read(65_536):
        await other.write(data)


@pytest.mark.trio
async def test_a_circuit_that_is_cut_when_the_machine_wakes_up_leaves_the_host_running() -> None:
    """The ping that asks who is still there raised what ended all that goes on beside it."""
    async with relaying() as (relay, _service, alice, bob):
        report = await bob.dial(alice.peer_id, [circuit_to(relay, alice)])
        assert report.connected, report.summary
        (circuit,) = bob._open_to(alice.peer_id)
        circuit.muxed_conn.abort("a test cuts it")
        await bob.probe()
        await until(lambda: alice.peer_id not in bob.connected_peers())
        assert await says_back(bob, relay)


@pytest.mark.trio
@pytest.mark.parametrize("noise", [b"\x01" * 96, b"\x01" * 5, b"", bytes(96)])
async def test_garbage_instead_of_a_handshake_over_a_relay_is_a_failed_dial(noise: bytes) -> None:
    """What the cryptography raised went past the dial and ended the node."""
    lines = b"\x13/multistream/1.0.0\n" + b"\x07/noise\n"

    async def lie(stream: FrameStream, _: bytes) -> None:
        await stream.write_message(encode_status(Status.OK))
        await stream.write(lines + len(noise).to_bytes(2, "big") + noise)
        await stream.read(1)
        await trio.sleep(1)

    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        await answering(relay, lie)
        address = circuit_to(relay, alice)
        report = await bob.dial(alice.peer_id, [address])
        assert report.tried == ((address, "the relay cut the connection"),)
        assert await says_back(bob, relay)


@pytest.mark.trio
async def test_what_a_relay_promises_is_bounded() -> None:
    async with host("relay") as relay, host("bob") as bob:
        await connect(bob, relay)
        absurd = (
            Granted(2**63, ("/ip4/1.2.3.4/tcp/1",) * 100, 2**31, 2**62),
            Granted(1, (), 0, 0),
        )
        for promise, seconds in zip(absurd, (3_600, 120), strict=True):

            async def promised(stream: FrameStream, _: bytes, promise: Granted = promise) -> None:
                await stream.write_message(encode_status(Status.OK, promise))

            await answering(relay, promised)
            reservation = await bob.circuits.reserve(relay.peer_id)
            assert reservation.seconds == seconds
            assert len(reservation.addresses) <= 16

        async def endless(stream: FrameStream, _: bytes) -> None:
            with suppress(NetworkError):
                for _ in range(1_000):
                    await stream.write(b"\x80\x80\xff\x7f" + bytes(65_536))

        await answering(relay, endless)
        with pytest.raises(RejectedError):
            await bob.circuits.reserve(relay.peer_id)
        assert await says_back(bob, relay)


@pytest.mark.trio
async def test_a_relay_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits_module, "ANSWER_SECONDS_MAX", 0.3)

    async def silent(stream: FrameStream, _: bytes) -> None:
        await stream.read_message(10)

    async with host("relay") as relay, host("alice") as alice, host("bob") as bob:
        await answering(relay, silent)
        await connect(bob, relay)
        with pytest.raises(NetworkError, match="does not answer"):
            await bob.circuits.reserve(relay.peer_id)
        report = await bob.dial(alice.peer_id, [circuit_to(relay, alice)])
        assert report.tried[0][1] == "the relay does not answer"


@pytest.mark.trio
async def test_nobody_brings_circuits_but_the_relays_that_were_asked() -> None:
    async with relaying() as (relay, _service, alice, bob):
        await connect(bob, alice)
        stream = await bob.open_stream(alice.peer_id, STOP_PROTOCOL)
        await stream.write_message(encode_stop(relay.peer_id, 1, 1))
        answer = await stream.read_message(MESSAGE_BYTES_MAX)
        assert answer is not None
        assert decode_stop_status(answer) == Status.PERMISSION_DENIED
        stream = await bob.open_stream(alice.peer_id, STOP_PROTOCOL)
        await stream.write_message(b"\x08\x07")
        assert await stream.read_message(MESSAGE_BYTES_MAX) is None
