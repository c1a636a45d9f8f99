"""What this node knows of each commons, kept in memory between sessions and brought up to date.

The store is the truth. A set is read whole once, and afterwards only the rows that came since,
whoever wrote them; so nothing has to be told about commits of other processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from p2pcommons.protocol.events import CommonsState
from p2pcommons.protocol.items import ItemSet

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution
    from p2pcommons.node.storage import Storage
    from p2pcommons.protocol.items import Snapshot
    from p2pcommons.store import Store

BODIES_ASKED_MAX = 450


@dataclass(slots=True)
class _Kept:
    items: ItemSet
    rowid: int
    """Everything up to this row of the store is in `items`."""


@dataclass(frozen=True, slots=True)
class FreshSet:
    """A commons as it was when it was asked for."""

    state: CommonsState
    rowid: int
    """What the store's newest row was then: an equal peer holds everything up to it."""


class Sets:
    """The sets of the joined commons."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: dict[bytes, _Kept] = {}
        self._busy: dict[bytes, trio.Lock] = {}

    async def fresh(self, commons: bytes, now: int) -> FreshSet | None:
        """Return a commons as it is now, or None when it is not joined any more."""
        async with self._busy.setdefault(commons, trio.Lock()):
            kept = self._kept.get(commons)
            read = await self._storage.read(lambda store: _read(store, commons, kept, now))
            if read is not None and kept is not None:
                kept.items.add_many(read.items)
                kept.rowid = read.rowid
                if kept.items.count > read.count:
                    # Deleted and joined again meanwhile: what is gone must not count as known.
                    kept = None
                    read = await self._storage.read(lambda store: _read(store, commons, None, now))
            if read is None:
                self._kept.pop(commons, None)
                return None
            if kept is None:
                items = await trio.to_thread.run_sync(ItemSet, read.items)
                kept = self._kept[commons] = _Kept(items, read.rowid)
            return FreshSet(_state(kept.items.snapshot(), read), kept.rowid)

    def holds(self, commons: bytes, contribution: Contribution) -> bool:
        """Tell whether a set in memory has this; one that is not loaded has nothing."""
        kept = self._kept.get(commons)
        return kept is not None and (contribution.header.claimed_at, contribution.id) in kept.items

    def forget(self, commons: bytes) -> None:
        """Let a commons go: left, deleted, or rebuilt by another process."""
        self._kept.pop(commons, None)


@dataclass(frozen=True, slots=True)
class _Read:
    items: list[tuple[int, bytes]]
    rowid: int
    bodies: int
    has_founding: bool
    missing: tuple[bytes, ...]
    count: int


def _read(store: Store, commons: bytes, kept: _Kept | None, now: int) -> _Read | None:
    row = store.commons_row(commons)
    if row is None or row.joined_at is None or row.left_at is not None:
        return None
    # The row id first: what is committed between the two reads is then read once more. The count
    # last: it is never below that of the items, unless a commons is deleted just now.
    rowid = store.last_rowid()
    items = store.items(commons) if kept is None else store.items_after(commons, kept.rowid)
    digest = store.digest(commons)
    return _Read(
        items=items,
        rowid=rowid,
        bodies=digest.bodies,
        has_founding=bool(store.known([commons])),
        missing=tuple(store.bodies_wanted(commons, now=now, limit=BODIES_ASKED_MAX)),
        count=digest.count,
    )


def _state(snapshot: Snapshot, read: _Read) -> CommonsState:
    return CommonsState(
        snapshot=snapshot,
        bodies=read.bodies,
        has_founding=read.has_founding,
        missing_bodies=read.missing,
    )
