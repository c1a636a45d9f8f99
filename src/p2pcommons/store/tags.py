"""Reading tags: how often each is used, and what one person calls a thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import ENTRY, TAG
from p2pcommons.store.entries import EntriesPart
from p2pcommons.store.query import Query
from p2pcommons.store.records import TagCount, TagStatement
from p2pcommons.store.slots import Bodies, entry_slots, tag_statements
from p2pcommons.views.statements import stated_tags, statement_heads, version_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.store.records import Facets

_LAST = chr(0x10FFFF)


class TagsPart(EntriesPart):
    """Reading tags."""

    def tag_counts(
        self, commons: Sequence[bytes] | None = None, *, prefix: str = "", limit: int | None = None
    ) -> list[TagCount]:
        """Return tags with the number of listed entries that have them, most used first.

        `commons` None means all that are joined. `prefix` is compared code point by code point.
        """
        if commons is None:
            wanted = "m.joined_at NOTNULL AND m.left_at ISNULL"
        else:
            wanted = f"m.id IN ({','.join('?' * len(commons))})"
        rows = self._database.read(
            "SELECT g.text, sum(n.count) total FROM tag_count n "  # noqa: S608
            "JOIN tag g ON g.rowid = n.tag JOIN commons m ON m.rowid = n.commons "
            f"WHERE {wanted} AND g.text >= ? AND g.text <= ? "
            "GROUP BY n.tag ORDER BY total DESC, g.text LIMIT ?",
            (*(commons or ()), prefix, prefix + _LAST, -1 if limit is None else limit),
        )
        return [TagCount(row[0], row[1]) for row in rows]

    def facets(self, query: Query, *, now: int, limit: int = 30) -> Facets:
        """Return the tags and authors of a selection, each most frequent first.

        Counted over its newest 10,000 entries; the tags of everything are kept counted.
        """
        found = super().facets(query, now=now, limit=limit)
        if not found.more or query != Query(commons=query.commons) or self._ahead(now):
            return found
        tags = tuple(self.tag_counts(query.commons or None, limit=limit))
        return replace(found, tags=tags, tags_whole=True)

    def tag_statement(self, commons: bytes, author: bytes, target: bytes) -> TagStatement:
        """Return what this person calls the target now, and what their next statement replaces.

        Without a statement these are the tags of their own current versions, and no heads.
        """
        number = self._commons_number(commons)
        person = self._database.read_one("SELECT rowid FROM author WHERE key = ?", (author,))
        if number is None or person is None:
            return TagStatement((), ())
        with self._database.connected() as connection:
            found = tag_statements(connection, (), [(target, person[0])])
            made = found.get(target, {}).get(person[0], [])
            statements = [item for item in made if item.commons == number]
            bodies = Bodies(connection)
            bodies.load((item.rowid, TAG) for item in statements)
            if not statements:
                slot = entry_slots(connection, [target]).get(target)
                heads = (
                    [item for item in slot.heads() if slot.first.commons == number] if slot else []
                )
                own = [head.rowid for head in heads if head.author == person[0]]
                bodies.load((rowid, ENTRY) for rowid in own)
                return TagStatement(tuple(sorted(version_tags(map(bodies.get, own)))), ())
        held = [item.held for item in statements]
        withdrawn = {item.held.id for item in statements if item.withdrawn}
        tags = stated_tags(held, withdrawn, bodies.said(statements))
        return TagStatement(tuple(sorted(tags)), tuple(item.id for item in statement_heads(held)))
