"""Two that got the same news from a third learn soon that they are equal.

Whoever writes asks all its peers what they hold; those between whom the news only passed do not,
and would not know of each other until their next session. One of each pair asks, a while after
the news, unless a session of any kind has run meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import StoreError
from p2pcommons.protocol.events import Outcome
from p2pcommons.protocol.session import keeps_own_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from p2pcommons.node.context import NodeContext
    from p2pcommons.store import Store

SETTLE_SECONDS = 15.0
"""After the news: the sessions that it causes by itself have run by then."""
SECOND_SIDE_SECONDS = 15.0
"""Later by so much the other one of a pair asks, if it still does not know."""
JITTER = 0.5
"""Part of the first pause by which it may be longer: news reach all pairs at the same time."""
AGAIN_SECONDS = 60.0
"""Between two sessions of a pair for this reason, however much is written."""

_SETTLED = (Outcome.EQUAL, Outcome.UNSUPPORTED)


@dataclass(slots=True)
class _Pair:
    """This node and one connected peer."""

    due: float = math.inf
    again_at: float = -math.inf


class Settling:
    """Opens a session with each peer of which it is known no more whether it holds the same."""

    def __init__(
        self, context: NodeContext, own_peer_id: str, open_session: Callable[[str], None]
    ) -> None:
        self._context = context
        self._own_peer_id = own_peer_id
        self._open_session = open_session
        self._pairs: dict[str, _Pair] = {}
        self._wake = trio.Event()

    async def run(self) -> None:
        """Ask whoever is due, until cancelled."""
        while True:
            self._wake = trio.Event()
            for peer_id, pair in tuple(self._pairs.items()):
                if pair.due <= trio.current_time():
                    # A session that goes on may have begun before the news: look at it afterwards.
                    open_still = self._is_open_still(peer_id)
                    pair.due = trio.current_time() + SETTLE_SECONDS if open_still else math.inf
                    if not open_still and await self._is_unsure(peer_id):
                        pair.again_at = trio.current_time() + AGAIN_SECONDS
                        self._open_session(peer_id)
            with trio.move_on_at(
                min((pair.due for pair in self._pairs.values()), default=math.inf)
            ):
                await self._wake.wait()

    def news(self, commons: bytes, peers: Iterable[str]) -> None:
        """Something new of a commons is here: plan to ask those of `peers` that share it."""
        now = trio.current_time()
        for peer_id in peers:
            peer = self._context.state.peers.get(peer_id)
            if peer is None or commons not in (peer.shared or ()):
                continue
            pair = self._pairs.setdefault(peer_id, _Pair())
            if pair.due == math.inf:
                pair.due = max(now + self._pause(peer_id), pair.again_at)
                self._wake.set()

    def session_begins(self, peer_id: str) -> None:
        """What came before a session is covered by it."""
        if peer_id in self._pairs:
            self._pairs[peer_id].due = math.inf

    def gone(self, peer_id: str) -> None:
        """A peer has left; when it comes again a session runs anyway."""
        self._pairs.pop(peer_id, None)

    def _pause(self, peer_id: str) -> float:
        first = keeps_own_session(self._own_peer_id, peer_id)
        pause = SETTLE_SECONDS * self._context.chance.uniform(1.0, 1.0 + JITTER)
        return pause if first else pause + SECOND_SIDE_SECONDS

    def _is_open_still(self, peer_id: str) -> bool:
        """Tell whether sessions have not come to a result yet; more of them are planned already."""
        peer = self._context.state.peers.get(peer_id)
        results = [] if peer is None else [peer.exchange(each).result for each in peer.shared or ()]
        return any(
            each is None or not (each.outcome in _SETTLED or each.only_declined_left)
            for each in results
        )

    async def _is_unsure(self, peer_id: str) -> bool:
        """Tell whether what is here is no more what both were found to hold."""
        peer = self._context.state.peers.get(peer_id)
        if peer is None:
            return False
        found = {commons: peer.exchange(commons).result for commons in peer.shared or ()}
        # Where one side declines what there is a session would be in vain.
        equal = {
            commons: result.fingerprint
            for commons, result in found.items()
            if result is not None and result.equal
        }

        def has_changed(store: Store) -> bool:
            return any(store.digest(each).fingerprint != was for each, was in equal.items())

        try:
            return bool(equal) and await self._context.storage.read(has_changed)
        except StoreError as error:
            self._context.note_trouble(error)
            return False
