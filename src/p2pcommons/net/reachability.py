"""Asks peers to dial back, does the same for others (AutoNAT v1), and learns how others see us.

A peer is dialled back at the IP it came from alone, by a connection of its own that ends after the
handshake: nobody can point this node at somebody else, and no table of connections notices. That
somebody got through is believed only where this node saw a socket arrive meanwhile.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.net.interfaces import ip_of
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import (
    IDENTIFY_PROTOCOL,
    LIBRARY_ERRORS,
    read_peer_id,
)
from p2pcommons.net.nat_messages import (
    AUTONAT_PROTOCOL,
    IDENTIFY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    DialStatus,
    decode_dial,
    decode_dial_answer,
    encode_dial,
    encode_dial_answer,
    observed_address,
)
from p2pcommons.net.sockets import host_key
from p2pcommons.net.tcp_dials import raw_connection, tcp_endpoint
from p2pcommons.protocol.budget import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

log = paced_logger(__name__)

ANSWER_SECONDS_MAX = 20.0
"""From the question to the answer; other implementations dial for up to 15 seconds."""
IDENTIFY_SECONDS_MAX = 10.0
DIAL_BACK_SECONDS_MAX = 6.0
"""For all addresses of one request, from the first packet to the handshake."""
DIAL_BACK_ADDRESSES_MAX = 3
"""Of one request: one for each port that a node may listen on, and one to spare."""
DIAL_BACKS_MAX = 8
"""At the same time: each holds a socket."""
DIAL_BACKS_PER_SECOND = 0.5
DIAL_BACKS_BURST = 16
"""For everybody: a small node answers when it is idle, and refuses when many ask."""
MACHINE_DIAL_BACKS_PER_SECOND = 1 / 60
MACHINE_DIAL_BACKS_BURST = 4
"""For one machine: a first question, a second one when that failed, and two address changes."""
MACHINES_MAX = 512
"""Machines whose share is remembered."""
STREAMS_PER_PEER_MAX = 2
"""Questions of one peer at the same time; one would do."""
ACCEPTED_MAX = 64
"""Machines from which sockets came lately."""


@dataclass(frozen=True, slots=True)
class DialBackReport:
    """What came of asking one peer. `reached` is None where it did not say, or lied."""

    reached: bool | None
    address: str | None = None
    """Where it got through, one of those that were asked for."""
    words: str = ""


class DialBack:
    """Both sides of AutoNAT for one host."""

    def __init__(self, host: Host, blame: Callable[[str, str], None] | None = None) -> None:
        self._host = host
        self._blame = blame
        self._all = TokenBucket(DIAL_BACKS_PER_SECOND, DIAL_BACKS_BURST)
        self._shares: OrderedDict[str, TokenBucket] = OrderedDict()
        self._limiter = trio.CapacityLimiter(DIAL_BACKS_MAX)
        self._accepted: OrderedDict[str, float] = OrderedDict()
        swarm: Any = host.swarm
        self._handle_inbound = swarm._handle_inbound_connection  # noqa: SLF001
        swarm._handle_inbound_connection = self._inbound  # noqa: SLF001

    async def _inbound(self, socket_stream: Any, listen_address: Any) -> None:
        """Note where a socket comes from, before it says a word."""
        machine = host_key(socket_stream.get_remote_address())
        self._accepted.pop(machine, None)
        self._accepted[machine] = trio.current_time()
        if len(self._accepted) > ACCEPTED_MAX:
            self._accepted.popitem(last=False)
        await self._handle_inbound(socket_stream, listen_address)

    def last_arrival(self) -> tuple[str, float] | None:
        """The machine from which a socket came last, and when, in trio's time."""
        return next(reversed(self._accepted.items()), None)

    # Asking

    async def seen_as(self, peer_id: str) -> str | None:
        """Ask a connected peer under which IP it sees this node; None when it does not say."""
        try:
            with trio.fail_after(IDENTIFY_SECONDS_MAX):
                stream = await self._host.open_stream(
                    peer_id, str(IDENTIFY_PROTOCOL), relayed=False
                )
                async with stream:
                    data = await stream.read_message(IDENTIFY_BYTES_MAX)
            address = None if data is None else observed_address(data)
        except (NetworkError, trio.TooSlowError) as error:
            log.debug("%s does not say how it sees this node: %s", peer_id, error)
            return None
        except RejectedError as error:
            self._fault(peer_id, error)
            return None
        return None if address is None else ip_of(address)

    async def ask(self, peer_id: str, addresses: Sequence[str]) -> DialBackReport:
        """Let a connected peer dial back at one of some addresses without /p2p/ID."""
        began = trio.current_time()
        machine = None
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                stream = await self._host.open_stream(peer_id, AUTONAT_PROTOCOL, relayed=False)
                async with stream:
                    endpoint = stream.remote_endpoint()
                    machine = None if endpoint is None else host_key(endpoint)
                    await stream.write_message(encode_dial(self._host.peer_id, list(addresses)))
                    data = await stream.read_message(MESSAGE_BYTES_MAX)
            if data is None:
                return DialBackReport(None, words="it ended the stream")
            answer = decode_dial_answer(data)
        except (NetworkError, trio.TooSlowError) as error:
            return DialBackReport(None, words=str(error) or "no answer in time")
        except RejectedError as error:
            self._fault(peer_id, error)
            return DialBackReport(None, words=str(error))
        if answer.status == DialStatus.ERROR:
            return DialBackReport(False, words="it could not connect")
        if answer.status != DialStatus.OK:
            return DialBackReport(None, words="it declined")
        if machine is None or self._accepted.get(machine, -math.inf) < began:
            return DialBackReport(None, words="it claims to have connected, but nobody came")
        return DialBackReport(True, answer.address if answer.address in addresses else None)

    def _fault(self, peer_id: str, error: RejectedError) -> None:
        log.info("%s: %s", peer_id, error)
        if self._blame is not None:
            self._blame(peer_id, str(error))

    # Serving

    def serve(self) -> None:
        """Dial others back who ask for it."""
        self._host.set_stream_handler(AUTONAT_PROTOCOL, self._answer, STREAMS_PER_PEER_MAX)

    async def _answer(self, stream: FrameStream) -> None:
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                data = await stream.read_message(MESSAGE_BYTES_MAX)
                if data is None:
                    return
                wanted = decode_dial(data, stream.peer_id)
                await stream.write_message(await self._dial_back(stream, wanted))
        except trio.TooSlowError as error:
            raise NetworkError("it took too long to ask") from error
        except RejectedError as error:
            self._fault(stream.peer_id, error)
            raise

    async def _dial_back(self, stream: FrameStream, wanted: Sequence[str]) -> bytes:
        endpoint = stream.remote_endpoint()
        if endpoint is None:
            return encode_dial_answer(DialStatus.REFUSED, "not over a relay")
        fitting = [each for each in map(tcp_endpoint, wanted) if each and each[0] == endpoint[0]]
        if not fitting:
            return encode_dial_answer(DialStatus.REFUSED, "no address where you come from")
        if not self._may_dial(host_key(endpoint)):
            return encode_dial_answer(DialStatus.REFUSED, "too often")
        reached = await self._reach_any(stream.peer_id, fitting[:DIAL_BACK_ADDRESSES_MAX])
        if reached is None:
            return encode_dial_answer(DialStatus.ERROR, "nobody answers there")
        ip, port = reached
        version = 6 if ":" in ip else 4
        return encode_dial_answer(DialStatus.OK, address=f"/ip{version}/{ip}/tcp/{port}")

    def _may_dial(self, machine: str) -> bool:
        now = trio.current_time()
        share = self._shares.pop(machine, None) or TokenBucket(
            MACHINE_DIAL_BACKS_PER_SECOND, MACHINE_DIAL_BACKS_BURST
        )
        self._shares[machine] = share
        if len(self._shares) > MACHINES_MAX:
            self._shares.popitem(last=False)
        busy = self._limiter.borrowed_tokens >= DIAL_BACKS_MAX
        return not busy and share.take(1, now) and self._all.take(1, now)

    async def _reach_any(
        self, peer_id: str, endpoints: Sequence[tuple[str, int]]
    ) -> tuple[str, int] | None:
        """Dial some addresses of one IP side by side; the first where the peer answers."""
        found: list[tuple[str, int]] = []
        async with self._limiter:
            with trio.move_on_after(DIAL_BACK_SECONDS_MAX):
                async with trio.open_nursery() as nursery:
                    for endpoint in dict.fromkeys(endpoints):
                        nursery.start_soon(self._reach, peer_id, endpoint, found, nursery)
        return found[0] if found else None

    async def _reach(
        self,
        peer_id: str,
        endpoint: tuple[str, int],
        found: list[tuple[str, int]],
        others: trio.Nursery,
    ) -> None:
        """Connect and shake hands, outside of the swarm: no connection is kept or counted."""
        try:
            async with await trio.open_tcp_stream(*endpoint) as socket_stream:
                raw = raw_connection(socket_stream, is_initiator=True)
                upgrader: Any = self._host.swarm.upgrader
                await upgrader.upgrade_security(raw, True, read_peer_id(peer_id))
                found.append(endpoint)
        except LIBRARY_ERRORS as error:
            log.debug("no dial-back of %s at %s: %r", peer_id, endpoint, error)
            return
        others.cancel_scope.cancel()
