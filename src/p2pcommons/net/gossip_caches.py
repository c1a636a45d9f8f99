"""What gossip remembers: ids seen, messages to hand on when asked, tokens of each neighbour.

Everything is bounded in number and bytes, because neighbours choose what comes in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from libp2p.pubsub.mcache import CacheEntry, MessageCache

from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.limits import GossipBudget

if TYPE_CHECKING:
    from collections.abc import Callable

_BUDGET = GossipBudget()

SEEN_SECONDS = 120.0
SEEN_IDS_MAX = 50_000
"""32 bytes each; the library keeps any number for two minutes."""

CACHED_BYTES_MAX = 16 * 1024 * 1024
"""Of messages kept for neighbours that ask; what does not fit is left to reconciliation."""

NEIGHBOUR_RPCS_PER_SECOND = 300
NEIGHBOUR_RPCS_BURST = 2000
"""Before anything is verified. Beyond it we read more slowly; nothing is dropped by volume."""

ANSWER_BYTES_PER_SECOND = 1024 * 1024
ANSWER_BYTES_BURST = 8 * 1024 * 1024
"""Messages sent again because a neighbour asked for them."""

ASKED_IDS_PER_SECOND = 500
ASKED_IDS_BURST = 5000
"""Ids that a neighbour offers and that we ask for."""

SHED_NOTICED = 20
"""Every so many messages shed are worth a word."""

REOPENED_PER_SECOND, REOPENED_BURST = 0.5, 3
"""Streams to a neighbour that take the place of one that it ended."""

SUBSCRIPTION_CHANGES_PER_SECOND = 20
SUBSCRIPTION_CHANGES_BURST = 1000


def message_id(message: Any) -> bytes:
    """The id of a gossip message: SHA-256 of its data, so that nobody's name is in it."""
    return sha256(message.data).digest()


@dataclass(slots=True)
class SeenIds:
    """Ids of messages handled lately, the oldest forgotten first. Stands in for the library's."""

    clock: Callable[[], float]
    ids: OrderedDict[bytes, float] = field(default_factory=OrderedDict[bytes, float])

    def add(self, key: bytes) -> bool:
        """Remember an id; whether it is new."""
        now = self.clock()
        is_new = key not in self.ids
        self.ids[key] = now
        self.ids.move_to_end(key)
        while self.ids and (
            len(self.ids) > SEEN_IDS_MAX or next(iter(self.ids.values())) < now - SEEN_SECONDS
        ):
            self.ids.popitem(last=False)
        return is_new

    def has(self, key: bytes) -> bool:
        """Whether an id was handled lately."""
        at = self.ids.get(key)
        return at is not None and at >= self.clock() - SEEN_SECONDS


class ContentCache(MessageCache):
    """Recent messages by the hash of their content.

    The library keys them by sender and sequence number whatever the id function says; anonymous
    messages have neither, so of all of them one would be kept.
    """

    def __init__(self, window_size: int, history_size: int) -> None:
        super().__init__(window_size, history_size)
        self._bytes = 0

    def put(self, msg: Any) -> None:
        """Keep a message, if there is room."""
        key = message_id(msg)
        if key in self.msgs or self._bytes + len(msg.data) > CACHED_BYTES_MAX:
            return
        self._bytes += len(msg.data)
        self.msgs[key] = msg
        self.history[0].append(CacheEntry(key, msg.topicIDs))

    def shift(self) -> None:
        """Age by one heartbeat and forget the oldest."""
        super().shift()
        self._bytes = sum(len(each.data) for each in self.msgs.values())


def newest_messages(cache: MessageCache, topic: str, bytes_max: int) -> list[Any]:
    """Return the newest messages of a topic that are still offered, the oldest first."""
    found: list[Any] = []
    for entry in (each for beat in cache.history[: cache.window_size] for each in reversed(beat)):
        message: Any = cache.msgs.get(entry.mid)
        if topic not in entry.topics or message is None:
            continue
        bytes_max -= len(message.data)
        if bytes_max < 0:
            break
        found.append(message)
    return found[::-1]


@dataclass(slots=True)
class Neighbour:
    """What one neighbour may still do."""

    bytes_in: TokenBucket = field(
        default_factory=lambda: TokenBucket(
            _BUDGET.neighbour_bytes_per_s, _BUDGET.neighbour_bytes_burst
        )
    )
    judging: TokenBucket = field(
        default_factory=lambda: TokenBucket(
            _BUDGET.neighbour_judging_s_per_s, _BUDGET.neighbour_judging_burst_s
        )
    )
    """Processor seconds spent on what it sent: a message of many small envelopes costs more."""
    rpcs: TokenBucket = field(
        default_factory=lambda: TokenBucket(NEIGHBOUR_RPCS_PER_SECOND, NEIGHBOUR_RPCS_BURST)
    )
    answers: TokenBucket = field(
        default_factory=lambda: TokenBucket(ANSWER_BYTES_PER_SECOND, ANSWER_BYTES_BURST)
    )
    asked: TokenBucket = field(
        default_factory=lambda: TokenBucket(ASKED_IDS_PER_SECOND, ASKED_IDS_BURST)
    )
    subscriptions: TokenBucket = field(
        default_factory=lambda: TokenBucket(
            SUBSCRIPTION_CHANGES_PER_SECOND, SUBSCRIPTION_CHANGES_BURST
        )
    )
    reopened: TokenBucket = field(
        default_factory=lambda: TokenBucket(REOPENED_PER_SECOND, REOPENED_BURST)
    )
    shed: int = 0
    """Messages for which there was no room."""
    replayed: set[str] = field(default_factory=set[str])
    """Topics whose recent messages this neighbour was given already."""

    def may_shed(self) -> bool:
        """Note a message for which there was no room; whether that was the case often."""
        self.shed += 1
        return self.shed % SHED_NOTICED == 0
