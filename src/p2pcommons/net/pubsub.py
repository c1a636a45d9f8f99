"""The library's pubsub, made anonymous and made to survive its neighbours.

Only reading, checking and answering are replaced; mesh upkeep and the sending queues are the
library's. A neighbour's words reach the library only after they were counted and cut to size.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING, Any

import trio
from google.protobuf.message import DecodeError  # pyright: ignore[reportMissingModuleSource]
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from p2pcommons.net.gossip_caches import ContentCache, Neighbour, SeenIds, message_id
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import read_peer_id
from p2pcommons.net.rpc_reader import RPC_BYTES_MAX, RpcReader

if TYPE_CHECKING:
    from collections.abc import Callable

log = paced_logger(__name__)

PROTOCOL = "/meshsub/1.1.0"
DEGREE, DEGREE_LOW, DEGREE_HIGH = 6, 4, 12
HEARTBEAT_SECONDS = 1
DATA_BYTES_MAX = 72 * 1024
TOPIC_CHARS_MAX = 128
MESSAGES_PER_RPC_MAX = 128
SUBSCRIPTIONS_MAX = 300
"""Topics of one neighbour, and changes in one message."""
CONTROLS_PER_RPC_MAX = 300
IDS_PER_RPC_MAX = 2000
BACK_OFF_SECONDS_MAX = 600
NOTICED_SECONDS = 0.5
"""A pause that is worth a word."""
_ID_BYTES = 32
_IDENTIFYING = ("from_id", "seqno", "key", "signature")


class Verdict(Enum):
    """What is done with a message."""

    ACCEPT = "deliver it and pass it on"
    IGNORE = "drop it without blame"
    SHED = "drop it for want of room, without blame"
    REJECT = "drop it and count it against the neighbour"


class AnonymousPubsub(Pubsub):
    """StrictNoSign: no message names its author or its forwarder, and one that does is dropped."""

    def __init__(
        self,
        host: Any,
        router: AnonymousRouter,
        judge: Callable[[str, str, bytes], Verdict],
        on_fault: Callable[[str, str], None],
        on_slowed: Callable[[str, str], None],
    ) -> None:
        super().__init__(
            host,
            router,
            strict_signing=False,
            msg_id_constructor=message_id,
            max_subscriptions_per_peer=SUBSCRIPTIONS_MAX,
        )
        self.seen_messages.stop()  # a thread that sweeps a cache without bounds
        self.seen_messages: Any = SeenIds(trio.current_time)
        self.neighbours: dict[Any, Neighbour] = {}
        self._judge = judge
        self._on_fault = on_fault
        self._on_slowed = on_slowed

    # In

    async def continuously_read_stream(self, stream: Any) -> None:
        """Read a neighbour's stream to its end; whatever it sends, only this stream can end."""
        peer_id = stream.muxed_conn.peer_id
        reader = RpcReader(stream)
        try:
            while self.manager.is_running and (data := await reader.read()) is not None:
                await self._read_at_a_bounded_pace(peer_id, len(data))
                rpc = rpc_pb2.RPC()
                rpc.ParseFromString(data)
                await self._handle_rpc(rpc, peer_id)
        except (DecodeError, ValueError) as error:
            self._on_fault(str(peer_id), f"gossip that does not decode: {error}"[:200])
        except Exception as error:  # noqa: BLE001 - border: libp2p callback
            log.info("gossip stream of %s failed: %r", peer_id, error)
        await stream.reset()
        self._handle_dead_peer(peer_id)

    async def _read_at_a_bounded_pace(self, peer_id: Any, size: int) -> None:
        neighbour = self.neighbour(peer_id)
        now = trio.current_time()
        wait = max(
            neighbour.rpcs.spend(1, now),
            neighbour.bytes_in.spend(size, now),
            neighbour.judging.spend(0, now),
        )
        if wait > NOTICED_SECONDS:
            self._on_slowed(str(peer_id), "sends more gossip than its share: read more slowly")
        if wait > 0:
            await trio.sleep(wait)

    def neighbour(self, peer_id: Any) -> Neighbour:
        """What a neighbour may still do; made when first asked for."""
        found = self.neighbours.get(peer_id)
        if found is None:
            found = self.neighbours[peer_id] = Neighbour()
        return found

    async def _handle_rpc(self, rpc: Any, peer_id: Any) -> None:
        for message in rpc.publish[:MESSAGES_PER_RPC_MAX]:
            if self._is_subscribed_to_msg(message):
                await self.push_msg(peer_id, message)
        for change in rpc.subscriptions[:SUBSCRIPTIONS_MAX]:
            self.handle_subscription(peer_id, change)
        if rpc.HasField("control"):
            await self.router.handle_rpc(rpc, peer_id)

    async def push_msg(self, msg_forwarder: Any, msg: Any) -> None:
        """Judge a message once, deliver it, pass it on; our own is passed on only."""
        if len(msg.topicIDs) != 1 or len(msg.data) > DATA_BYTES_MAX:
            self._on_fault(str(msg_forwarder), "gossip message over its limits")
            return
        if any(msg.HasField(name) for name in _IDENTIFYING):
            return
        if not self.seen_messages.add(message_id(msg)):
            return
        if msg_forwarder != self.my_id:
            began = time.thread_time()
            verdict = self._judge(str(msg_forwarder), msg.topicIDs[0], msg.data)
            spent = time.thread_time() - began
            self.neighbour(msg_forwarder).judging.spend(spent, trio.current_time())
            if verdict is Verdict.REJECT:
                self._on_fault(str(msg_forwarder), "invalid gossip message")
            if verdict is Verdict.SHED and self.neighbour(msg_forwarder).may_shed():
                self._on_slowed(str(msg_forwarder), "passes on more than there is room for")
            if verdict is not Verdict.ACCEPT:
                return
        await self.router.publish(msg_forwarder, msg)
        await trio.lowlevel.checkpoint()

    def handle_subscription(self, origin_id: Any, sub_message: Any) -> None:
        """Note what a neighbour listens to; the library takes topics of any length and number."""
        if len(sub_message.topicid) > TOPIC_CHARS_MAX:
            return
        if not self.neighbour(origin_id).subscriptions.take(1, trio.current_time()):
            return
        super().handle_subscription(origin_id, sub_message)
        if not sub_message.subscribe:  # the library leaves it in the mesh
            mesh: dict[str, set[Any]] = self.router.mesh  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            mesh.get(sub_message.topicid, set()).discard(origin_id)

    async def _replay_recent_messages(self, peer_id: Any, topic: str) -> None:
        """Once per topic and connection; the library does it again at each new subscription."""
        neighbour = self.neighbour(peer_id)
        if peer_id in self.peers and topic not in neighbour.replayed:
            if len(neighbour.replayed) < SUBSCRIPTIONS_MAX:
                neighbour.replayed.add(topic)
            await self.router.send_recent_messages(peer_id, topic)

    def _handle_dead_peer(self, peer_id: Any) -> None:
        super()._handle_dead_peer(peer_id)
        if not self._peer_is_connected(peer_id):
            self.neighbours.pop(peer_id, None)

    def drop_stale_stream_of(self, peer_text: str) -> None:
        """After one of several connections is gone: is it the one that carried gossip?

        The library notices only when it writes the next time, and loses what it writes.
        """
        peer_id = read_peer_id(peer_text)
        stream: Any = self.peers.get(peer_id)
        if stream is None:
            if not self._peer_is_connected(peer_id):
                self.neighbours.pop(peer_id, None)
        elif stream.muxed_conn.is_closed:
            self._handle_dead_peer(peer_id)

    # Out

    async def publish(self, topic_id: Any, data: bytes) -> None:
        """Send a message without author and sequence number: unset, not empty."""
        await self.push_msg(self.my_id, rpc_pb2.Message(data=data, topicIDs=[topic_id]))

    def get_hello_packet(self) -> Any:
        """Our subscriptions, without the signed record of all our addresses."""
        changes = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in self.topic_ids]
        return rpc_pb2.RPC(subscriptions=changes)

    def _build_announce_rpc(self, topic_id: str, subscribe: bool) -> Any:
        change = rpc_pb2.RPC.SubOpts(subscribe=subscribe, topicid=topic_id)
        return rpc_pb2.RPC(subscriptions=[change]), change


class AnonymousRouter(GossipSub):
    """GossipSub 1.1 without scores, peer exchange and signed records."""

    def __init__(self) -> None:
        super().__init__(
            [PROTOCOL],  # pyright: ignore[reportArgumentType] - a str with another name
            DEGREE,
            DEGREE_LOW,
            DEGREE_HIGH,
            heartbeat_interval=HEARTBEAT_SECONDS,
            spam_protection_enabled=False,
            adaptive_gossip_enabled=False,
            eclipse_protection_enabled=False,
        )
        self.mcache = ContentCache(3, 5)
        self.scorer = None
        self._is_gossiping = False

    @property
    def _pubsub(self) -> AnonymousPubsub:
        pubsub: Any = self.pubsub
        return pubsub

    async def heartbeat(self) -> None:
        """Keep the mesh; a beat that fails does not end the service."""
        await trio.sleep(self.heartbeat_initial_delay)
        while True:
            try:
                await self._beat()
            except Exception:
                log.exception("gossip heartbeat failed")
            await trio.sleep(self.heartbeat_interval)

    async def _beat(self) -> None:
        grafts, prunes = self.mesh_heartbeat()
        self.fanout_heartbeat()
        self._is_gossiping = True
        try:
            offers = self.gossip_heartbeat()
        finally:
            self._is_gossiping = False
        await self._emit_control_msgs(grafts, prunes, offers)
        self.mcache.shift()
        self._periodic_security_cleanup()
        now = int(time.time())
        for topic in list(self.back_off):
            left = {peer: till for peer, till in self.back_off[topic].items() if till > now}
            self.back_off[topic] = left
            if not left:
                del self.back_off[topic]

    def _get_in_topic_gossipsub_peers_from_minus(
        self, topic: str, num_to_select: int, minus: Any, backoff_check: bool = False
    ) -> list[Any]:
        # A neighbour pruned from the mesh would otherwise not even be told what there is.
        check = backoff_check and not self._is_gossiping
        return super()._get_in_topic_gossipsub_peers_from_minus(topic, num_to_select, minus, check)

    async def _emit_control_msgs(
        self, peers_to_graft: Any, peers_to_prune: Any, peers_to_gossip: Any
    ) -> None:
        """One message per neighbour; the library adds to each what was meant for those before."""
        for peer in OrderedDict.fromkeys([*peers_to_graft, *peers_to_prune, *peers_to_gossip]):
            control = self.pack_control_msgs(
                [
                    rpc_pb2.ControlIHave(topicID=topic, messageIDs=ids[:IDS_PER_RPC_MAX])
                    for topic, ids in peers_to_gossip.get(peer, {}).items()
                ],
                [rpc_pb2.ControlGraft(topicID=topic) for topic in peers_to_graft.get(peer, ())],
                [
                    rpc_pb2.ControlPrune(topicID=topic, backoff=self.prune_back_off)
                    for topic in peers_to_prune.get(peer, ())
                ],
            )
            await self.emit_control_message(control, peer)

    async def emit_control_message(self, control_msg: Any, to_peer: Any) -> None:
        """Queue a control message, without the signed record of our addresses."""
        self.send_rpc(to_peer, rpc_pb2.RPC(control=control_msg), priority=True)

    async def publish(self, msg_forwarder: Any, pubsub_msg: Any) -> None:
        """Pass a message on to the mesh."""
        self.mcache.put(pubsub_msg)
        topic = pubsub_msg.topicIDs[0]
        outgoing = rpc_pb2.RPC(publish=[pubsub_msg])
        for peer in list(self._get_peers_to_send([topic], msg_forwarder, msg_forwarder)):
            if peer in self._pubsub.peers:
                self.send_rpc(peer, outgoing)
        self.time_since_last_publish[topic] = int(time.time())

    async def send_recent_messages(self, peer_id: Any, topic: str) -> None:
        """Give a new subscriber the last seconds, through the queue like everything else.

        The library writes beside its own queue; two writes of more than a frame would mix.
        """
        found = (self.mcache.get(key) for key in self.mcache.window(topic))
        self._send_again(peer_id, [message for message in found if message is not None])

    def _send_again(self, peer_id: Any, messages: list[Any]) -> None:
        """Several in one RPC: the queue holds 32 RPCs and drops what comes after."""
        answers = self._pubsub.neighbour(peer_id).answers
        now = trio.current_time()
        outgoing = rpc_pb2.RPC()
        for message in messages:
            if not answers.take(len(message.data), now):
                break
            outgoing.publish.append(message)
            if outgoing.ByteSize() > RPC_BYTES_MAX // 2 or len(outgoing.publish) >= 64:
                self.send_rpc(peer_id, outgoing)
                outgoing = rpc_pb2.RPC()
        if outgoing.publish:
            self.send_rpc(peer_id, outgoing)

    async def handle_rpc(self, rpc: Any, sender_peer_id: Any) -> None:
        """Handle control messages about topics of ours; the library keeps state for any topic."""
        control = rpc.control
        await self._handle_offers(control.ihave[:CONTROLS_PER_RPC_MAX], sender_peer_id)
        self._handle_wishes(control.iwant[:CONTROLS_PER_RPC_MAX], sender_peer_id)
        for graft in control.graft[:CONTROLS_PER_RPC_MAX]:
            if graft.topicID in self.mesh:
                await self.handle_graft(graft, sender_peer_id)
        for prune in control.prune[:CONTROLS_PER_RPC_MAX]:
            if prune.topicID in self.mesh:
                seconds = min(prune.backoff or self.prune_back_off, BACK_OFF_SECONDS_MAX)
                cut = rpc_pb2.ControlPrune(topicID=prune.topicID, backoff=seconds)
                await self.handle_prune(cut, sender_peer_id)

    async def _handle_offers(self, offers: Any, peer_id: Any) -> None:
        """IHAVE: ask for what is new."""
        wanted: dict[bytes, None] = {}
        for offer in offers:
            if offer.topicID not in self.mesh:
                continue
            for each in offer.messageIDs[:IDS_PER_RPC_MAX]:
                key = _as_id(each)
                if key is not None and not self._pubsub.seen_messages.has(key):
                    wanted[key] = None
        asked = self._pubsub.neighbour(peer_id).asked
        now = trio.current_time()
        ids = [key for key in list(wanted)[:IDS_PER_RPC_MAX] if asked.take(1, now)]
        if ids:
            await self.emit_iwant(ids, peer_id)

    def _handle_wishes(self, wishes: Any, peer_id: Any) -> None:
        """IWANT: send what is still kept, as far as the neighbour's share allows."""
        keys: dict[bytes, None] = {}
        for wish in wishes:
            for each in wish.messageIDs[:IDS_PER_RPC_MAX]:
                key = _as_id(each)
                if key is not None and len(keys) < IDS_PER_RPC_MAX:
                    keys[key] = None
        found = (self.mcache.get(key) for key in keys)
        self._send_again(peer_id, [message for message in found if message is not None])


def _as_id(value: Any) -> bytes | None:
    """A message id as it comes: bytes, or text where the schema says string."""
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
    return raw if len(raw) == _ID_BYTES else None
