"""The local replica in one SQLite file: one way in, views written in the same transaction.

Knows model and views, never the network. Nothing else in the program touches SQL.
"""

from __future__ import annotations

from p2pcommons.store.attachments import AttachmentRow
from p2pcommons.store.compacting import DiskState
from p2pcommons.store.holdings import disk_bytes
from p2pcommons.store.pledges import Keeping, PledgeRow
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
from p2pcommons.store.space_records import (
    BudgetPlan,
    Contributor,
    GoingText,
    Pin,
    PoolLimits,
    PoolLook,
    SpaceUse,
)
from p2pcommons.store.standing import OWN_META
from p2pcommons.store.store import Store
from p2pcommons.store.strangers import DECLINED_MAX

__all__ = [
    "DECLINED_MAX",
    "EVER",
    "OWN_META",
    "AttachmentRow",
    "AuthorCount",
    "AuthorRow",
    "BudgetPlan",
    "CommonsRow",
    "Contributor",
    "Digest",
    "DiskState",
    "EntryDetail",
    "EntryRow",
    "EqualMark",
    "Facets",
    "Found",
    "GoingText",
    "IngestResult",
    "Keeping",
    "Order",
    "PeerRow",
    "Person",
    "Phrase",
    "Pin",
    "PledgeRow",
    "PoolLimits",
    "PoolLook",
    "Problem",
    "ProfileRow",
    "Query",
    "SpaceUse",
    "Span",
    "Store",
    "TagCount",
    "TagStatement",
    "VersionRow",
    "Withdrawal",
    "disk_bytes",
    "parse_query",
]
