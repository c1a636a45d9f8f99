"""From a query to the rowids of entries, newest first, without ranking all that matches.

Rowid order is list order (entry_folds), so the full text, the tag index and the table of entries
are all walked in the order in which people read them, and a limit stops the walk.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from p2pcommons.model.limits import AHEAD_SECONDS_MAX
from p2pcommons.store.people import PeoplePart
from p2pcommons.store.query import Query, match_expression
from p2pcommons.store.records import AuthorCount, Facets, TagCount

if TYPE_CHECKING:
    from collections.abc import Sequence

FACETS_ROWS_MAX = 20_000
"""Facets are counted over the newest of a selection, so that they stay quick at any size."""

_TAGGED = "SELECT t.entry FROM entry_tag t JOIN tag g ON g.rowid = t.tag WHERE g.text = ?"
_MATCHING = "SELECT rowid FROM entry_text WHERE entry_text MATCH ?"
_LEFT = "SELECT rowid FROM commons WHERE left_at NOTNULL OR joined_at ISNULL"


class _Selection:
    """SQL in the making: the table that is walked, conditions on rowid `r`, and their values."""

    def __init__(self, source: str, row: str, values: Sequence[object]) -> None:
        self.source = source
        self.row = row
        self.conditions: list[str] = []
        self.values: list[object] = list(values)
        self._entry_joined = source == "entry e"

    def require(self, condition: str, *values: object) -> None:
        """Add a condition in which `{r}` stands for the entry's rowid."""
        self.conditions.append(condition.format(r=self.row))
        self.values += values

    def require_entry(self, condition: str, *values: object) -> None:
        """Add a condition on the entry `e` itself."""
        if not self._entry_joined:
            # CROSS JOIN keeps SQLite on the walk we chose.
            self.source += f" CROSS JOIN entry e ON e.rowid = {self.row}"
            self._entry_joined = True
        self.require(condition, *values)

    def sql(self) -> str:
        """Return the finished statement, newest first; one value for LIMIT is still missing."""
        where = " AND ".join(self.conditions) or "1"
        return (
            f"SELECT {self.row} FROM {self.source} WHERE {where} ORDER BY {self.row} DESC LIMIT ?"  # noqa: S608
        )


class SearchPart(PeoplePart):
    """Finding entries."""

    def entry_ids(self, query: Query, *, now: int, limit: int | None = None) -> array[int]:
        """Return the rowids of the listed entries that `query` means, newest first.

        `now` decides what claims to be from more than ten minutes ahead and is left out.
        """
        selection = self._selection(query)
        if selection is None:
            return array("q")
        ahead = self._ahead(now)
        selection.values.append(-1 if limit is None else limit + len(ahead))
        rows = self._database.read(selection.sql(), selection.values)
        found = array("q", [row[0] for row in rows if row[0] not in ahead])
        return found if limit is None else found[:limit]

    def entry_count(self, query: Query, *, now: int) -> int:
        """Return how many entries a query finds."""
        return len(self.entry_ids(query, now=now))

    def facets(self, query: Query, *, now: int, limit: int = 30) -> Facets:
        """Return the tags and authors of a selection, each most frequent first."""
        rowids = self.entry_ids(query, now=now)
        counted = rowids[:FACETS_ROWS_MAX]
        listed = "[" + ",".join(map(str, counted)) + "]"
        tags = self._database.read(
            "SELECT g.text, count(DISTINCT t.entry) n FROM json_each(?) j "
            "CROSS JOIN tagging t ON t.entry = j.value JOIN tag g ON g.rowid = t.tag "
            "GROUP BY t.tag ORDER BY n DESC, g.text LIMIT ?",
            (listed, limit),
        )
        authors = self._database.read(
            "SELECT a.key, (SELECT p.name FROM profile p WHERE p.author = e.author "
            "AND p.commons = e.commons), count(*) n FROM json_each(?) j "
            "CROSS JOIN entry e ON e.rowid = j.value JOIN author a ON a.rowid = e.author "
            "GROUP BY e.author ORDER BY n DESC, a.key LIMIT ?",
            (listed, limit),
        )
        return Facets(
            tuple(TagCount(row[0], row[1]) for row in tags),
            tuple(AuthorCount(row[0], row[1], row[2]) for row in authors),
            len(rowids),
            len(counted),
        )

    def _selection(self, query: Query) -> _Selection | None:
        if query.hopeless:
            return None
        phrases, tags = list(query.phrases), list(query.tags)
        if phrases:
            expression = match_expression(tuple(phrases), " AND ")
            selection = _Selection("entry_text f", "f.rowid", ())
            selection.require("f.entry_text MATCH ?", expression)
        elif tags:
            selection = _Selection("entry_tag t", "t.entry", ())
            selection.require("t.tag = (SELECT rowid FROM tag WHERE text = ?)", tags.pop(0))
        else:
            selection = _Selection("entry e", "e.rowid", ())
            selection.require("e.state = 0")
        for tag in tags:
            selection.require(f"{{r}} IN ({_TAGGED})", tag)
        for tag in query.without_tags:
            selection.require(f"{{r}} NOT IN ({_TAGGED})", tag)
        if query.without_phrases:
            unwanted = match_expression(query.without_phrases, " OR ")
            selection.require(f"{{r}} NOT IN ({_MATCHING})", unwanted)
        if not self._select_authors(selection, query):
            return None
        return selection if self._select_commons(selection, query) else None

    def _select_authors(self, selection: _Selection, query: Query) -> bool:
        """Narrow to the authors asked for; returns False if nobody can be meant."""
        if query.by or query.authors:
            keys = {*query.authors, *(key for text in query.by for key in self._meant(text))}
            numbers = self._author_numbers(keys)
            if not numbers:
                return False
            selection.require_entry(f"e.author IN ({_marks(numbers)})", *numbers)
        unwanted = self._author_numbers(
            {key for text in query.without_by for key in self._meant(text)}
        )
        if unwanted:
            selection.require_entry(f"e.author NOT IN ({_marks(unwanted)})", *unwanted)
        return True

    def _select_commons(self, selection: _Selection, query: Query) -> bool:
        if query.commons:
            numbers = [self._commons_number(commons) for commons in query.commons]
            wanted = [number for number in numbers if number is not None]
            if not wanted:
                return False
            selection.require_entry(f"e.commons IN ({_marks(wanted)})", *wanted)
        elif self._database.read_one(f"{_LEFT} LIMIT 1"):
            selection.require_entry(f"e.commons NOT IN ({_LEFT})")
        return True

    def _meant(self, text: str) -> list[bytes]:
        return [found.author for found in self.find_authors(text)]

    def _ahead(self, now: int) -> set[int]:
        rows = self._database.read(
            "SELECT rowid FROM entry WHERE due NOTNULL AND due > ?",
            (now + AHEAD_SECONDS_MAX,),
        )
        return {row[0] for row in rows}


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
