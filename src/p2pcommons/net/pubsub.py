"""The library's pubsub, made anonymous and made to survive its neighbours.

Only reading, checking and answering are replaced; mesh upkeep and the sending queues are the
library's. A neighbour's words reach the library only after they were counted and cut to size.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any

import trio
from google.protobuf.message import DecodeError  # pyright: ignore[reportMissingModuleSource]
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from p2pcommons.net.gossip_caches import Neighbour, SeenIds, message_id
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import LIBRARY_ERRORS, SwarmException, read_peer_id
from p2pcommons.net.rpc_reader import RpcReader
from p2pcommons.protocol.varint import write_varint

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.net.gossip_router import AnonymousRouter

log = paced_logger(__name__)

DATA_BYTES_MAX = 72 * 1024
TOPIC_CHARS_MAX = 128
MESSAGES_PER_RPC_MAX = 128
SUBSCRIPTIONS_MAX = 300
"""Topics of one neighbour, and changes in one message."""
NOTICED_SECONDS = 0.5
"""A pause that is worth a word."""
_UNSUPPORTED = "not supported"
"""How the library says that somebody speaks no gossip."""
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
        self._hearing: dict[Any, Any] = {}
        """The stream that each neighbour opened last: on it stands what it listens to."""
        self._opening: dict[Any, trio.Lock] = {}
        self._judge = judge
        self._on_fault = on_fault
        self._on_slowed = on_slowed

    # In

    async def continuously_read_stream(self, stream: Any) -> None:
        """Read a neighbour's stream to its end; whatever it sends, only this stream can end."""
        peer_id = stream.muxed_conn.peer_id
        self._hearing[peer_id] = stream
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
        if self._hearing.get(peer_id) is stream:
            del self._hearing[peer_id]
            self._forget_all_subscriptions(peer_id)

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
            self._mesh.get(sub_message.topicid, set()).discard(origin_id)

    @property
    def _mesh(self) -> dict[str, set[Any]]:
        mesh: dict[str, set[Any]] = self.router.mesh  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return mesh

    def _forget_all_subscriptions(self, peer_id: Any) -> None:
        """Not while its own stream stands: who has said what it listens to does not say it again.

        The library forgets it whenever one of the streams of a neighbour ends, also ours to it
        and those replaced long ago, and then passes nothing on to that neighbour any more.
        """
        if peer_id in self._hearing:
            return
        super()._forget_all_subscriptions(peer_id)
        for members in self._mesh.values():
            members.discard(peer_id)

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

    async def _handle_new_peer(self, peer_id: Any) -> None:
        """Open our stream to a neighbour: one, and again where it failed with its connection.

        The library opens one for each of several connections that begin together, tells none of
        them of a topic that is joined meanwhile, and tries again after few kinds of failure.
        """
        lock = self._opening.setdefault(peer_id, trio.Lock())
        try:
            async with lock:
                if peer_id not in self.peers:
                    said = set(self.topic_ids)
                    await super()._handle_new_peer(peer_id)
                    self._say_what_changed(peer_id, said)
        except LIBRARY_ERRORS as error:
            if _UNSUPPORTED in str(error):
                raise
            raise SwarmException(f"no gossip stream: {error!r}"[:200]) from error
        finally:
            if not lock.locked():
                self._opening.pop(peer_id, None)

    def _say_what_changed(self, peer_id: Any, said: set[str]) -> None:
        """Topics joined and left since a greeting was written and before we would tell of them."""
        queue = self.peer_queues.get(peer_id)
        for topic in said.symmetric_difference(self.topic_ids):
            change, subscription = self._build_announce_rpc(topic, topic in self.topic_ids)
            if queue is not None:
                self._enqueue_or_retry_announce(peer_id, queue, change, subscription)

    async def handle_sending_messages(self, peer_id: Any, stream: Any, queue: Any) -> None:
        """Send what is queued for a neighbour, until its place or its stream is gone."""
        self.manager.run_task(self._notice_reset, peer_id, stream)
        try:
            while (rpc := await queue.pop()) is not None:
                data = rpc.SerializeToString()
                await stream.write(write_varint(len(data)) + data)
        except LIBRARY_ERRORS as error:
            log.debug("gossip to %s failed: %r", peer_id, error)
        await stream.reset()
        self._lost(peer_id, stream)

    async def _notice_reset(self, peer_id: Any, stream: Any) -> None:
        """A neighbour that does not read on resets our stream, long before we write again."""
        try:
            await stream.read(1)
        except StreamEOF:  # it says nothing on a stream of ours, nor needs to; or the whole is over
            if stream.muxed_stream.closed:
                self._lost(peer_id, stream)
        except LIBRARY_ERRORS:
            self._lost(peer_id, stream)

    def _lost(self, peer_id: Any, stream: Any) -> None:
        """Open another stream to a neighbour, unless this one was replaced already."""
        if self.peers.get(peer_id) is stream:
            self._handle_dead_peer(peer_id)

    async def _peer_stream_retry_task(self, peer_id: Any) -> None:
        """Not at once again and again: a neighbour may end each stream as soon as it stands."""
        await trio.sleep(self.neighbour(peer_id).reopened.spend(1, trio.current_time()))
        await super()._peer_stream_retry_task(peer_id)

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
