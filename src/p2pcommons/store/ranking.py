"""Which of some entries fit a search best: by where its words stand, and how rare these are.

A word in the title counts most, then one in a tag, the address or the excerpt, then one in the
text; rare words count for more than common ones, and words side by side as they were typed for
more than those apart. How often a word is repeated counts for nothing, so repeating gains nothing.
FTS5's own bm25 is not used: it needs the length of every text, which this index does not keep, and
without that prefers the worse ones where texts are short.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from p2pcommons.store.query import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store.database import Database
    from p2pcommons.store.query import Phrase

_WORTH = {"title": 8.0, "tags url excerpt": 5.0}
"""What a word counts for in these columns, beside 1 for being there at all."""
_SIDE_BY_SIDE = 4.0
_PHRASES_MAX = 8
"""Phrases looked at; more than these hardly change the order."""
_COUNTED_MAX = 20_000
"""A word in more entries than these is common, and how common is not counted."""

_COUNT = "SELECT count(*) FROM (SELECT 1 FROM entry_text WHERE entry_text MATCH ? LIMIT ?)"
# The rows are walked, not looked up: FTS5 goes on to the next one that fits before it sees that
# this is not the one asked for.
_AMONG = """
SELECT f.rowid FROM entry_text f WHERE f.entry_text MATCH ? AND f.rowid BETWEEN ? AND ?
AND +f.rowid IN (SELECT value FROM json_each(?))
"""


def best_first(
    database: Database,
    newest: array[int],
    phrases: Sequence[Phrase],
    expressions: Sequence[str],
    beside: Sequence[str],
) -> array[int]:
    """Return rowids, given newest first, in order of relevance; of equals the newest first.

    `expressions` are the FTS5 expressions of `phrases`; `beside` are more that fit all of these
    entries anyway and let FTS5 leap from one to the next.
    """
    scores = dict.fromkeys(newest, 0.0)
    among = "[" + ",".join(map(str, newest)) + "]"

    def add(expression: str, worth: float) -> None:
        values = (" AND ".join([expression, *beside]), newest[-1], newest[0], among)
        for rowid in database.read_numbers(_AMONG, values):
            scores[rowid] += worth

    looked_at = expressions[:_PHRASES_MAX]
    rarities = [_rarity(database, each) for each in looked_at] if len(looked_at) > 1 else [1.0]
    for expression, rarity in zip(looked_at, rarities, strict=True):
        for columns, worth in _WORTH.items():
            add(f"{{{columns}}} : {expression}", worth * rarity)
    if 1 < len(phrases) <= _PHRASES_MAX and not any(phrase.prefix for phrase in phrases):
        add(quoted(" ".join(phrase.text for phrase in phrases)), _SIDE_BY_SIDE * max(rarities))
    # Sorting keeps the order of equals.
    return array("q", sorted(newest, key=lambda rowid: -scores[rowid]))


def _rarity(database: Database, expression: str) -> float:
    """Return what an expression counts for: 1 in a common word, up to 11 in a unique one."""
    row = database.read_one(_COUNT, (expression, _COUNTED_MAX))
    found = int(row[0]) if row else 0
    return 1.0 + math.log(_COUNTED_MAX / max(1, found))
