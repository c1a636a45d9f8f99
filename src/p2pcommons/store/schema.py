"""The tables of the store, as numbered migrations; each runs in one transaction with its number.

Authors, devices, commons, tags and peers are interned: rows name them by a small integer. What is
below the line *views* can be dropped and rebuilt from what is above it. A header is stored short
(headers.py). A step that SQL cannot do is a function of `migrations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from p2pcommons.store.migrations import index_again, shorten_headers
from p2pcommons.store.space_schema import SPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store.migrations import Migration

APPLICATION_ID: Final = 0x70327063
"""What the file's header says it is: 'p2pc'."""

DISOWNED: Final = 1
WITHDRAWN: Final = 2
SAYS_NOTHING: Final = 4
"""Bits of `contribution.state`: the outcome of the first two passes of folding, and whether the
body of an entry's version is here and breaks the rules of its kind."""

LISTED: Final = 0
ENTRY_WITHDRAWN: Final = 1
SILENT: Final = 2
"""Values of `entry.state`; silent are entries that say nothing or are disowned."""

_FIRST: Final = (
    # --- the set -------------------------------------------------------------------------------
    """CREATE TABLE commons(
         rowid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, title_hint TEXT,
         joined_at INTEGER, left_at INTEGER,
         count INTEGER NOT NULL DEFAULT 0, bodies INTEGER NOT NULL DEFAULT 0,
         entries INTEGER NOT NULL DEFAULT 0,
         id_sum BLOB NOT NULL DEFAULT (zeroblob(32)), unsupported TEXT)""",
    "CREATE TABLE author(rowid INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE)",
    """CREATE TABLE device_grant(
         rowid INTEGER PRIMARY KEY, author INTEGER NOT NULL, device BLOB NOT NULL,
         signature BLOB NOT NULL, UNIQUE(author, device))""",
    """CREATE TABLE contribution(
         rowid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,
         commons INTEGER NOT NULL, author INTEGER NOT NULL, device INTEGER NOT NULL,
         kind TEXT NOT NULL, claimed_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
         target BLOB, state INTEGER NOT NULL DEFAULT 0, own INTEGER NOT NULL DEFAULT 0,
         source INTEGER, header BLOB NOT NULL, signature BLOB NOT NULL, body BLOB)""",
    "CREATE INDEX contribution_commons ON contribution(commons)",
    "CREATE INDEX contribution_slot ON contribution(target, kind, author) WHERE target IS NOT NULL",
    "CREATE INDEX contribution_author ON contribution(author)",
    "CREATE INDEX contribution_own ON contribution(rowid) WHERE own = 1",
    "CREATE INDEX contribution_profile ON contribution(author, commons) WHERE kind = 'profile'",
    """CREATE TABLE edge(child INTEGER NOT NULL, parent BLOB NOT NULL,
         PRIMARY KEY(child, parent)) WITHOUT ROWID""",
    # Verified and then dropped, so part of what this node knows; second and id remain.
    """CREATE TABLE known(id BLOB PRIMARY KEY, commons INTEGER NOT NULL,
         claimed_at INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE declined(id BLOB PRIMARY KEY, commons INTEGER NOT NULL,
         declined_at INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE body_want(contribution INTEGER PRIMARY KEY, tries INTEGER NOT NULL DEFAULT 0,
         next_try INTEGER)""",
    # Since when a body is hidden; erased from the row once the body is gone.
    "CREATE TABLE withdrawal(contribution INTEGER PRIMARY KEY, hidden_at INTEGER NOT NULL)",
    # --- this node -----------------------------------------------------------------------------
    """CREATE TABLE peer(
         rowid INTEGER PRIMARY KEY, peer_id TEXT NOT NULL UNIQUE,
         in_book INTEGER NOT NULL DEFAULT 0, addresses TEXT NOT NULL DEFAULT '[]',
         source TEXT NOT NULL DEFAULT '', first_seen INTEGER NOT NULL DEFAULT 0,
         last_seen INTEGER, last_success INTEGER, failures INTEGER NOT NULL DEFAULT 0,
         next_try INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE peer_equal(peer INTEGER NOT NULL, commons INTEGER NOT NULL,
         up_to INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(commons, peer)) WITHOUT ROWID""",
    """CREATE TABLE commons_inviter(commons INTEGER NOT NULL, peer INTEGER NOT NULL,
         PRIMARY KEY(commons, peer)) WITHOUT ROWID""",
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # --- views ---------------------------------------------------------------------------------
    # An entry's rowid begins with its second, so that rowid order is list order (entry_folds).
    # `due` is set where it claimed to be from far ahead, `address` is the number of its url.
    """CREATE TABLE entry(
         rowid INTEGER PRIMARY KEY, first INTEGER NOT NULL UNIQUE, commons INTEGER NOT NULL,
         author INTEGER NOT NULL, shown INTEGER, address INTEGER, due INTEGER,
         versions INTEGER NOT NULL, heads INTEGER NOT NULL, state INTEGER NOT NULL)""",
    "CREATE INDEX entry_address ON entry(address) WHERE address IS NOT NULL",
    "CREATE INDEX entry_due ON entry(due) WHERE due NOTNULL",
    "CREATE INDEX entry_author ON entry(author)",
    "CREATE TABLE tag(rowid INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE tagging(entry INTEGER NOT NULL, author INTEGER NOT NULL, tag INTEGER NOT NULL,
         PRIMARY KEY(entry, author, tag)) WITHOUT ROWID""",
    """CREATE TABLE entry_tag(tag INTEGER NOT NULL, entry INTEGER NOT NULL,
         PRIMARY KEY(tag, entry)) WITHOUT ROWID""",
    """CREATE TABLE tag_count(commons INTEGER NOT NULL, tag INTEGER NOT NULL,
         count INTEGER NOT NULL, PRIMARY KEY(commons, tag)) WITHOUT ROWID""",
    """CREATE TABLE profile(commons INTEGER NOT NULL, author INTEGER NOT NULL,
         head INTEGER NOT NULL, name TEXT, PRIMARY KEY(commons, author)) WITHOUT ROWID""",
    "CREATE INDEX profile_name ON profile(name COLLATE NOCASE)",
    """CREATE VIRTUAL TABLE entry_text USING fts5(title, text, url, tags, excerpt,
         content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')""",
)

TEXT_TABLE: Final = """CREATE VIRTUAL TABLE entry_text USING fts5(text, title, tags, url, excerpt,
         content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')"""
"""The full text. Words of the first column take two bytes less each, so it is the longest one."""

_SECOND: Final = (
    "DROP TABLE entry_text",
    TEXT_TABLE,
    # Fewer, larger merges: a fifth less work for each entry, and as many segments at most.
    "INSERT INTO entry_text(entry_text, rank) VALUES('automerge', 8)",
    index_again,
    shorten_headers,
    # Who remembers the integers of tags learns by this that one of them may be gone.
    """CREATE TRIGGER tag_removed AFTER DELETE ON tag BEGIN
         INSERT INTO meta(key, value) VALUES('tags_removed', '1')
         ON CONFLICT DO UPDATE SET value = value + 1; END""",
)

MIGRATIONS: Final[Sequence[Migration]] = (_FIRST, _SECOND, SPACE)
"""Migration n brings a store from schema n to n + 1; a published one never changes."""

SCHEMA_VERSION: Final = len(MIGRATIONS)

VIEW_TABLES: Final = ("entry", "tagging", "entry_tag", "tag_count", "profile")
"""What a rebuild empties, besides the full text."""
