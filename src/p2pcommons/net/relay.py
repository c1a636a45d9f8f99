"""Relays for others: brings peers that reserved a place here together with those who ask for them.

Circuit relay v2, https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md. What passes is
encrypted between the ends. Every number that others could drive up has a limit here; whoever is
over one gets the specification's status code.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.paths import relay_of
from p2pcommons.net.relay_messages import (
    HOP_PROTOCOL,
    MESSAGE_BYTES_MAX,
    STOP_PROTOCOL,
    Granted,
    Status,
    decode_ask,
    decode_stop_status,
    encode_status,
    encode_stop,
)
from p2pcommons.net.sockets import host_key
from p2pcommons.protocol.budget import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

log = paced_logger(__name__)

RESERVATION_SECONDS = 3_600
"""As in other implementations; whoever reserves asks again well before."""
RESERVATIONS_MAX = 128
"""Each needs an open connection, of which a host has 256."""
RESERVATIONS_PER_ADDRESS_MAX = 16
"""Several people behind one router; one machine cannot take all places."""
CIRCUITS_PER_PEER_MAX = 8
"""At either end. Who knows more peers than that has other relays for them, or waits."""
CIRCUITS_PER_PAIR_MAX = 2
"""Two arise when both dial at once; more have no use."""
STRANGERS_CIRCUITS_PER_ADDRESS_MAX = 4
"""Opened by people who share nothing with us from one machine: it cannot take all circuits."""
STREAMS_PER_PEER_MAX = 12
"""Circuits of one peer, and its questions beside them."""
ASKS_PER_SECOND, ASKS_BURST = 0.5, 30
"""Questions of one peer: each circuit makes us open a stream to somebody else."""
ASKERS_REMEMBERED_MAX = 1_024
ASK_SECONDS_MAX = 10.0
"""To say what is wanted, and as long again for the other end to answer."""
IDLE_SECONDS_MAX = 120.0
"""Both ends of an honest circuit ping each other several times a minute."""
GOODBYE_SECONDS = 5.0
"""For the other direction to end when one has."""
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """What the person who relays is willing to give."""

    circuits_max: int = 16
    circuit_bytes_max: int = 128 * 1024 * 1024
    """Both directions together; 0, here and below, as in the protocol: no limit."""
    circuit_seconds_max: int = 7_200


@dataclass(slots=True)
class _Place:
    """A reservation: it ends with the connection, or at its time."""

    machine: str
    until: float


@dataclass(eq=False, slots=True)
class _Carried:
    """A circuit, from the question for it to its end."""

    source: str
    target: str
    machine: str = ""
    """What its source counts as for the limits per address."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Cancelled when it has to make room for somebody known."""
    carried_bytes: int = 0
    is_over: bool = False


class Relay:
    """The relaying side of one host."""

    def __init__(
        self, host: Host, limits: RelayLimits, is_known: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._host = host
        self._limits = limits
        self._is_known = is_known
        """Who shares something with us gets a place before strangers."""
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._circuits: dict[_Carried, None] = {}
        self._asks: OrderedDict[str, TokenBucket] = OrderedDict()
        self._carried_bytes = 0
        self.refused = 0
        """Questions answered with no, since the start."""

    def serve(self) -> None:
        """Relay for whoever asks."""
        self._host.set_stream_handler(HOP_PROTOCOL, self._answer, STREAMS_PER_PEER_MAX)

    @property
    def reservations(self) -> int:
        """How many peers have a place now."""
        self._forget_gone()
        return len(self._places)

    @property
    def circuits(self) -> int:
        """How many circuits stand now."""
        return len(self._circuits)

    @property
    def carried_bytes(self) -> int:
        """What all circuits have carried, both directions, since the start."""
        return self._carried_bytes + sum(each.carried_bytes for each in self._circuits)

    # Questions

    async def _answer(self, stream: FrameStream) -> None:
        try:
            with trio.fail_after(ASK_SECONDS_MAX):
                data = await stream.read_message(MESSAGE_BYTES_MAX)
            if data is None:
                return
            asked = decode_ask(data)
        except trio.TooSlowError as error:
            raise NetworkError("did not say what it wants of a relay") from error
        except RejectedError:
            await self._refuse(stream, Status.MALFORMED_MESSAGE)
            return
        if relay_of(stream.address) is not None or not self._may_ask(stream.peer_id):
            # The specification wants no relaying over a relay: circuits of circuits have no end.
            await self._refuse(stream, Status.PERMISSION_DENIED)
        elif asked.peer_id is None:
            await self._reserve(stream)
        else:
            await self._connect(stream, asked.peer_id)

    async def _refuse(self, stream: FrameStream, status: Status) -> None:
        self.refused += 1
        log.info("relaying refused to %s: %s", stream.peer_id, status.name)
        await stream.write_message(encode_status(status))

    def _may_ask(self, peer_id: str) -> bool:
        bucket = self._asks.pop(peer_id, None) or TokenBucket(ASKS_PER_SECOND, ASKS_BURST)
        self._asks[peer_id] = bucket
        if len(self._asks) > ASKERS_REMEMBERED_MAX:
            self._asks.popitem(last=False)
        return bucket.take(1, trio.current_time())

    # Reservations

    async def _reserve(self, stream: FrameStream) -> None:
        endpoint = stream.remote_endpoint()
        machine = host_key(endpoint)
        self._forget_gone()
        if stream.peer_id not in self._places and not self._has_room(stream.peer_id, machine):
            await self._refuse(stream, Status.RESERVATION_REFUSED)
            return
        self._places[stream.peer_id] = _Place(machine, trio.current_time() + RESERVATION_SECONDS)
        own = tuple(each for each in self._host.addresses() if relay_of(each) is None)
        granted = Granted(int(time.time()) + RESERVATION_SECONDS, own[:8], *self._circuit_limits())
        await stream.write_message(encode_status(Status.OK, granted))

    def _circuit_limits(self) -> tuple[int, int]:
        return self._limits.circuit_seconds_max, self._limits.circuit_bytes_max

    def _has_room(self, peer_id: str, machine: str) -> bool:
        """Whether there is a place; somebody known takes that of a stranger."""
        here = Counter(place.machine for place in self._places.values())
        if here[machine] >= RESERVATIONS_PER_ADDRESS_MAX:
            return False
        if len(self._places) < RESERVATIONS_MAX:
            return True
        if not self._is_known(peer_id):
            return False
        stranger = next((each for each in self._places if not self._is_known(each)), None)
        if stranger is None:
            return False
        del self._places[stranger]
        return True

    def _forget_gone(self) -> None:
        connected = set(self._host.connected_peers())
        now = trio.current_time()
        for peer_id, place in list(self._places.items()):
            if peer_id not in connected or place.until <= now:
                del self._places[peer_id]

    # Circuits

    async def _connect(self, stream: FrameStream, target: str) -> None:
        self._forget_gone()
        if target not in self._places or target == stream.peer_id:
            await self._refuse(stream, Status.NO_RESERVATION)
            return
        circuit = _Carried(stream.peer_id, target, host_key(stream.remote_endpoint()))
        if not self._make_way(circuit):
            await self._refuse(stream, Status.RESOURCE_LIMIT_EXCEEDED)
            return
        self._circuits[circuit] = None
        try:
            with circuit.scope:
                await self._carry_between(circuit, stream)
        finally:
            self._circuits.pop(circuit, None)
            self._carried_bytes += circuit.carried_bytes
        if circuit.scope.cancelled_caught:
            raise NetworkError("the circuit made room for somebody known")

    async def _carry_between(self, circuit: _Carried, stream: FrameStream) -> None:
        end = await self._reach(circuit.source, circuit.target)
        if end is None:
            await self._refuse(stream, Status.CONNECTION_FAILED)
            return
        async with end:
            limits = Granted(0, (), *self._circuit_limits())
            await stream.write_message(encode_status(Status.OK, limits))
            await self._carry(circuit, stream, end)

    def _make_way(self, wanted: _Carried) -> bool:
        """Whether there is room for a circuit; who is known takes that of strangers' oldest."""
        while (crowd := self._in_the_way(wanted)) is not None:
            given_up = next((each for each in crowd if not self._is_known(each.source)), None)
            if given_up is None or not self._is_known(wanted.source):
                return False
            del self._circuits[given_up]
            given_up.scope.cancel()
        return True

    def _in_the_way(self, wanted: _Carried) -> list[_Carried] | None:
        """The circuits that fill a limit which one more would be over; None when none would."""
        standing = list(self._circuits)
        if len(standing) >= self._limits.circuits_max:
            return standing
        pair = {wanted.source, wanted.target}
        if sum({each.source, each.target} == pair for each in standing) >= CIRCUITS_PER_PAIR_MAX:
            return []
        for end in pair:
            crowd = [each for each in standing if end in (each.source, each.target)]
            if len(crowd) >= CIRCUITS_PER_PEER_MAX:
                return crowd
        if not self._is_known(wanted.source):
            crowd = [each for each in standing if each.machine == wanted.machine]
            strangers = [each for each in crowd if not self._is_known(each.source)]
            if len(strangers) >= STRANGERS_CIRCUITS_PER_ADDRESS_MAX:
                return strangers
        return None

    async def _reach(self, source: str, target: str) -> FrameStream | None:
        """Ask the far end; None when it does not answer or does not want to."""
        try:
            with trio.fail_after(ASK_SECONDS_MAX):
                end = await self._host.open_stream(target, STOP_PROTOCOL, relayed=False)
                try:
                    await end.write_message(encode_stop(source, *self._circuit_limits()))
                    data = await end.read_message(MESSAGE_BYTES_MAX)
                    if data is not None and decode_stop_status(data) == Status.OK:
                        return end
                except BaseException:
                    await end.reset()
                    raise
                await end.reset()
        except (NetworkError, RejectedError, trio.TooSlowError) as error:
            log.info("no circuit to %s: %s", target, error)
        return None

    async def _carry(self, circuit: _Carried, one: FrameStream, other: FrameStream) -> None:
        """Pass bytes on in both directions until both have ended or a limit is reached."""
        with trio.move_on_after(self._limits.circuit_seconds_max or math.inf) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, circuit, one, other, nursery.cancel_scope)
                nursery.start_soon(self._pass_on, circuit, other, one, nursery.cancel_scope)
        if scope.cancelled_caught or circuit.is_over:
            await other.reset()
            raise NetworkError("the circuit is over one of its limits")

    async def _pass_on(
        self, circuit: _Carried, one: FrameStream, other: FrameStream, scope: trio.CancelScope
    ) -> None:
        try:
            while True:
                with trio.fail_after(IDLE_SECONDS_MAX):
                    data = await one.read(_CHUNK_BYTES)
                if not data:
                    break
                circuit.carried_bytes += len(data)
                if 0 < self._limits.circuit_bytes_max < circuit.carried_bytes:
                    circuit.is_over = True
                    scope.cancel()
                    return
                await other.write(data)
            await other.close()
        except trio.TooSlowError:
            circuit.is_over = True
            scope.cancel()
        except NetworkError as error:
            log.debug("circuit of %s to %s: %s", circuit.source, circuit.target, error)
        scope.deadline = min(scope.deadline, trio.current_time() + GOODBYE_SECONDS)
