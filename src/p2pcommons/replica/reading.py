"""Everything a person reads: lists, search, one entry whole, counts; words already cleaned."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.glance import four_words
from p2pcommons.model.ids import (
    DID_PREFIX,
    PREFIX_HEX_CHARS_MIN,
    display_name,
    hex_prefix,
    short,
)
from p2pcommons.model.kinds import ENTRY
from p2pcommons.model.words import clean_line
from p2pcommons.replica import cleaning
from p2pcommons.replica.commons import CommonsOfReplica
from p2pcommons.replica.records import Selection
from p2pcommons.store import EVER, Order, Query, Span, parse_query
from p2pcommons.store.search import RANKED_ROWS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from p2pcommons.store import (
        Digest,
        EntryDetail,
        EntryRow,
        Facets,
        Found,
        Problem,
        TagCount,
    )

_CANDIDATES_MAX = 20


class Reading(CommonsOfReplica):
    """The reading half of the façade. `commons=()` always means all joined ones."""

    def entries(
        self,
        *,
        commons: Sequence[bytes] = (),
        tags: Sequence[str] = (),
        author: bytes | None = None,
        limit: int | None = None,
        span: Span = EVER,
    ) -> list[EntryRow]:
        """Return entries, newest first, that have all `tags`, are by `author` and lie in `span`.

        An entry's time is the one by which lists are ordered: when its author says it was
        written, or when it arrived here if that was earlier.
        """
        query = Query(
            commons=tuple(commons),
            tags=tuple(tags),
            authors=() if author is None else (author,),
            span=span,
        )
        return self._rows_of(query, limit)

    def search(
        self,
        text: str,
        *,
        commons: Sequence[bytes] = (),
        limit: int | None = None,
        typing: bool = False,
        order: Order = Order.NEWEST,
    ) -> list[EntryRow]:
        """Return the entries that a query finds; see the guide for its grammar.

        Newest first, or by relevance. `typing` takes the last word as the beginning of one.
        Raises UserError naming the part of the query that makes no sense.
        """
        query = self._query(text, commons, (), typing)
        if query.problems:
            raise UserError("; ".join(map(str, query.problems)))
        return self._rows_of(query, limit, order)

    def query_problems(self, text: str) -> tuple[Problem, ...]:
        """Return which parts of a query are left out or mean nobody here, and why."""
        return self._problems(parse_query(text))

    @contextmanager
    def giving_up_when(self, is_unwanted: Callable[[], bool]) -> Generator[None]:
        """End reads inside soon after `is_unwanted` says that nobody waits for them any more.

        Raises ReadGivenUpError then.
        """
        with self.store.giving_up_when(is_unwanted):
            yield

    def select(
        self,
        text: str = "",
        *,
        commons: Sequence[bytes] = (),
        tags: Sequence[str] = (),
        typing: bool = False,
        order: Order = Order.NEWEST,
        limit: int | None = None,
        older_than: int | None = None,
    ) -> Selection:
        """Return the rowids of a view for a list that pages by `rows`.

        With `limit` only the first so many (by relevance always the newest 20,000); what is
        older is found by `older_than` of the selection, newest first.
        """
        query = self._query(text, commons, tags, typing)
        if order is Order.RELEVANCE and query.phrases:
            limit = RANKED_ROWS_MAX if limit is None else max(limit, RANKED_ROWS_MAX)
        ids = self.store.entry_ids(
            query, now=self.now(), limit=limit, order=order, older_than=older_than
        )
        whole = limit is None or len(ids) < limit
        return Selection(ids, self._problems(query), None if whole else min(ids))

    def rows(self, rowids: Sequence[int]) -> list[EntryRow]:
        """Return the rows of a page of a selection; what has gone meanwhile is left out."""
        return [cleaning.entry_row(row) for row in self.store.entry_rows(rowids)]

    def entry(self, commons: bytes, identifier: bytes) -> EntryDetail:
        """Return everything about an entry. Raises UserError(NOT_FOUND)."""
        detail = self.store.entry_detail(commons, identifier)
        if detail is None:
            raise UserError(f"no entry {short(identifier)} here", ErrorCode.NOT_FOUND)
        return cleaning.entry_detail(detail)

    def facets(
        self,
        text: str = "",
        *,
        commons: Sequence[bytes] = (),
        tags: Sequence[str] = (),
        typing: bool = False,
    ) -> Facets:
        """Return the counts of tags and authors in a view."""
        query = self._query(text, commons, tags, typing)
        return cleaning.facets(self.store.facets(query, now=self.now()))

    def tag_counts(
        self, commons: Sequence[bytes] = (), prefix: str = "", limit: int | None = None
    ) -> list[TagCount]:
        """Return tags with the number of entries that carry them, most used first."""
        counted = self.store.tag_counts(commons or None, prefix=prefix, limit=limit)
        return list(cleaning.tag_counts(counted))

    def digest(self, commons: bytes) -> Digest:
        """Return count, fingerprint and number of bodies held, from the store alone."""
        return self.store.digest(commons)

    def four_words(self, commons: bytes) -> tuple[str, ...]:
        """Return the four words of a replica; equal replicas show the same."""
        return four_words(self.digest(commons).fingerprint)

    def only_here(self, commons: bytes | None = None) -> int:
        """Return how many of one's own contributions no other node is known to hold."""
        me = self.identity
        return 0 if me is None else self.store.only_here(me.author, commons)

    def data_version(self) -> int:
        """Return a number that moves when anything has been committed."""
        return self.store.data_version()

    def name_of(self, commons: bytes, author: bytes) -> str:
        """Return `name~suffix` of an author in one commons."""
        name = cleaning.line(self.store.name_of(commons, author))
        return display_name(name, author)

    def resolve_entry(self, ref: str) -> Found:
        """Return what a hex prefix of 6 or more digits names; a later version finds its entry.

        Entries go before other kinds. Raises UserError: USAGE for what is no prefix or when
        several fit (with the candidates), NOT_FOUND.
        """
        prefix = hex_prefix(ref)
        if prefix is None:
            raise UserError(
                f"{ref!r} is not an id: give at least {PREFIX_HEX_CHARS_MIN} of its hex digits"
            )
        found = self.store.find_ids(prefix, _CANDIDATES_MAX)
        joined = {row.id for row in self.store.commons_rows()}
        found = [each for each in found if each.commons in joined]
        entries = [each for each in found if each.kind == ENTRY]
        fitting = entries or found
        if len({each.entry or each.id for each in fitting}) == 1 and entries:
            return next((each for each in entries if each.id == each.entry), entries[0])
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise UserError(f"nothing here has the id {ref.strip()}", ErrorCode.NOT_FOUND)
        raise UserError(
            f"{ref.strip()} names {len(fitting)} things; give more digits",
            ErrorCode.USAGE,
            [f"{each.id.hex()}  {each.kind}  {self._title_of(each)}" for each in fitting],
        )

    def resolve_author(self, ref: str) -> bytes:
        """Return the author that a DID, a name, `name~suffix` or a key's beginning names.

        Raises UserError: NOT_FOUND, or USAGE with the candidates when several fit.
        """
        found = self.store.find_authors(ref.strip())
        if len(found) == 1:
            return found[0].author
        if not found:
            hint = f"; an id begins with {DID_PREFIX}6Mk" if ref.startswith("did:") else ""
            raise UserError(f"nobody here is called {ref!r}{hint}", ErrorCode.NOT_FOUND)
        cleaned = [cleaning.author_row(row) for row in found]
        raise UserError(
            f"{len(found)} people fit {ref!r}; add the letters behind the ~",
            ErrorCode.USAGE,
            [display_name(row.name, row.author) for row in cleaned],
        )

    def _query(
        self, text: str, commons: Sequence[bytes], tags: Sequence[str], typing: bool
    ) -> Query:
        parsed = parse_query(text, typing=typing)
        return replace(parsed, commons=tuple(commons), tags=(*parsed.tags, *tags))

    def _problems(self, query: Query) -> tuple[Problem, ...]:
        return tuple(
            problem._replace(part=clean_line(problem.part))
            for problem in self.store.query_problems(query)
        )

    def _rows_of(
        self, query: Query, limit: int | None, order: Order = Order.NEWEST
    ) -> list[EntryRow]:
        return self.rows(self.store.entry_ids(query, now=self.now(), limit=limit, order=order))

    def _title_of(self, found: Found) -> str:
        row = None if found.entry is None else self.store.entry_row(found.commons, found.entry)
        return "" if row is None else cleaning.line(row.title) or ""
