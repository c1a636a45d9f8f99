"""Everything a person reads: lists, search, one entry whole, counts; words already cleaned."""

from __future__ import annotations

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
from p2pcommons.replica import cleaning
from p2pcommons.replica.commons import CommonsOfReplica
from p2pcommons.replica.records import Selection
from p2pcommons.store import Query, parse_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store import Digest, EntryDetail, EntryRow, Facets, Found, TagCount

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
    ) -> list[EntryRow]:
        """Return entries, newest first, that have all `tags` and are by `author`."""
        query = Query(
            commons=tuple(commons),
            tags=tuple(tags),
            authors=() if author is None else (author,),
        )
        return self._rows_of(query, limit)

    def search(
        self,
        text: str,
        *,
        commons: Sequence[bytes] = (),
        limit: int | None = None,
        typing: bool = False,
    ) -> list[EntryRow]:
        """Return the entries that a query finds, newest first; see the guide for its grammar.

        `typing` takes the last word as the beginning of one.
        """
        return self._rows_of(self._query(text, commons, (), typing), limit)

    def select(
        self,
        text: str = "",
        *,
        commons: Sequence[bytes] = (),
        tags: Sequence[str] = (),
        typing: bool = False,
    ) -> Selection:
        """Return the rowids of a view, newest first, for a list that pages by `rows`."""
        query = self._query(text, commons, tags, typing)
        return Selection(self.store.entry_ids(query, now=self.now()))

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

    def _rows_of(self, query: Query, limit: int | None) -> list[EntryRow]:
        return self.rows(self.store.entry_ids(query, now=self.now(), limit=limit))

    def _title_of(self, found: Found) -> str:
        row = None if found.entry is None else self.store.entry_row(found.commons, found.entry)
        return "" if row is None else cleaning.line(row.title) or ""
