"""How a search is walked: streams of rowids, each newest first, merged without sorting anything.

Rowid order is list order (entry_folds), and the full text, the tag index, the author index and the
table of entries all give rowids in falling order. SQLite merges such streams (INTERSECT, EXCEPT)
row by row, so a limit ends the walk as soon as enough is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from p2pcommons.store.entry_folds import PLACES_A_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store.query import Span

HAS_TAG = "EXISTS (SELECT 1 FROM entry_tag t WHERE t.tag = ? AND t.entry = {r})"
HAS_ANY_TAG = "EXISTS (SELECT 1 FROM entry_tag t WHERE t.tag IN ({marks}) AND t.entry = {{r}})"
MATCHES = "EXISTS (SELECT 1 FROM entry_text m WHERE m.entry_text MATCH ? AND m.rowid = {r})"


class Bounds(NamedTuple):
    """Rowids from `low` up to, not including, `high`; None is open."""

    low: int | None = None
    high: int | None = None


def bounds_of(span: Span, older_than: int | None = None) -> Bounds:
    """Return the rowids whose place in the list lies in a span, below `older_than` if given."""
    low = None if span.start is None else span.start * PLACES_A_SECOND
    highs = [] if older_than is None else [older_than]
    if span.end is not None:
        highs.append(span.end * PLACES_A_SECOND)
    return Bounds(low, min(highs, default=None))


class Walk:
    """One stream in the making: the table that is walked, conditions on rowid `r`, their values."""

    def __init__(self, source: str, row: str) -> None:
        self.source = source
        self.row = row
        self.conditions: list[str] = []
        self.values: list[object] = []
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

    def within(self, bounds: Bounds) -> Walk:
        """Walk only these rowids; every stream of a plan needs it, or it starts at the newest."""
        if bounds.low is not None:
            self.require("{r} >= ?", bounds.low)
        if bounds.high is not None:
            self.require("{r} < ?", bounds.high)
        return self

    def sql(self) -> str:
        """Return the statement, without an order."""
        where = " AND ".join(self.conditions) or "1"
        return f"SELECT {self.row} FROM {self.source} WHERE {where}"  # noqa: S608


class Plan:
    """A base stream, streams that must have its rows too, and streams that must not."""

    def __init__(self, base: Walk) -> None:
        self.base = base
        self.shared: list[Walk] = []
        self.unwanted: list[Walk] = []

    def finished(self, limit: int | None) -> tuple[str, list[object]]:
        """Return the whole statement, newest first, and its values."""
        parts, values = [self.base.sql()], list(self.base.values)
        for word, walks in (("INTERSECT", self.shared), ("EXCEPT", self.unwanted)):
            for walk in walks:
                parts.append(f"{word} {walk.sql()}")
                values += walk.values
        values.append(-1 if limit is None else limit)
        return f"{' '.join(parts)} ORDER BY 1 DESC LIMIT ?", values


def listed() -> Walk:
    """Walk all entries that are in lists."""
    walk = Walk("entry e", "e.rowid")
    walk.require("e.state = 0")
    return walk


def by_author(author: int) -> Walk:
    """Walk what one author began, listed or not, in an index alone."""
    walk = Walk("entry a", "a.rowid")
    walk.require("a.author = ?", author)
    return walk


def tagged(tag: int) -> Walk:
    """Walk the listed entries with a tag."""
    walk = Walk("entry_tag g", "g.entry")
    walk.require("g.tag = ?", tag)
    return walk


def matching(expression: str) -> Walk:
    """Walk the listed entries whose text an FTS5 expression finds."""
    walk = Walk("entry_text f", "f.rowid")
    walk.require("f.entry_text MATCH ?", expression)
    return walk


def marks(values: Sequence[object]) -> str:
    """Return as many question marks as there are values."""
    return ",".join("?" * len(values))
