"""Token buckets: how much of the network one neighbour or one author may use.

A budget never makes anything invalid. What is over it is shed, and reconciliation brings it later
at its own pace. Time is an argument, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import OrderedDict

from p2pcommons.protocol.limits import GossipBudget


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate_per_s` of them each second; begins full."""

    __slots__ = ("_at_s", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        if rate_per_s <= 0 or burst <= 0:
            raise ValueError("a bucket that gives nothing")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s: float | None = None

    def take(self, count: float, now_s: float) -> bool:
        """Take `count` tokens if they are there; False, and nothing taken, if they are not."""
        self._fill(now_s)
        if count > self._tokens:
            return False
        self._tokens -= count
        return True

    def spend(self, count: float, now_s: float) -> float:
        """Take `count` tokens in any case; the seconds to wait until they would have been there.

        With what is owed the bucket may be below zero.
        """
        self._fill(now_s)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate_per_s)

    def _fill(self, now_s: float) -> None:
        if self._at_s is not None and now_s > self._at_s:
            gained = (now_s - self._at_s) * self._rate_per_s
            self._tokens = min(self._burst, self._tokens + gained)
        self._at_s = now_s if self._at_s is None else max(now_s, self._at_s)


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

    def take(self, key: str | bytes, count: int, now_s: float) -> bool:
        """Take `count` tokens of `key` if they are there."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate_per_s, self._burst)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket.take(count, now_s)

    def forget(self, key: str | bytes) -> None:
        """Drop the bucket of a key, if there is one."""
        self._buckets.pop(key, None)


class AuthorBudgets:
    """What gossip may bring that is new: so much of each author, whoever passes it on."""

    def __init__(self, budget: GossipBudget | None = None) -> None:
        limits = budget or GossipBudget()
        self._authors = KeyedBuckets(
            limits.author_new_per_s, limits.author_new_burst, limits.keys_max
        )

    def take_new(self, author: bytes, count: int, now_s: float) -> bool:
        """Charge an author for contributions that are new here."""
        return self._authors.take(author, count, now_s)
