"""Headers on disk: shorter than what was signed, and back byte for byte."""

from __future__ import annotations

import hashlib
import sqlite3

from histories import GARDEN, NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.model.contribution import Contribution, Header, encode_header
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.store.headers import SHORT, parsed_header, stored_header, whole_header

ids = st.binary(min_size=32, max_size=32).filter(lambda drawn: drawn != ZERO_ID)


@st.composite
def contributions(draw):
    """Return contributions with any header that is valid; their signatures are not looked at."""
    founding = draw(st.booleans())
    header = Header(
        "commons" if founding else draw(st.from_regex(r"\A(?!commons\Z)[a-z-]{1,24}\Z")),
        ZERO_ID if founding else draw(ids),
        draw(ids),
        draw(ids),
        draw(st.integers(1, 2**32 - 1)),
        None if founding else draw(st.none() | ids),
        () if founding else tuple(sorted(draw(st.lists(ids, max_size=16, unique=True)))),
        draw(ids),
        draw(st.integers(1, 65_536)),
    )
    encoded = encode_header(header)
    return Contribution(hashlib.sha256(encoded).digest(), header, encoded, b"", b"", None)


def columns(item: Contribution):
    header = item.header
    return (
        *(header.kind, item.commons, header.author, header.device),
        *(header.claimed_at, header.target),
    )


@settings(max_examples=300, deadline=None)
@given(contributions())
def test_short_header_comes_back_byte_for_byte(item):
    stored = stored_header(item)
    assert stored.startswith(SHORT)
    assert len(stored) == 36 + 32 * len(item.header.parents)
    assert whole_header(stored, *columns(item)) == item.header_bytes
    assert parsed_header(stored, *columns(item)) == item.header


@settings(max_examples=50, deadline=None)
@given(contributions())
def test_header_that_would_not_come_back_is_kept_whole(item):
    other = Contribution(
        item.id, item.header, item.header_bytes + b"\xc0", item.signature, item.grant, None
    )
    stored = stored_header(other)
    assert stored == other.header_bytes
    assert whole_header(stored, *columns(item)) == other.header_bytes


def test_whole_headers_are_served_as_they_are(store):
    store.ingest([GARDEN], received_at=NOW)
    plain = sqlite3.connect(store.path)
    with plain:
        plain.execute("UPDATE contribution SET header = ?", (GARDEN.header_bytes,))
    plain.close()
    assert store.envelopes(GARDEN.id, [GARDEN.id]) == {GARDEN.id: GARDEN.envelope()}
    assert store.contributions_after(GARDEN.id, 0)[0][1] == GARDEN
