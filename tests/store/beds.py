"""A garden with beds of Bo's, which are not one's own and may go for room."""

from __future__ import annotations

from histories import BO, GARDEN, NOW, Writer

from p2pcommons.store import parse_query

LATER = NOW + 100_000
TEXT = "word " * 400


def take(store, *contributions, **more):
    return store.ingest(contributions, received_at=LATER, **more)


def titles(store, text=""):
    rowids = store.entry_ids(parse_query(text), now=LATER)
    return [row.title for row in store.entry_rows(rowids)]


def bos_entries(garden, count):
    """Entries of Bo's, oldest first, a second apart."""
    writer = Writer()
    made = [writer.entry(BO, f"Bed {number}", "bed", text=TEXT) for number in range(count)]
    take(garden, *made)
    return made


def small_budget(garden, share=0.5):
    """Set a budget of a part of what the garden takes."""
    garden.set_budget(GARDEN.id, int(garden.bytes_used(GARDEN.id) * share))
