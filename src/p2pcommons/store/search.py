"""From a query to the rowids of entries, newest first or best first, and what they are made of.

Nothing ranks, sorts or counts all that matches: the newest come from a walk that a limit ends
(search_plan), relevance and counts look at the newest thousands of what is found.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from p2pcommons.model.limits import AHEAD_SECONDS_MAX
from p2pcommons.store.beginnings import phrase_expression
from p2pcommons.store.people import PeoplePart
from p2pcommons.store.query import Order, Problem, Query, is_one_word, is_searchable, quoted
from p2pcommons.store.ranking import best_first
from p2pcommons.store.records import AuthorCount, Facets, TagCount
from p2pcommons.store.search_plan import (
    HAS_ANY_TAG,
    HAS_TAG,
    MATCHES,
    Bounds,
    Plan,
    Walk,
    bounds_of,
    by_author,
    listed,
    marks,
    matching,
    tagged,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

RANKED_ROWS_MAX = 20_000
"""Relevance orders the newest so many of what is found; what is older follows, newest first."""

FACETS_ROWS_MAX = 10_000
"""Facets are counted over the newest of a selection, so that they stay quick at any size."""

FEW_ENTRIES = 200
"""Where an author began no more entries, or a commons has no more, these are gone through one by
one; a common word would else be walked to its end to find them."""

TAGS_BEGUN_MAX = 20
"""Tags that an unfinished one may mean: the most used that begin so."""

_TAG_FACETS = """
SELECT g.text, n.times FROM (
  SELECT t.tag, count(DISTINCT t.entry) times FROM json_each(?) j
  CROSS JOIN tagging t ON t.entry = j.value GROUP BY t.tag) n
JOIN tag g ON g.rowid = n.tag ORDER BY n.times DESC, g.text LIMIT ?
"""

_AUTHOR_FACETS = """
SELECT a.key, (SELECT p.name FROM profile p WHERE p.author = n.author AND p.commons = n.commons),
  n.times FROM (
  SELECT e.author, min(e.commons) commons, count(*) times FROM json_each(?) j
  CROSS JOIN entry e ON e.rowid = j.value GROUP BY e.author) n
JOIN author a ON a.rowid = n.author ORDER BY n.times DESC, a.key LIMIT ?
"""

_OF_COMMONS = (
    "SELECT c.rowid FROM contribution c JOIN commons m ON m.rowid = c.commons WHERE m.id IN ({})"
)
LAST_CHARACTER = chr(0x10FFFF)
_TAGS_BEGUN = f"""
SELECT g.text, g.rowid FROM tag g JOIN tag_count n ON n.tag = g.rowid
WHERE g.text >= ? AND g.text <= ? GROUP BY g.rowid ORDER BY sum(n.count) DESC, g.text
LIMIT {TAGS_BEGUN_MAX}
"""  # noqa: S608
_LEFT = "SELECT rowid FROM commons WHERE left_at NOTNULL OR joined_at ISNULL"


class SearchPart(PeoplePart):
    """Finding entries."""

    def entry_ids(
        self,
        query: Query,
        *,
        now: int,
        limit: int | None = None,
        order: Order = Order.NEWEST,
        older_than: int | None = None,
    ) -> array[int]:
        """Return the rowids of the listed entries that `query` means.

        `now` decides what claims to be from more than ten minutes ahead and is left out.
        `older_than` is a rowid: of the newest-first list, only what stands below it. By relevance
        the newest 20,000 are ordered, and what is older follows newest first.
        """
        if order is Order.RELEVANCE and query.phrases:
            return self._best_first(query, now, limit)
        ahead = self._ahead(now)
        walked = None if limit is None else limit + len(ahead)
        plan = self._plan(query, bounds_of(query.span, older_than))
        if plan is None:
            return array("q")
        found = self._database.read_numbers(*plan.finished(walked))
        if ahead:
            found = array("q", [rowid for rowid in found if rowid not in ahead])
        return found if limit is None else found[:limit]

    def entry_count(self, query: Query, *, now: int) -> int:
        """Return how many entries a query finds."""
        return len(self.entry_ids(query, now=now))

    def search_steps(self, query: Query) -> list[str]:
        """Return how SQLite goes about a query, for whoever measures searches."""
        plan = self._plan(query, bounds_of(query.span))
        if plan is None:
            return []
        sql, values = plan.finished(1)
        return [str(row[3]) for row in self._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]

    def query_problems(self, query: Query) -> tuple[Problem, ...]:
        """Return which parts of a query were left out or mean nobody, and why."""
        unknown = [
            Problem(f"{sign}by:{text}", "means nobody here")
            for sign, names in (("", query.by), ("-", query.without_by))
            for text in names
            if not self.find_authors(text)
        ]
        return (*query.problems, *unknown)

    def facets(self, query: Query, *, now: int, limit: int = 30) -> Facets:
        """Return the tags and authors of a selection, each most frequent first.

        Counted over its newest 10,000 entries.
        """
        rowids = self.entry_ids(query, now=now, limit=FACETS_ROWS_MAX + 1)
        return self.facets_of(
            rowids[:FACETS_ROWS_MAX], limit=limit, more=len(rowids) > FACETS_ROWS_MAX
        )

    def facets_of(self, rowids: Sequence[int], *, limit: int = 30, more: bool = False) -> Facets:
        """Return the tags and authors of these entries, each most frequent first."""
        numbers = _json(rowids)
        tags = self._database.read(_TAG_FACETS, (numbers, limit))
        authors = self._database.read(_AUTHOR_FACETS, (numbers, limit))
        return Facets(
            tuple(TagCount(row[0], row[1]) for row in tags),
            tuple(AuthorCount(row[0], row[1], row[2]) for row in authors),
            len(rowids),
            more,
        )

    def _best_first(self, query: Query, now: int, limit: int | None) -> array[int]:
        newest = self.entry_ids(query, now=now, limit=RANKED_ROWS_MAX)
        if not newest:
            return newest
        positive = self._positive(query, self._tags_begun(query.tag_beginning))
        ranked = best_first(
            self._database,
            newest,
            query.phrases,
            positive[: len(query.phrases)],
            positive if len(positive) > 1 else (),
        )
        if limit is not None and limit <= len(ranked):
            return ranked[:limit]
        if len(newest) == RANKED_ROWS_MAX:
            left = None if limit is None else limit - len(ranked)
            ranked += self.entry_ids(query, now=now, limit=left, older_than=newest[-1])
        return ranked

    # How the rows are walked

    def _plan(self, query: Query, bounds: Bounds) -> Plan | None:
        """Return how a query is answered, or None where nothing can be found."""
        people = self._people(query)
        tags = self._tag_numbers(query.tags)
        begun = self._tags_begun(query.tag_beginning)
        if query.hopeless or people is None or tags is None or (query.tag_beginning and not begun):
            return None
        authors, unwanted_authors = people
        positive, negative = self._positive(query, begun), self._negative(query)
        few = self._few(query, authors)
        if few is not None:
            plan = self._one_by_one(few, query, tags)
        elif positive and (query.phrases or len(tags) > 1 or negative or begun):
            plan = self._through_words(positive, negative, tags, authors, bounds)
        else:
            plan = self._through_index(negative, tags, authors, bounds)
        base = plan.base.within(bounds)
        if begun:
            base.require(HAS_ANY_TAG.format(marks=marks(list(begun))), *begun.values())
        if len(authors) > 1:
            base.require_entry(f"e.author IN ({marks(authors)})", *authors)
        if unwanted_authors:
            base.require_entry(f"e.author NOT IN ({marks(unwanted_authors)})", *unwanted_authors)
        for span in query.without_spans:
            low, high = bounds_of(span)
            base.require("NOT ({r} >= ? AND {r} < ?)", low, high)
        self._leave_out_tags(plan, query, bounds, walked_whole=few is None and not positive)
        return plan if self._select_commons(base, query) else None

    def _one_by_one(self, few: Walk, query: Query, tags: Collection[int]) -> Plan:
        for phrase in query.phrases:
            few.require(MATCHES, quoted(phrase.text))
        for phrase in query.without_phrases:
            few.require("NOT " + MATCHES, quoted(phrase.text))
        for tag in tags:
            few.require(HAS_TAG, tag)
        return Plan(few)

    def _through_words(
        self,
        positive: list[str],
        negative: str,
        tags: Collection[int],
        authors: Sequence[int],
        bounds: Bounds,
    ) -> Plan:
        expression = " AND ".join(positive)
        plan = Plan(matching(f"({expression}) NOT ({negative})" if negative else expression))
        for tag in tags:
            # The words of a tag may stand in another one.
            plan.base.require(HAS_TAG, tag)
        if len(authors) == 1:
            plan.shared.append(by_author(authors[0]).within(bounds))
        return plan

    def _through_index(
        self, negative: str, tags: Sequence[int], authors: Sequence[int], bounds: Bounds
    ) -> Plan:
        if tags:
            plan = Plan(tagged(tags[0]))
            for tag in tags[1:]:
                plan.base.require(HAS_TAG, tag)
            if len(authors) == 1:
                plan.shared.append(by_author(authors[0]).within(bounds))
        else:
            plan = Plan(listed())
            if len(authors) == 1:
                plan.base.require("e.author = ?", authors[0])
        if negative:
            plan.unwanted.append(matching(negative).within(bounds))
        return plan

    def _leave_out_tags(
        self, plan: Plan, query: Query, bounds: Bounds, *, walked_whole: bool
    ) -> None:
        for text in query.without_tags:
            number = self._tag_number(text)
            if number is None:
                continue
            if walked_whole:
                plan.unwanted.append(tagged(number).within(bounds))
            else:
                plan.base.require("NOT " + HAS_TAG, number)

    def _few(self, query: Query, authors: Sequence[int]) -> Walk | None:
        """Return a walk of the few entries that authors or commons leave, if they are few."""
        phrases = (*query.phrases, *query.without_phrases)
        if any(phrase.prefix or not is_one_word(phrase.text) for phrase in phrases):
            # FTS5 looks for the next entry that fits before it sees that this one does not, which
            # is quick for a single word alone.
            return None
        walk = listed()
        if authors:
            counted = self._database.read_one(
                f"SELECT count(*) FROM (SELECT 1 FROM entry WHERE author IN ({marks(authors)}) "  # noqa: S608
                "LIMIT ?)",
                (*authors, FEW_ENTRIES + 1),
            )
            if counted and counted[0] <= FEW_ENTRIES:
                walk.require(f"e.author IN ({marks(authors)})", *authors)
                return walk
        if query.commons:
            counted = self._database.read_one(
                f"SELECT sum(count) FROM commons WHERE id IN ({marks(query.commons)})",  # noqa: S608
                query.commons,
            )
            if counted and counted[0] is not None and counted[0] <= FEW_ENTRIES:
                walk.require(
                    f"e.first IN ({_OF_COMMONS.format(marks(query.commons))})", *query.commons
                )
                return walk
        return None

    # What the parts of a query mean here

    def _positive(self, query: Query, begun: Mapping[str, int]) -> list[str]:
        """Return FTS5 expressions that all have to be found, those of the phrases first.

        The words of a tag are in the index as well, so a rare tag narrows a common word there.
        """
        found = [phrase_expression(self._database, phrase) for phrase in query.phrases]
        found += [f"tags : {quoted(tag)}" for tag in query.tags if is_searchable(tag)]
        if is_searchable(query.tag_beginning):
            found.append(f"tags : ({' OR '.join(map(quoted, begun))})")
        return found

    def _negative(self, query: Query) -> str:
        return " OR ".join(quoted(phrase.text) for phrase in query.without_phrases)

    def _people(self, query: Query) -> tuple[list[int], list[int]] | None:
        """Return the authors asked for and those left out; None if nobody can be meant."""
        wanted: list[int] = []
        if query.by or query.authors:
            keys = {*query.authors, *(key for text in query.by for key in self._meant(text))}
            wanted = self._author_numbers(keys)
            if not wanted:
                return None
        unwanted = {key for text in query.without_by for key in self._meant(text)}
        return wanted, self._author_numbers(unwanted)

    def _tag_numbers(self, texts: Sequence[str]) -> list[int] | None:
        numbers = [self._tag_number(text) for text in texts]
        known = [number for number in numbers if number is not None]
        return known if len(known) == len(numbers) else None

    def _tags_begun(self, beginning: str) -> dict[str, int]:
        """Return the most used tags that begin so, with their numbers."""
        if not beginning:
            return {}
        rows = self._database.read(_TAGS_BEGUN, (beginning, beginning + LAST_CHARACTER))
        return {row[0]: int(row[1]) for row in rows}

    def _tag_number(self, text: str) -> int | None:
        row = self._database.read_one("SELECT rowid FROM tag WHERE text = ?", (text,))
        return None if row is None else int(row[0])

    def _select_commons(self, walk: Walk, query: Query) -> bool:
        if query.commons:
            numbers = [self._commons_number(commons) for commons in query.commons]
            wanted = [number for number in numbers if number is not None]
            if not wanted:
                return False
            others = self._database.read_one(
                f"SELECT 1 FROM commons WHERE rowid NOT IN ({marks(wanted)}) LIMIT 1",  # noqa: S608
                wanted,
            )
            if others:
                walk.require_entry(f"e.commons IN ({marks(wanted)})", *wanted)
        elif self._database.read_one(f"{_LEFT} LIMIT 1"):
            walk.require_entry(f"e.commons NOT IN ({_LEFT})")
        return True

    def _meant(self, text: str) -> list[bytes]:
        return [found.author for found in self.find_authors(text)]

    def _ahead(self, now: int) -> set[int]:
        rows = self._database.read(
            "SELECT rowid FROM entry WHERE due NOTNULL AND due > ?",
            (now + AHEAD_SECONDS_MAX,),
        )
        return {row[0] for row in rows}


def _json(numbers: Sequence[int]) -> str:
    return "[" + ",".join(map(str, numbers)) + "]"
