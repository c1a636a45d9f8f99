"""The tables of room: sizes by author, budgets, pins, what was dropped, who is kept by name.

The third migration; `schema` puts it in its place.
"""

from __future__ import annotations

from typing import Final

SPACE: Final = (
    # Bytes a commons may take; NULL for as many as it needs.
    "ALTER TABLE commons ADD COLUMN budget INTEGER",
    # The second up to which strangers' contributions are declined; NULL while none is.
    "ALTER TABLE commons ADD COLUMN floor INTEGER",
    """CREATE TABLE holding(commons INTEGER NOT NULL, author INTEGER NOT NULL,
         contributions INTEGER NOT NULL, body_bytes INTEGER NOT NULL,
         PRIMARY KEY(commons, author)) WITHOUT ROWID""",
    """INSERT INTO holding(commons, author, contributions, body_bytes)
         SELECT commons, author, count(*), coalesce(sum(length(body)), 0)
         FROM contribution GROUP BY commons, author""",
    "CREATE TABLE own_author(author INTEGER PRIMARY KEY)",
    "INSERT OR IGNORE INTO own_author(author) SELECT author FROM contribution WHERE own = 1",
    "CREATE TABLE kept_author(key BLOB PRIMARY KEY, kept_at INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE pin(id BLOB PRIMARY KEY, commons INTEGER NOT NULL,
         pinned_at INTEGER NOT NULL) WITHOUT ROWID""",
    # Texts that went for room; a title of ours is all that is remembered of them.
    "CREATE TABLE dropped(contribution INTEGER PRIMARY KEY, title TEXT)",
    # What `known` was under, so that a set in memory finds what came and went meanwhile; and the
    # entry that a person removed, so that it can be had back.
    "ALTER TABLE known ADD COLUMN number INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE known ADD COLUMN entry BLOB",
    "CREATE INDEX known_number ON known(commons, number)",
    "CREATE INDEX known_entry ON known(entry) WHERE entry NOTNULL",
    "ALTER TABLE declined ADD COLUMN author BLOB",
)
