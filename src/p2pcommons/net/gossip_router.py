"""The library's router, without scores: who is in the mesh, what is offered, asked for and sent.

A neighbour's words cause bounded state and bounded answers, whatever they say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import trio
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from p2pcommons.net.gossip_caches import ContentCache, newest_messages
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.rpc_reader import RPC_BYTES_MAX

if TYPE_CHECKING:
    from p2pcommons.net.pubsub import AnonymousPubsub

log = paced_logger(__name__)

PROTOCOL = "/meshsub/1.1.0"
DEGREE, DEGREE_LOW, DEGREE_HIGH = 6, 4, 12
HEARTBEAT_SECONDS = 1
CONTROLS_PER_RPC_MAX = 300
IDS_PER_RPC_MAX = 2000
BACK_OFF_SECONDS_MAX = 600
REPLAYED_BYTES_MAX = 64 * 1024
"""What a new subscriber is given of what was said just before."""
_ID_BYTES = 32


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
        """Give a new subscriber a little of the last seconds, through the queue like everything.

        Whoever connects or joins reconciles at once, which brings the rest; all of it here would
        come twice. The library writes beside its own queue; two writes of more than a frame would
        mix.
        """
        self._send_again(peer_id, newest_messages(self.mcache, topic, REPLAYED_BYTES_MAX))

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
