"""The live path: own contributions out through gossip, others' in, each within milliseconds.

Nothing is sent before it is committed, and nothing is guaranteed: what gossip loses is found by
the next reconciliation, so there is no outbox but the store.
"""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import RejectedError, StoreError
from p2pcommons.net.gossip import GossipMessage, Verdict
from p2pcommons.protocol.budget import AuthorBudgets, TokenBucket, units_of
from p2pcommons.protocol.gossip import decode_gossip, encode_gossip
from p2pcommons.protocol.limits import GOSSIP_COALESCE_MS
from p2pcommons.protocol.topic import gossip_topic

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.ports import GossipPort
    from p2pcommons.node.reconciling import Reconciling

log = logging.getLogger(__name__)

BACKLOG_MAX = 2_000
"""Own contributions waiting, beyond which reconciliation alone carries them: a large import."""
UNKNOWN_REFERENCE_SECONDS = 30.0
"""An unknown reference starts at most one reconciliation per commons in this time."""
PUBLISH_BURST = 8
"""Messages that leave without a pause: what a person does in a moment goes out at once."""
SHED_SECONDS = 5.0
"""What gossip had no room for is looked for by reconciliation after this time."""
TROUBLE_SECONDS = 1.0
"""Until what is to be published is read again when the store failed."""
AUTHORS_READ_MAX = 5_000
"""Authors known from the store at the start: after a restart nobody is a newcomer again."""
JUDGED_MAX = 256
QUEUE_MESSAGES_MAX = 4_096
KNOWN_MAX = 100_000
"""Ids seen in gossip and remembered, besides those in the sets."""
ASKED_MAX = 10_000


class Live:
    """Publishes what is new in the store and takes what neighbours pass on."""

    def __init__(self, context: NodeContext, gossip: GossipPort, reconciling: Reconciling) -> None:
        self._context = context
        self._gossip = gossip
        self._reconciling = reconciling
        self._topics: dict[str, bytes] = {}
        self._judged: dict[bytes, tuple[Contribution, ...]] = {}
        self._known: dict[bytes, None] = {}
        self._asked: dict[bytes, float] = {}
        self._budgets = AuthorBudgets()
        self._pace = TokenBucket(1_000 / GOSSIP_COALESCE_MS, PUBLISH_BURST)
        self._wake = trio.Event()
        self._published_rowid = 0
        self._early: list[Contribution] = []
        """Own ones of a commons that is not listened to yet."""
        self._arrived_in, self._arrived = trio.open_memory_channel[tuple[bytes, GossipMessage]](
            QUEUE_MESSAGES_MAX
        )
        self._tasks: trio.Nursery | None = None
        self._following = trio.Lock()

    async def run(self) -> None:
        """Publish and store until cancelled."""
        read = self._context.storage.read
        self._published_rowid = await read(lambda store: store.last_rowid())
        for author in await read(lambda store: store.recent_authors(AUTHORS_READ_MAX)):
            self._budgets.met(author)
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            await self.follow_commons()
            nursery.start_soon(self._store_arrivals)
            await self._publish_new()

    def nudged(self) -> None:
        """Something was committed, perhaps of ours: look."""
        self._wake.set()

    async def follow_commons(self) -> None:
        """Listen to the topics of the joined commons, and to no others."""
        if self._tasks is None:
            return
        # One after the other: one that is left and joined again at once would stay left.
        async with self._following:
            wanted = {gossip_topic(commons): commons for commons in self._context.joined}
            for topic in [topic for topic in self._topics if topic not in wanted]:
                self._context.sets.forget(self._topics.pop(topic))
                await self._gossip.unsubscribe(topic)
            for topic, commons in wanted.items():
                if topic not in self._topics:
                    self._topics[topic] = commons
                    channel = await self._gossip.subscribe(topic, self._judge)
                    self._tasks.start_soon(self._receive, commons, channel)

    # --- out ---------------------------------------------------------------------------------

    async def _publish_new(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            # Idle means at once; under load what gathers during the pause shares a message.
            try:
                published = await self._publish_batch()
            except StoreError as error:
                self._context.note_trouble(error)
                self._wake.set()
                await trio.sleep(TROUBLE_SECONDS)
                continue
            if published:
                await trio.sleep(self._pace.spend(1, trio.current_time()))

    async def _publish_batch(self) -> bool:
        """Publish what is new of ours, and say whether there was anything."""
        after = self._published_rowid
        rows = await self._context.storage.read(
            lambda store: store.own_after(after, limit=BACKLOG_MAX + 1)
        )
        if not rows and not self._early:
            return False
        if len(rows) > BACKLOG_MAX:
            self._published_rowid = await self._context.storage.read(
                lambda store: store.last_rowid()
            )
            log.info("more than %d new: left to reconciliation", BACKLOG_MAX)
            self._reconciling.soon()
            return False
        if rows:
            self._published_rowid = rows[-1][0]
        # What was withdrawn by now has no body to gossip; reconciliation takes it along.
        told = (contribution for _rowid, contribution in rows if contribution.body is not None)
        contributions = [*self._early, *told]
        self._early = []
        by_place = sorted(contributions, key=_place)
        for (commons, _author), group in groupby(by_place, key=_place):
            topic = gossip_topic(commons)
            if topic in self._topics:
                for message in encode_gossip(list(group)):
                    await self._gossip.publish(topic, message)
            else:
                self._early += group
        del self._early[BACKLOG_MAX:]
        if len(contributions) == len(self._early):
            return False
        self._reconciling.published()
        return True

    # --- in ----------------------------------------------------------------------------------

    def _judge(self, topic: str, data: bytes) -> Verdict:
        """Decide about a message before it is passed on: a pure function of topic and bytes.

        Only "nothing is new in it" looks at what is held; such a message is not passed on,
        since regrouping old contributions costs an attacker no key.
        """
        commons = self._topics.get(topic)
        if commons is None:
            return Verdict.IGNORE
        try:
            envelopes = decode_gossip(topic, data)
        except RejectedError as error:
            log.info("gossip rejected: %s", error)
            return Verdict.REJECT
        verified = self._context.ingest.verify_now(envelopes, commons)
        if verified.rejected is not None:
            log.info("gossip rejected: %s", verified.rejected.value)
            return Verdict.REJECT
        new = [each for each in verified.contributions if self._is_new(commons, each)]
        if not new:
            return Verdict.IGNORE
        if not self._budgets.take_new(
            new[0].header.author, sum(map(_units, new)), trio.current_time()
        ):
            # Shed, not blamed: reconciliation brings it at its own pace.
            self._context.state.gossip_shed += len(new)
            self._reconciling.soon_in_turn(SHED_SECONDS)
            return Verdict.SHED
        self._remember(new)
        self._judged[data] = verified.contributions
        while len(self._judged) > JUDGED_MAX:
            del self._judged[next(iter(self._judged))]
        return Verdict.ACCEPT

    def _is_new(self, commons: bytes, contribution: Contribution) -> bool:
        seen = contribution.id in self._known
        return not seen and not self._context.sets.holds(commons, contribution)

    def _remember(self, contributions: list[Contribution]) -> None:
        self._known.update((each.id, None) for each in contributions)
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    async def _receive(
        self, commons: bytes, channel: trio.MemoryReceiveChannel[GossipMessage]
    ) -> None:
        async for message in channel:
            await self._arrived_in.send((commons, message))

    async def _store_arrivals(self) -> None:
        """Take whatever is waiting as one group, so that a busy node writes in groups."""
        async for first in self._arrived:
            waiting = [first]
            while len(waiting) < JUDGED_MAX:
                try:
                    waiting.append(self._arrived.receive_nowait())
                except (trio.WouldBlock, trio.EndOfChannel):
                    break
            for (commons, peer_id), group in groupby(waiting, key=_from):
                await self._store_group(commons, peer_id, [message for _commons, message in group])

    async def _store_group(
        self, commons: bytes, peer_id: str, messages: list[GossipMessage]
    ) -> None:
        contributions: list[Contribution] = []
        for message in messages:
            judged = self._judged.pop(message.data, None)
            if judged is None:
                verified = self._context.ingest.verify_now(
                    decode_gossip(message.topic, message.data), commons
                )
                judged = verified.contributions
            contributions += judged
        try:
            taken = await self._context.ingest.store(contributions, peer_id)
            if not taken.new:
                return
            self._context.state.peer(peer_id).by_gossip += len(taken.new)
            self._context.state.by_gossip += len(taken.new)
            unknown = await self._context.storage.read(
                lambda store: store.unknown_references(commons, taken.new)
            )
        except StoreError as error:
            self._context.note_trouble(error)
            return
        if unknown:
            self._ask_about(commons, peer_id, unknown)

    def _ask_about(self, commons: bytes, peer_id: str, unknown: set[bytes]) -> None:
        """Reconcile with the forwarder, once for each unknown id and not too often."""
        now = trio.current_time()
        fresh = [identifier for identifier in unknown if identifier not in self._asked]
        self._asked.update((identifier, now) for identifier in fresh)
        while len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        if fresh and now - self._asked.get(commons, -UNKNOWN_REFERENCE_SECONDS) >= (
            UNKNOWN_REFERENCE_SECONDS
        ):
            self._asked[commons] = now
            self._reconciling.soon_with(peer_id)


def _place(contribution: Contribution) -> tuple[bytes, bytes]:
    return contribution.commons, contribution.header.author


def _units(contribution: Contribution) -> int:
    return units_of(len(contribution.header_bytes) + len(contribution.body or b""))


def _from(arrived: tuple[bytes, GossipMessage]) -> tuple[bytes, str]:
    return arrived[0], arrived[1].peer_id
