"""As many bytes a second as the person allows, in and out together, in turns between peers.

What is sent waits for its turn before it is written; what comes is slowed by granting the other
side its window in small portions, in turns as well. Pings, window updates and what is small pass
at once and are paid for afterwards, so that a slow connection never looks like a dead one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from p2pcommons.protocol.budget import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Hashable
    from collections.abc import Set as AbstractSet

T = TypeVar("T")

PORTION_SECONDS = 0.25
"""One turn takes at most so long at the rate that is allowed."""
PORTION_BYTES_MIN = 1_024
PORTION_BYTES_MAX = 65_000
"""Within one frame of the muxer."""
BURST_SECONDS = 0.5
"""Of quiet that can be made up for."""
PROMPT_SHARE = 0.25
"""Of the rate, for what is small: gossip, greetings, answers. It waits only beyond this."""
PROMPT_SECONDS = 8.0
"""Of that share, at once."""
UNGRANTED_SHARE = 0.5
"""Of the rate, for what one machine sends that it was not granted: the first window of a stream."""
UNGRANTED_SECONDS = 10.0
"""Of that share, at once; then it is read later, or it could put the node into debt for hours."""
UNGRANTED_BYTES_MIN = 2 * 256 * 1_024
"""Two first windows, whatever the rate."""
MACHINES_MAX = 512
"""Machines whose share is remembered."""
LOOK_SECONDS = 0.5
LOOK_SECONDS_MIN = 0.001


class Turns(Generic[T]):
    """Those who wait, by whom they belong to: everybody gets one turn before anybody the next."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, who: Hashable, item: T) -> None:
        """Queue an item behind those of the same owner."""
        self._waiting.setdefault(who, deque()).append(item)

    def next(self) -> T:
        """Return the item whose turn it is. Raises KeyError when nobody waits."""
        who, queue = self._waiting.popitem(last=False)
        item = queue.popleft()
        if queue:
            self._waiting[who] = queue
        return item

    def remove(self, who: Hashable, item: T) -> None:
        """Let an item go that does not wait any longer; one that had its turn is no error."""
        queue = self._waiting.get(who)
        if queue is not None and item in queue:
            queue.remove(item)
            if not queue:
                del self._waiting[who]


class _Claim:
    __slots__ = ("granted", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.granted = trio.Event()


class Pace:
    """One allowance for all connections of a host; `run` gives it out."""

    def __init__(self, bytes_per_s: int, kept: AbstractSet[str] = frozenset()) -> None:
        """`kept` are peers that share something: each has a share of its own, wherever it is."""
        self.kept = kept
        self.bytes_per_s = bytes_per_s
        self.portion = min(
            max(int(bytes_per_s * PORTION_SECONDS), PORTION_BYTES_MIN), PORTION_BYTES_MAX
        )
        self._bucket = TokenBucket(bytes_per_s, max(bytes_per_s * BURST_SECONDS, self.portion))
        prompt = bytes_per_s * PROMPT_SHARE
        self._prompt = TokenBucket(prompt, max(prompt * PROMPT_SECONDS, PORTION_BYTES_MIN))
        self._ungranted: OrderedDict[str, TokenBucket] = OrderedDict()
        self._turns: Turns[_Claim] = Turns()
        self._wake = trio.Event()

    def charge(self, size: int) -> None:
        """Pay for what has moved, or is about to without waiting."""
        self._bucket.spend(size, trio.current_time())

    def ungranted(self, peer_id: str, machine: str, size: int) -> float:
        """Count what came without a grant; the seconds until that is within the sender's share.

        Strangers at one machine have one share: names cost nothing.
        """
        machine = peer_id if peer_id in self.kept else machine
        share = self._ungranted.pop(machine, None)
        if share is None:
            rate = self.bytes_per_s * UNGRANTED_SHARE
            share = TokenBucket(rate, max(rate * UNGRANTED_SECONDS, UNGRANTED_BYTES_MIN))
        self._ungranted[machine] = share
        if len(self._ungranted) > MACHINES_MAX:
            self._ungranted.popitem(last=False)
        return share.spend(size, trio.current_time())

    async def claim(self, who: str, size: int) -> None:
        """Wait for the turn of `who`, and pay for `size` bytes."""
        claim = _Claim(size)
        self._turns.add(who, claim)
        self._wake.set()
        try:
            await claim.granted.wait()
        except BaseException:
            self._turns.remove(who, claim)
            raise

    async def promptly(self, who: str, size: int) -> None:
        """Pay for something small at once; wait only when too much of that came lately."""
        if self._prompt.take(size, trio.current_time()):
            self.charge(size)
        else:
            await self.claim(who, size)

    async def run(self) -> None:
        """Give out turns until cancelled."""
        while True:
            while not self._turns:
                self._wake = trio.Event()
                await self._wake.wait()
            # What was sent without waiting is paid for first.
            owed = self._bucket.spend(0, trio.current_time())
            if owed > 0:
                await trio.sleep(min(max(owed, LOOK_SECONDS_MIN), LOOK_SECONDS))
                continue
            claim = self._turns.next()
            self.charge(claim.size)
            claim.granted.set()
            await trio.lowlevel.checkpoint()
