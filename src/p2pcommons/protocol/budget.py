"""Token buckets: how much of the network one neighbour or one author may use.

A budget never makes anything invalid. What is over it is shed, and reconciliation brings it later
at its own pace. Time is an argument, in milliseconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import OrderedDict

from p2pcommons.protocol.limits import GossipBudget

_MS_PER_S = 1_000


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate_per_s` of them each second; begins full."""

    __slots__ = ("_at_ms", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        if rate_per_s <= 0 or burst <= 0:
            raise ValueError("a bucket that gives nothing")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_ms: int | None = None

    def take(self, count: int, now_ms: int) -> bool:
        """Take `count` tokens if they are there; False, and nothing taken, if they are not."""
        if self._at_ms is not None and now_ms > self._at_ms:
            gained = (now_ms - self._at_ms) * self._rate_per_s / _MS_PER_S
            self._tokens = min(self._burst, self._tokens + gained)
        self._at_ms = now_ms if self._at_ms is None else max(now_ms, self._at_ms)
        if count > self._tokens:
            return False
        self._tokens -= count
        return True


class KeyedBuckets:
    """One bucket for each key (a peer id, an author), the longest unused forgotten first.

    A forgotten key begins with a full bucket again: memory is bounded, and a flood of made-up keys
    is bounded by the buckets of the neighbours that bring them.
    """

    def __init__(self, rate_per_s: float, burst: float, keys_max: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[str | bytes, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str | bytes, count: int, now_ms: int) -> bool:
        """Take `count` tokens of `key` if they are there."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate_per_s, self._burst)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take(count, now_ms)

    def forget(self, key: str | bytes) -> None:
        """Drop the bucket of a key, if there is one."""
        self._buckets.pop(key, None)


class GossipBudgets:
    """What gossip may cost: bytes of each neighbour, new contributions of each author."""

    def __init__(self, budget: GossipBudget | None = None) -> None:
        limits = budget or GossipBudget()
        self._neighbours = KeyedBuckets(
            limits.neighbour_bytes_per_s, limits.neighbour_bytes_burst, limits.keys_max
        )
        self._authors = KeyedBuckets(
            limits.author_new_per_s, limits.author_new_burst, limits.keys_max
        )

    def take_bytes(self, peer_id: str, size: int, now_ms: int) -> bool:
        """Charge a neighbour for a message, before anything in it is looked at."""
        return self._neighbours.take(peer_id, size, now_ms)

    def take_new(self, author: bytes, count: int, now_ms: int) -> bool:
        """Charge an author for contributions that are new here."""
        return self._authors.take(author, count, now_ms)

    def peer_left(self, peer_id: str) -> None:
        """Forget a neighbour; the connection limits see to it that it gains little by that."""
        self._neighbours.forget(peer_id)
