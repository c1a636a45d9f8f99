"""Any permutation and batching of the same contributions gives byte-equal views and digest."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.model.contribution import Contribution
from tests.views.histories import GARDEN, NOW, histories

from .nodes import BASE_TIME
from .orders import in_any_order, replica_of, told
from .people import Writer
from .stores import MemoryStore, open_store


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(0, 2**32))
def test_any_order_of_a_strange_history_tells_the_same(
    history: list[Contribution], seed: int
) -> None:
    chance = Random(seed)
    first, *others = [
        _told(replica_of(in_any_order(history, chance), GARDEN.id, NOW)) for _ in range(3)
    ]
    assert others == [first, first]


def test_any_order_of_what_many_people_wrote_together_tells_the_same() -> None:
    """People see what others wrote, edit it, take it back; one loses a device and revokes it."""
    written, commons = a_busy_commons(Random(1), people=6, count=90)
    kinds = {each.header.kind for each in written}
    assert kinds == {"commons", "entry", "tag", "profile", "withdraw", "device-revoke"}
    chance = Random(2)
    expected = _told(replica_of([written], commons, BASE_TIME + 10**6))
    assert len(expected) > 10_000
    for _ in range(8):
        batches = in_any_order(written, chance)
        assert _told(replica_of(batches, commons, BASE_TIME + 10**6)) == expected


def test_the_last_word_of_a_permutation_matters_to_the_test() -> None:
    """Had one contribution been left out, the bytes would differ: they do tell everything."""
    written, commons = a_busy_commons(Random(3), people=4, count=30)
    expected = _told(replica_of([written], commons, BASE_TIME + 10**6))
    for left_out in written[1:]:
        others = [each for each in written if each is not left_out]
        assert _told(replica_of([others], commons, BASE_TIME + 10**6)) != expected


def a_busy_commons(chance: Random, people: int, count: int) -> tuple[list[Contribution], bytes]:
    """Return what people wrote in one replica that all of them see."""
    writers = [
        Writer(Random(chance.random()), person, device)
        for person in range(1, people + 1)
        for device in (1, 2)
    ]
    store = open_store()
    written = [writers[0].found("A busy commons", BASE_TIME)]
    commons = written[0].id
    store.join_commons(commons, now=BASE_TIME)
    store.ingest(written, received_at=BASE_TIME)
    while len(written) < count:
        at = BASE_TIME + len(written)
        made = chance.choice(writers).something(store, commons, at)
        store.ingest(made, received_at=at)
        written += made
    store.close()
    return written, commons


def _told(store: MemoryStore) -> bytes:
    with store:
        return told(store)
