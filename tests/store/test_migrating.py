"""A store that an older version wrote is brought up to date, and nothing in it is lost.

`store-1.db.gz` was written by the program of schema 1: histories with edits, tags, withdrawals,
revocations, missing bodies and unknown kinds, some of them one's own, others from a peer.
"""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest
from histories import GARDEN

from p2pcommons.errors import StoreError
from p2pcommons.model.contribution import decode_header
from p2pcommons.store import Store, parse_query
from p2pcommons.store.schema import SCHEMA_VERSION, WITHDRAWN

OLD = Path(__file__).parents[1] / "vectors" / "store-1.db.gz"
NOW = 2_000_000_000


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "replica.db"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def raw(path: Path, sql: str):
    connection = sqlite3.connect(path)
    rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def contributions(path: Path):
    return raw(
        path,
        "SELECT c.id, c.header, c.signature, g.signature, c.body, c.state, c.own, c.rowid "
        "FROM contribution c JOIN device_grant g ON g.rowid = c.device ORDER BY c.rowid",
    )


def test_everything_that_a_store_of_schema_1_held_is_served_byte_for_byte(old):
    before = contributions(old)
    meta = dict(raw(old, "SELECT key, value FROM meta"))
    with Store.open(old) as store:
        assert raw(old, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
        served = store.envelopes(GARDEN.id, [row[0] for row in before])
        for identifier, header, signature, grant, body, state, _, _ in before:
            envelope = served[identifier]
            shown = None if state & WITHDRAWN else body
            assert (envelope.header, envelope.signature) == (header, signature)
            assert (envelope.grant, envelope.body) == (grant, shown)
        items = {(decode_header(row[1]).claimed_at, row[0]) for row in before}
        assert set(store.items(GARDEN.id)) == items
        own = [(row[7], row[0]) for row in before if row[6]]
        assert [(rowid, item.id) for rowid, item in store.own_after(0)] == own
        assert {key: store.meta(key) for key in meta} == meta
        assert store.digest(GARDEN.id).count == len(before)
        assert store.views_differences() == []
        assert store.integrity_check() == []


def test_full_text_of_an_older_store_finds_what_it_found(old):
    with Store.open(old) as store:
        shown = [row.title for row in store.entry_rows(store.entry_ids(parse_query(""), now=NOW))]
        words = {word for title in shown if title for word in title.split() if word.isalnum()}
        assert words
        for word in words:
            found = store.entry_rows(store.entry_ids(parse_query(word), now=NOW))
            assert any(word in (row.title or "") for row in found), word
        store.rebuild_views()
        assert store.views_differences() == []


def test_headers_of_an_older_store_are_shortened(old):
    with Store.open(old):
        pass
    lengths = raw(
        old,
        "SELECT max(length(header) - 32 * (SELECT count(*) FROM edge e WHERE "
        "e.child = c.rowid)) FROM contribution c",
    )
    assert lengths == [(36,)]


def test_migration_tells_how_far_it_is(old):
    told: list[tuple[int, int]] = []
    with Store.open(old, progress=lambda done, count: told.append((done, count))):
        pass
    count = len(contributions(old))
    assert (count, count) in told
    assert all(0 < done <= of for done, of in told)


def test_migration_that_is_broken_off_leaves_the_old_store_and_can_be_done_again(old):
    before = contributions(old)
    for steps_done in (0, 1):
        steps_left = [None] * steps_done

        def break_off(_done: int, _count: int, steps_left=steps_left) -> None:
            if not steps_left:
                raise KeyboardInterrupt
            steps_left.pop()

        with pytest.raises(KeyboardInterrupt):
            Store.open(old, progress=break_off)
        assert raw(old, "PRAGMA user_version") == [(1,)]
        assert contributions(old) == before
    with Store.open(old) as store:
        assert store.views_differences() == []


def test_older_store_is_not_opened_for_reading_only(old):
    with pytest.raises(StoreError, match="older schema"):
        Store.open(old, read_only=True)


def test_tag_that_another_process_removed_is_made_anew(old):
    with Store.open(old) as remembering, Store.open(old) as removing:
        batch = [item for _, item in remembering.contributions_after(GARDEN.id, 0)]
        remembering.delete_commons(GARDEN.id)
        remembering.ingest(batch, received_at=NOW)
        remembering.delete_commons(GARDEN.id)
        with removing._writing() as connection:  # what a sweep does
            connection.execute("DELETE FROM tag WHERE rowid NOT IN (SELECT tag FROM tagging)")
            connection.execute("INSERT INTO tag(text) VALUES('another')")
        remembering.ingest(batch, received_at=NOW)
        assert remembering.views_differences() == []
