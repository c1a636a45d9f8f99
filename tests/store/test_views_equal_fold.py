"""Whatever comes, in whatever batches: the views in the store equal a full fold and a rebuild."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from random import Random

from histories import GARDEN, NOW, histories, without_body
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.store import Query, Store
from p2pcommons.views import fold

LATER = NOW + 10_000


@st.composite
def deliveries(draw):
    """Return batches of a history: shuffled, repeated, some headers long before their bodies."""
    history = draw(histories())
    early = draw(st.lists(st.sampled_from(history), max_size=4, unique=True))
    repeated = draw(st.lists(st.sampled_from(history), max_size=4))
    arriving = draw(st.permutations(history + repeated))
    arriving = [without_body(item) for item in early] + arriving
    cuts = sorted(draw(st.lists(st.integers(0, len(arriving)), max_size=5)))
    edges = [0, *cuts, len(arriving)]
    return history, [arriving[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=120, deadline=None)
@given(deliveries())
def test_incremental_equals_full_equals_rebuilt(delivery):
    history, batches = delivery
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "r.db") as store:
        store.join_commons(GARDEN.id, now=NOW)
        for batch in batches:
            store.ingest(batch, received_at=LATER)
        assert store.views_differences() == []
        assert _pledges(store) == _folded_pledges(history)
        assert store.digest(GARDEN.id).count == len({item.id for item in history})
        lists = _lists(store)
        store.rebuild_views()
        assert store.views_differences() == []
        assert _lists(store) == lists
        assert store.integrity_check() == []


@settings(max_examples=30, deadline=None)
@given(deliveries(), st.integers(0, 2**32))
def test_two_replicas_that_hold_the_same_show_the_same(delivery, seed):
    _, batches = delivery
    arrived = [item for batch in batches for item in batch]
    Random(seed).shuffle(arrived)
    shown = []
    for order in (batches, [arrived]):
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "r.db") as store:
            store.join_commons(GARDEN.id, now=NOW)
            for batch in order:
                store.ingest(batch, received_at=LATER)
            digest = store.digest(GARDEN.id)
            shown.append((digest.count, digest.fingerprint, _lists(store)))
    assert shown[0] == shown[1]


def _pledges(store):
    return {row.author: (row.id, row.body) for row in store.pledges(GARDEN.id)}


def _folded_pledges(history):
    """The same by the definition; nobody knows what a missing body says."""
    views = fold(history).pledges.values()
    return {view.author: (view.id, view.body) for view in views if view.body is not None}


def _lists(store):
    rows = store.entry_rows(store.entry_ids(Query(), now=LATER))
    details = [store.entry_detail(GARDEN.id, row.id) for row in rows]
    return (
        sorted((row.id, row.title, row.tags, row.name, row.heads) for row in rows),
        sorted((detail.row.id, detail.heads, detail.taggers) for detail in details if detail),
        store.tag_counts(),
    )
