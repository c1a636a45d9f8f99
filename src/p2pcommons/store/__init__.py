"""The local replica in one SQLite file: one way in, views written in the same transaction.

Knows model and views, never the network. Nothing else in the program touches SQL.
"""

from __future__ import annotations

from p2pcommons.store.query import EVER, Order, Phrase, Problem, Query, Span, parse_query
from p2pcommons.store.records import (
    AuthorCount,
    AuthorRow,
    CommonsRow,
    Digest,
    EntryDetail,
    EntryRow,
    EqualMark,
    Facets,
    Found,
    IngestResult,
    PeerRow,
    Person,
    ProfileRow,
    TagCount,
    TagStatement,
    VersionRow,
    Withdrawal,
)
from p2pcommons.store.store import Store

__all__ = [
    "EVER",
    "AuthorCount",
    "AuthorRow",
    "CommonsRow",
    "Digest",
    "EntryDetail",
    "EntryRow",
    "EqualMark",
    "Facets",
    "Found",
    "IngestResult",
    "Order",
    "PeerRow",
    "Person",
    "Phrase",
    "Problem",
    "ProfileRow",
    "Query",
    "Span",
    "Store",
    "TagCount",
    "TagStatement",
    "VersionRow",
    "Withdrawal",
    "parse_query",
]
