"""The same contributions in any order, in any batches, headers before bodies, some of them twice.

`told` is everything a replica says of what it holds, as bytes: it must be the same for all.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from p2pcommons.model.contribution import Contribution
from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.store import Query, Store

from .stores import MemoryStore, open_store

BATCHES = (1, 2, 5, 20, 100)
_OF_THIS_MACHINE = frozenset({"rowid", "received_at", "joined_at", "holders"})


def told(store: Store) -> bytes:
    """Return views and digests in one form of bytes, without what is a matter of this machine."""
    return json.dumps(list(_told(store)), sort_keys=True, default=_plain).encode()


def _told(store: Store) -> Iterator[object]:
    for row in sorted(store.commons_rows(), key=lambda row: row.id):
        yield row
        yield store.digest(row.id)
        yield store.tag_counts(row.id)
        entries = store.entry_rows(store.entry_ids(Query((row.id,)), now=CLAIMED_AT_MAX))
        for entry in sorted(entries, key=lambda entry: entry.id):
            yield entry
            yield store.entry_detail(row.id, entry.id)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (set, frozenset)):
        return sorted(str(_plain(each)) for each in value)
    assert dataclasses.is_dataclass(value)
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if field.name not in _OF_THIS_MACHINE
    }


def in_any_order(held: Sequence[Contribution], chance: Random) -> Iterator[list[Contribution]]:
    """Return batches of a permutation, some headers long before their bodies, some things twice."""
    arriving = [*held, *chance.sample(held, len(held) // 10)]
    chance.shuffle(arriving)
    early = chance.sample(held, len(held) // 6)
    arriving = [dataclasses.replace(each, body=None) for each in early] + arriving
    while arriving:
        size = chance.choice(BATCHES)
        yield arriving[:size]
        arriving = arriving[size:]


def replica_of(batches: Iterable[Sequence[Contribution]], commons: bytes, at: int) -> MemoryStore:
    """Return a store that took these batches, and then the bodies that it still wants.

    A body that came while it was withdrawn is not taken; when somebody disowns that withdrawal
    later, it is asked for again, as a session would.
    """
    store = open_store()
    store.join_commons(commons, now=at)
    whole: dict[bytes, Contribution] = {}
    for batch in batches:
        store.ingest(batch, received_at=at)
        whole.update((each.id, each) for each in batch if each.body is not None)
    wanted = store.bodies_wanted(commons, now=at)
    store.ingest([whole[each] for each in wanted if each in whole], received_at=at)
    return store
