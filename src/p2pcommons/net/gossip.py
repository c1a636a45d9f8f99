"""Gossip: anonymous messages on topics, to whoever listens now. Fast, and allowed to lose some.

Message id: SHA-256 of the data. Reconciliation brings what gossip lost.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from p2pcommons.net.closing import only_error
from p2pcommons.net.gossip_router import AnonymousRouter
from p2pcommons.net.journal import paced_logger
from p2pcommons.net.library import background_trio_service
from p2pcommons.net.pubsub import DATA_BYTES_MAX, AnonymousPubsub, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from p2pcommons.net.host import Host

__all__ = ["Gossip", "GossipMessage", "Verdict", "open_gossip"]

log = paced_logger(__name__)

INBOX_MESSAGES_MAX = 4096
INBOX_BYTES_MAX = 8 * 1024 * 1024
"""Of one topic, waiting for a slow reader. The newest are dropped; reconciliation brings them."""


@dataclass(frozen=True, slots=True)
class GossipMessage:
    """A message that the validator accepted; `peer_id` is who passed it on, not who wrote it."""

    peer_id: str
    topic: str
    data: bytes


@dataclass(slots=True)
class _Inbox:
    """Messages of one topic between the network and its reader."""

    validator: Callable[[str, bytes], Verdict | bool]
    channel: trio.MemorySendChannel[GossipMessage]
    waiting: deque[GossipMessage] = field(default_factory=deque[GossipMessage])
    waiting_bytes: int = 0
    dropped: int = 0
    wake: trio.Event = field(default_factory=trio.Event)
    is_closed: bool = False

    def put(self, message: GossipMessage) -> None:
        """Take a message, or drop it when the reader is too far behind."""
        is_full = len(self.waiting) >= INBOX_MESSAGES_MAX
        if is_full or self.waiting_bytes + len(message.data) > INBOX_BYTES_MAX:
            self.dropped += 1
            return
        self.waiting.append(message)
        self.waiting_bytes += len(message.data)
        self.wake.set()

    async def pump(self) -> None:
        """Hand messages to the reader until the topic is left."""
        with self.channel:
            while not self.is_closed:
                await self.wake.wait()
                self.wake = trio.Event()
                while self.waiting and not self.is_closed:
                    message = self.waiting.popleft()
                    self.waiting_bytes -= len(message.data)
                    try:
                        await self.channel.send(message)
                    except trio.BrokenResourceError:
                        return

    def close(self) -> None:
        """The reader gets the end of the channel."""
        self.is_closed = True
        self.wake.set()


class Gossip:
    """The topics this node listens to. Made by `open_gossip`."""

    def __init__(self, host: Host, on_fault: Callable[[str, str], None]) -> None:
        self._host = host
        self._inboxes: dict[str, _Inbox] = {}
        self._tasks: Any = None
        self.router = AnonymousRouter()
        self.pubsub = AnonymousPubsub(
            host.library_host, self.router, self._judge, on_fault, host.gate.note_slowed
        )

    async def subscribe(
        self, topic: str, validator: Callable[[str, bytes], Verdict | bool]
    ) -> trio.MemoryReceiveChannel[GossipMessage]:
        """Listen to a topic; a topic already listened to is left first.

        The validator is called with topic and data in the event loop, before anything is passed
        on. True and False mean ACCEPT and REJECT. An error in it is ours, so the message is
        ignored without blame.
        """
        await self.unsubscribe(topic)
        send, receive = trio.open_memory_channel[GossipMessage](0)
        inbox = _Inbox(validator, send)
        self._inboxes[topic] = inbox
        self._tasks.start_soon(inbox.pump)
        await self.pubsub.subscribe(topic)
        return receive

    async def unsubscribe(self, topic: str) -> None:
        """Leave a topic; its channel ends."""
        inbox = self._inboxes.pop(topic, None)
        if inbox is not None:
            inbox.close()
            await self.pubsub.unsubscribe(topic)

    async def publish(self, topic: str, data: bytes) -> None:
        """Send data to those who listen to a topic; nothing tells whether anyone does.

        Raises:
            ValueError: more than DATA_BYTES_MAX bytes.
        """
        if len(data) > DATA_BYTES_MAX:
            raise ValueError(f"{len(data)} of {DATA_BYTES_MAX} bytes")
        await self.pubsub.publish(topic, data)

    def listeners(self, topic: str) -> tuple[str, ...]:
        """Connected peers that listen to a topic."""
        return tuple(str(peer) for peer in self.pubsub.peer_topics.get(topic, ()))

    def dropped(self, topic: str) -> int:
        """Messages lost here because the reader of the topic was too slow."""
        inbox = self._inboxes.get(topic)
        return 0 if inbox is None else inbox.dropped

    def _judge(self, peer_id: str, topic: str, data: bytes) -> Verdict:
        inbox = self._inboxes.get(topic)
        if inbox is None:
            return Verdict.IGNORE
        try:
            answer = inbox.validator(topic, data)
        except Exception:
            log.exception("the validator of %s failed", topic)
            return Verdict.IGNORE
        verdict = answer if isinstance(answer, Verdict) else _VERDICTS[bool(answer)]
        if verdict is Verdict.ACCEPT:
            inbox.put(GossipMessage(peer_id, topic, data))
        return verdict

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the library's services; they end with an error rather than in silence."""
        self._host.on_connection_lost = self.pubsub.drop_stale_stream_of
        try:
            async with (
                background_trio_service(self.pubsub),
                background_trio_service(self.router),
                trio.open_nursery() as tasks,
            ):
                self._tasks = tasks
                await self.pubsub.wait_until_ready()
                try:
                    yield
                finally:
                    self._host.on_connection_lost = None
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise only_error(group) from None


_VERDICTS = {True: Verdict.ACCEPT, False: Verdict.REJECT}


def _ignore_fault(peer_id: str, what: str) -> None:
    log.info("%s sent %s", peer_id, what)


@asynccontextmanager
async def open_gossip(
    host: Host, on_fault: Callable[[str, str], None] = _ignore_fault
) -> AsyncGenerator[Gossip]:
    """Run gossip on a host; open it before the first dial.

    `on_fault(peer_id, what)` is told what a neighbour did wrong; it must not block.
    """
    gossip = Gossip(host, on_fault)
    async with gossip.running():
        yield gossip
