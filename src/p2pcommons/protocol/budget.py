"""Token buckets: how much of the network one neighbour or one author may use.

A budget never makes anything invalid. What is over it is shed, and reconciliation brings it later
at its own pace. Time is an argument, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from p2pcommons.protocol.limits import (
    SERVED_AGAIN_SECONDS,
    SERVED_BYTES_MIN,
    SERVED_BYTES_PER_S,
    SERVED_TIMES,
    GossipBudget,
)


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


class FairShares:
    """One resource that many use: all of it for whoever asks while there is plenty, else shares.

    It regains `rate_per_s` units a second, up to `burst`. While more than half of that is left
    anybody gets what they ask for. Below, whoever used less than an equal share lately (over about
    `window_s` seconds, among those who used any) still gets it, and the others wait. So one busy
    user may have everything, and a flood costs the one who floods.
    """

    def __init__(self, rate_per_s: float, burst: float, *, window_s: float, keys_max: int) -> None:
        if rate_per_s <= 0 or burst <= 0 or window_s <= 0:
            raise ValueError("a resource that is none")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._window_s = window_s
        self._keys_max = keys_max
        self._left = burst
        self._at_s: float | None = None
        self._used: OrderedDict[str | bytes, tuple[float, float]] = OrderedDict()
        """What each user has used, fading away, and when that was; the latest user last."""

    def take(self, key: str | bytes, units: float, now_s: float) -> bool:
        """Take `units` for a user; False, and nothing taken, if others come first."""
        self._advance(now_s)
        if units > self._left:
            return False
        used = self._used_by(key, now_s)
        if self._left - units < self._burst / 2:
            share = self._rate_per_s * self._window_s / max(1, len(self._used))
            if used + units > share:
                return False
        self._left -= units
        self._used[key] = (used + units, now_s)
        self._used.move_to_end(key)
        if len(self._used) > self._keys_max:
            self._used.popitem(last=False)
        return True

    def _used_by(self, key: str | bytes, now_s: float) -> float:
        used, at_s = self._used.get(key, (0.0, now_s))
        return used * math.exp((at_s - now_s) / self._window_s)

    def _advance(self, now_s: float) -> None:
        if self._at_s is not None and now_s > self._at_s:
            gained = (now_s - self._at_s) * self._rate_per_s
            self._left = min(self._burst, self._left + gained)
        self._at_s = now_s if self._at_s is None else max(now_s, self._at_s)
        while self._used:
            key, (_, at_s) = next(iter(self._used.items()))
            if now_s - at_s < self._window_s:
                break
            del self._used[key]


class ServedBudget:
    """What one peer is given of all that is held: one and a half times at once, then slowly.

    So a newcomer gets everything at full speed, however much it is, and one that asks for it again
    and again costs no more than a trickle.
    """

    def __init__(self) -> None:
        self._served = 0.0
        self._at_s: float | None = None

    def spend(self, size: int, held_bytes: int, now_s: float) -> float:
        """Charge `size` bytes; return the seconds to wait until they would be within bounds.

        `held_bytes` is what all that this node holds takes.
        """
        rate = max(SERVED_BYTES_PER_S, held_bytes / SERVED_AGAIN_SECONDS)
        if self._at_s is not None and now_s > self._at_s:
            self._served = max(0.0, self._served - (now_s - self._at_s) * rate)
        self._at_s = now_s
        self._served += size
        excess = self._served - max(SERVED_BYTES_MIN, SERVED_TIMES * held_bytes)
        return max(0.0, excess / rate)


class AuthorBudgets:
    """What gossip may bring that is new: a fair share for each author, whoever passes it on.

    Keys cost nothing, so authors never met before share one small bucket: ten thousand fresh ones
    get no more of the node than a few. All of it is counted in started kibibytes.
    """

    def __init__(self, budget: GossipBudget | None = None) -> None:
        limits = budget or GossipBudget()
        self._shares = FairShares(
            limits.new_units_per_s,
            limits.new_units_burst,
            window_s=limits.share_window_s,
            keys_max=limits.keys_max,
        )
        self._newcomers = TokenBucket(limits.newcomers_per_s, limits.newcomers_burst)
        self._met: OrderedDict[bytes, None] = OrderedDict()
        self._met_max = limits.authors_met_max

    def met(self, author: bytes) -> None:
        """Note an author of whom something was taken; the longest unheard of is forgotten."""
        self._met[author] = None
        self._met.move_to_end(author)
        if len(self._met) > self._met_max:
            self._met.popitem(last=False)

    def take_new(self, author: bytes, units: int, now_s: float) -> bool:
        """Charge an author for contributions that are new here; `units` as `units_of` says."""
        if author not in self._met and not self._newcomers.take(1, now_s):
            return False
        if not self._shares.take(author, units, now_s):
            return False
        self.met(author)
        return True


def units_of(size_bytes: int) -> int:
    """Return what a contribution of this size is charged: its started kibibytes."""
    return max(1, -(-size_bytes // 1024))
