"""Turns a connection over a relay into a direct one where two NATs allow it (DCUtR, over TCP).

https://github.com/libp2p/specs/blob/master/relay/DCUtR.md. Over the relay both sides tell each
other where they are seen from outside, then both dial at once, each from the port it listens on:
a NAT that keeps port numbers takes the other's packets for answers. Whoever was told to dial acts
as the client of the handshake, whoever told it as the server, since neither has accepted anything.

Addresses that the other side names are dialled only where they are of the internet, few, and
rarely: this must not make the node knock at the doors of others.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.errors import NetworkError, RejectedError, RejectReason
from p2pcommons.net.interfaces import WILDCARDS
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import LIBRARY_ERRORS, Multiaddr, read_peer_id
from p2pcommons.net.nat_messages import (
    DCUTR_PROTOCOL,
    MESSAGE_BYTES_MAX,
    PunchMessage,
    decode_punch,
    encode_punch,
)
from p2pcommons.net.notices import SwarmNotices
from p2pcommons.net.paths import CIRCUIT, is_circuit
from p2pcommons.net.tcp_dials import open_from_port, raw_connection, share_port, tcp_endpoint
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.reachability import is_outside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from p2pcommons.net.frames import FrameStream
    from p2pcommons.net.host import Host

log = paced_logger(__name__)

TALK_SECONDS_MAX = 10.0
"""For the exchange of addresses over the relay."""
PUNCH_SECONDS_MAX = 5.0
"""For both dials to meet: the packet that opens a connection goes out three times meanwhile."""
SYNC_SECONDS_MAX = 2.0
"""Half a round trip over the relay, at most."""
ADDRESSES_MAX = 4
"""Of the other side: the same port seen at two addresses, and one more each."""
PUNCHES_MAX = 4
"""At the same time; each holds some sockets."""
PUNCHES_PER_SECOND, PUNCHES_BURST = 0.2, 8
"""With everybody together."""
PEER_PUNCHES_PER_SECOND, PEER_PUNCHES_BURST = 1 / 300, 4
"""With one peer, whoever begins."""
PEERS_MAX = 256
"""Peers whose share is remembered."""
STREAMS_PER_PEER_MAX = 1

Source = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PunchReport:
    """What came of one attempt, with words for the log."""

    connected: bool
    words: str


class HolePunching:
    """Both sides of DCUtR for one host.

    `own_addresses` tells where this node is seen from outside; `is_welcome` with whom it is done.
    """

    def __init__(
        self,
        host: Host,
        own_addresses: Callable[[], Awaitable[Sequence[str]]],
        is_welcome: Callable[[str], bool],
        blame: Callable[[str, str], None] | None = None,
        is_allowed: Callable[[str], bool] = is_outside,
    ) -> None:
        self._host = host
        self._own_addresses = own_addresses
        self._is_welcome = is_welcome
        self._blame = blame
        self._is_allowed = is_allowed
        self._busy: set[str] = set()
        self._all = TokenBucket(PUNCHES_PER_SECOND, PUNCHES_BURST)
        self._shares: OrderedDict[str, TokenBucket] = OrderedDict()
        self._tasks: trio.Nursery | None = None
        self._punched: OrderedDict[str, None] = OrderedDict()
        self._connected = trio.Event()
        """Somebody, whoever it is, has connected; made anew by whoever waits for it."""
        host.swarm.register_notifee(SwarmNotices(self._note_connected, lambda _muxed: None))

    def _note_connected(self, _muxed: Any) -> None:
        self._connected.set()

    async def run(self) -> None:
        """Serve, and carry the connections that come of it, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            self._host.set_stream_handler(DCUTR_PROTOCOL, self._answer, STREAMS_PER_PEER_MAX)
            await trio.sleep_forever()

    def is_ours_to_begin(self, peer_id: str) -> bool:
        """Whether a peer dialled us over a relay, and there is no direct connection with it."""
        connections = self._connections(peer_id)
        return (
            bool(connections)
            and all(is_circuit(each) for each in connections)
            and any(str(each.direction) == "inbound" for each in connections)
        )

    def has_hole_for(self, peer_id: str) -> bool:
        """Whether our NAT may let this peer in where it keeps others out."""
        return peer_id in self._punched

    def _connections(self, peer_id: str) -> list[Any]:
        swarm: Any = self._host.swarm
        return [each for each in swarm.get_connections(read_peer_id(peer_id)) if not each.is_closed]

    def _is_direct(self, peer_id: str) -> bool:
        return any(not is_circuit(each) for each in self._connections(peer_id))

    # Who begins

    async def punch(self, peer_id: str) -> PunchReport:
        """Try once to get a direct connection with a peer that is connected over a relay."""
        if self._is_direct(peer_id):
            return PunchReport(True, "there is a direct connection already")
        if not self._begin(peer_id):
            return PunchReport(False, "not so often")
        try:
            theirs = await self._agree(peer_id)
            if not theirs:
                return PunchReport(False, "it names no address of the internet")
            connected = await self._dial(peer_id, theirs, is_server=True)
        except (NetworkError, trio.TooSlowError) as error:
            return PunchReport(False, str(error) or "no answer in time")
        except RejectedError as error:
            self._fault(peer_id, error)
            return PunchReport(False, str(error))
        finally:
            self._busy.discard(peer_id)
        return PunchReport(connected, "direct" if connected else "the dials did not meet")

    async def _agree(self, peer_id: str) -> list[Source]:
        """Exchange addresses, say when to dial, and wait until the other side hears it."""
        own = tuple(await self._own_addresses())
        if not own:
            raise NetworkError("not known how this node is seen from outside")
        with trio.fail_after(TALK_SECONDS_MAX):
            stream = await self._host.open_stream(peer_id, DCUTR_PROTOCOL, relayed=True)
            async with stream:
                asked_at = trio.current_time()
                await stream.write_message(encode_punch(PunchMessage(False, own)))
                answer = await self._read(stream, is_sync=False)
                round_trip = trio.current_time() - asked_at
                await stream.write_message(encode_punch(PunchMessage(True)))
            await trio.sleep(min(round_trip / 2, SYNC_SECONDS_MAX))
        return self._fitting(answer.addresses)

    async def _read(self, stream: FrameStream, *, is_sync: bool) -> PunchMessage:
        data = await stream.read_message(MESSAGE_BYTES_MAX)
        if data is None:
            raise NetworkError("it ended the talk")
        message = decode_punch(data)
        if message.is_sync != is_sync:
            raise RejectedError(RejectReason.OUT_OF_TURN, "a step of DCUtR")
        return message

    # Who answers

    async def _answer(self, stream: FrameStream) -> None:
        peer_id = stream.peer_id
        if CIRCUIT not in stream.address or not self._is_welcome(peer_id):
            raise NetworkError("no direct connection wanted")
        # When both begin at once, the talk that the smaller peer id began goes on.
        if not self._begin(peer_id, yields=self._host.peer_id > peer_id):
            raise NetworkError("asks for a direct connection too often")
        try:
            with trio.fail_after(TALK_SECONDS_MAX):
                asked = await self._read(stream, is_sync=False)
                own = tuple(await self._own_addresses())
                await stream.write_message(encode_punch(PunchMessage(False, own)))
                await self._read(stream, is_sync=True)
            connected = await self._dial(peer_id, self._fitting(asked.addresses), is_server=False)
            log.info("direct connection with %s, which it asked for: %s", peer_id, connected)
        except trio.TooSlowError as error:
            raise NetworkError("it took too long to agree") from error
        except RejectedError as error:
            self._fault(peer_id, error)
            raise
        finally:
            self._busy.discard(peer_id)

    def _fault(self, peer_id: str, error: RejectedError) -> None:
        if self._blame is not None:
            self._blame(peer_id, str(error))

    # Both

    def _begin(self, peer_id: str, *, yields: bool = False) -> bool:
        """Count an attempt; False when there were too many, or one is under way."""
        now = trio.current_time()
        share = self._shares.pop(peer_id, None) or TokenBucket(
            PEER_PUNCHES_PER_SECOND, PEER_PUNCHES_BURST
        )
        self._shares[peer_id] = share
        if len(self._shares) > PEERS_MAX:
            self._shares.popitem(last=False)
        if len(self._busy) >= PUNCHES_MAX or (peer_id in self._busy and not yields):
            return False
        if not share.take(1, now) or not self._all.take(1, now):
            return False
        self._busy.add(peer_id)
        return True

    def _fitting(self, addresses: Sequence[str]) -> list[Source]:
        """Of the addresses that a peer names, those that may be dialled."""
        named = (tcp_endpoint(each) for each in addresses)
        found = [each for each in named if each is not None and self._is_allowed(each[0])]
        return list(dict.fromkeys(found))[:ADDRESSES_MAX]

    async def _dial(self, peer_id: str, theirs: Sequence[Source], *, is_server: bool) -> bool:
        """Dial everywhere at once until one connection stands; tell whether one does."""
        sources = self._sources()
        with trio.move_on_after(PUNCH_SECONDS_MAX):
            async with trio.open_nursery() as nursery:
                for ip, port in theirs:
                    source = sources.get(":" in ip)
                    if source is not None:
                        nursery.start_soon(self._knock, peer_id, ip, port, source, is_server)
                if is_server:
                    # The other side may be reachable without ado. Its listener then takes our
                    # knocking for that of a client, so somebody has to come as one.
                    nursery.start_soon(self._come_as_client, peer_id, theirs)
                while not self._is_direct(peer_id):
                    if self._connected.is_set():
                        self._connected = trio.Event()
                    await self._connected.wait()
                nursery.cancel_scope.cancel()
        return self._is_direct(peer_id)

    def _sources(self) -> dict[bool, Source]:
        """Where dials leave from: the ports on which this node listens, by whether it is IPv6."""
        found: dict[bool, Source] = {}
        listeners: Any = self._host.swarm.listeners
        for one in listeners.values():
            for listener in one.listeners:
                share_port(listener)
                ip, port = listener.socket.getsockname()[:2]
                is_six = listener.socket.family == socket.AF_INET6
                if ip in WILDCARDS or self._is_way_out(ip):
                    found.setdefault(is_six, (ip, port))
        return found

    def _is_way_out(self, ip: str) -> bool:
        """Whether packets from this address of ours may get where the other side is."""
        return self._is_allowed(ip) or not ip.startswith("127.")

    async def _knock(
        self, peer_id: str, ip: str, port: int, source: Source, is_server: bool
    ) -> None:
        try:
            stream = await open_from_port(ip, port, source)
        except OSError as error:
            log.debug("no way to %s:%d from port %d: %r", ip, port, source[1], error)
            return
        assert self._tasks is not None, "run() is running"
        self._punched[peer_id] = None
        if len(self._punched) > PEERS_MAX:
            self._punched.popitem(last=False)
        # From here on it is a connection like any other, and outlives the attempt.
        self._tasks.start_soon(self._shake_hands, peer_id, stream, is_server)

    async def _shake_hands(self, peer_id: str, stream: trio.SocketStream, is_server: bool) -> None:
        raw = raw_connection(stream, is_initiator=not is_server)
        try:
            if is_server:
                await self._host.shake_hands(raw, str(stream.socket.getpeername()[0]))
            else:
                with trio.fail_after(PUNCH_SECONDS_MAX):
                    await self._host.swarm.upgrade_outbound_raw_conn(raw, read_peer_id(peer_id))
        except (*LIBRARY_ERRORS, trio.TooSlowError) as error:
            log.debug("punched through to %s, but no handshake: %r", peer_id, error)
            await stream.aclose()

    async def _come_as_client(self, peer_id: str, theirs: Sequence[Source]) -> None:
        heads = [f"/ip{6 if ':' in ip else 4}/{ip}/tcp/{port}" for ip, port in theirs]
        addresses = [str(Multiaddr(each)) for each in heads]
        await self._host.dial_direct(peer_id, addresses, PUNCH_SECONDS_MAX)
