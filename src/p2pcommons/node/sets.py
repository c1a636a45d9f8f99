"""What this node knows of each commons, kept in memory between sessions and brought up to date.

The store is the truth. A set is read whole once, in parts, and afterwards only the rows that came
since, whoever wrote them; so nothing has to be told about commits of other processes. The store's
own count and fingerprint, read in the same moment, say whether the two still agree.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from p2pcommons.protocol.events import CommonsState
from p2pcommons.protocol.items import ItemLoader
from p2pcommons.protocol.limits import SETS_BYTES_MAX

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution
    from p2pcommons.node.storage import Storage
    from p2pcommons.protocol.items import ItemSet, Snapshot
    from p2pcommons.store import Store
    from p2pcommons.store.records import SetReading

log = logging.getLogger(__name__)

BODIES_ASKED_MAX = 450
PART_ITEMS = 10_000
"""Items read at once: some ten milliseconds, during which other readings wait."""
ADDED_INLINE_MAX = 64
"""Items added on the event loop; more are added beside it."""


class _Kept:
    """One set in memory."""

    def __init__(self, items: ItemSet, rowid: int) -> None:
        self.items = items
        self.rowid = rowid
        """Everything up to this row of the store is in `items`."""
        self._shown: list[weakref.ref[Snapshot]] = []

    def snapshot(self) -> Snapshot:
        """Return the set as it is; whoever holds it keeps the set in memory."""
        snapshot = self.items.snapshot()
        self._shown = [each for each in self._shown if each() is not None]
        self._shown.append(weakref.ref(snapshot))
        return snapshot

    @property
    def is_in_use(self) -> bool:
        """Whether somebody still holds a snapshot."""
        return any(each() is not None for each in self._shown)


@dataclass(frozen=True, slots=True)
class FreshSet:
    """A commons as it was when it was asked for."""

    state: CommonsState
    rowid: int
    """What the store's newest row was then: an equal peer holds everything up to it."""


class Sets:
    """The sets of the joined commons, as many as fit `bytes_max`, the longest unused let go."""

    def __init__(self, storage: Storage, bytes_max: int = SETS_BYTES_MAX) -> None:
        self._storage = storage
        self._bytes_max = bytes_max
        self._kept: dict[bytes, _Kept] = {}
        """The one used last comes last."""
        self._busy: dict[bytes, trio.Lock] = {}

    @property
    def bytes_used(self) -> int:
        """Memory that the sets take."""
        return sum(kept.items.bytes_used for kept in self._kept.values())

    async def fresh(self, commons: bytes, now: int, peer_id: str = "") -> FreshSet | None:
        """Return a commons as it is now, for a session with a peer; None when it is not joined."""
        async with self._busy.setdefault(commons, trio.Lock()):
            kept = self._kept.get(commons)
            for attempt in (0, 1):
                if kept is None:
                    kept = await self._load(commons)
                read = await self._read(commons, kept.rowid, now, peer_id)
                if read is None:
                    self._kept.pop(commons, None)
                    return None
                await self._add(kept, read.items, read.rowid)
                if kept.items.fingerprint() == read.digest.fingerprint:
                    break
                # Deleted and joined again, or put in order, by another process: what is gone
                # must not count as known.
                if attempt:
                    log.error("the digest of %s is not that of its rows", commons.hex())
                else:
                    kept = None
            assert kept is not None
            self._kept.pop(commons, None)
            self._kept[commons] = kept
            snapshot = kept.snapshot()
            self._let_go()
            return FreshSet(_state(snapshot, read), read.rowid)

    async def follow(self) -> None:
        """Add what has been committed to the sets in memory, so that no session has to wait."""
        for commons, kept in tuple(self._kept.items()):
            async with self._busy.setdefault(commons, trio.Lock()):
                if self._kept.get(commons) is kept:
                    await self._catch_up(commons, kept)
        self._let_go()

    def holds(self, commons: bytes, contribution: Contribution) -> bool:
        """Tell whether a set in memory has this; one that is not loaded has nothing."""
        kept = self._kept.get(commons)
        return kept is not None and (contribution.header.claimed_at, contribution.id) in kept.items

    def forget(self, commons: bytes) -> None:
        """Let a commons go: left, deleted, or rebuilt by another process."""
        self._kept.pop(commons, None)

    async def _load(self, commons: bytes) -> _Kept:
        """Read a whole set, a part at a time, into the memory that it will take."""
        digest = await self._storage.read(lambda store: store.digest(commons))
        newest = await self._storage.read(lambda store: store.last_rowid())
        loader = ItemLoader(digest.count)
        rowid = -1
        while True:
            part, last = await self._storage.read(
                lambda store, after=rowid: store.items_part(commons, after, PART_ITEMS)
            )
            if not part:
                break
            rowid = last
            await self._storage.compute(lambda part=part: loader.add(part))
        # What is dropped meanwhile is found among the dropped ones.
        identifier = b""
        while dropped := await self._storage.read(
            lambda store, after=identifier: store.dropped_part(commons, after, PART_ITEMS)
        ):
            identifier = dropped[-1][1]
            await self._storage.compute(lambda part=dropped: loader.add(part))
        items = await self._storage.compute(loader.finish)
        return _Kept(items, max(rowid, newest))

    async def _catch_up(self, commons: bytes, kept: _Kept) -> None:
        while True:
            rowid = kept.rowid
            part, last = await self._storage.read(
                lambda store, after=rowid: store.items_part(commons, after, PART_ITEMS)
            )
            if not part:
                return
            await self._add(kept, part, last)

    async def _read(self, commons: bytes, rowid: int, now: int, peer_id: str) -> SetReading | None:
        def read(store: Store) -> SetReading | None:
            return store.read_set(
                commons, rowid, now=now, peer_id=peer_id, bodies_max=BODIES_ASKED_MAX
            )

        return await self._storage.read(read)

    async def _add(self, kept: _Kept, items: list[tuple[int, bytes]], rowid: int) -> None:
        if len(items) <= ADDED_INLINE_MAX:
            kept.items.add_many(items)
        else:
            await self._storage.compute(lambda: kept.items.add_many(items))
        kept.rowid = max(kept.rowid, rowid)

    def _let_go(self) -> None:
        """Drop the longest unused sets that are too many, and that nobody uses now."""
        excess = self.bytes_used - self._bytes_max
        for commons, kept in tuple(self._kept.items()):
            if excess <= 0:
                return
            if not kept.is_in_use and not self._busy[commons].locked():
                excess -= kept.items.bytes_used
                del self._kept[commons]


def _state(snapshot: Snapshot, read: SetReading) -> CommonsState:
    return CommonsState(
        snapshot=snapshot,
        bodies=read.digest.bodies,
        has_founding=read.has_founding,
        missing_bodies=read.missing_bodies,
        equal_before=read.equal_before,
    )
