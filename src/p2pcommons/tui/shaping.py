"""The façade's records turned into what the screens show. Runs in a lane, never on the screen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from p2pcommons.model.glance import four_words
from p2pcommons.model.ids import display_name
from p2pcommons.tui import wording
from p2pcommons.tui.records import (
    CommonsLine,
    EntryLine,
    EntryPage,
    Me,
    Overview,
    Tagger,
    VersionLine,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.replica import Replica
    from p2pcommons.store import CommonsRow, EntryDetail, EntryRow, VersionRow

MISSING_TITLE = "(this text has not arrived yet)"
NOT_KEPT = "(text not kept here)"
UNTITLED = "(without a title)"


class Overviews:
    """Commons, person and what is only here; read anew only when something was committed.

    What strangers wrote can make it take a tenth of a second, and it is asked for every second.
    Belongs to one lane.
    """

    def __init__(self) -> None:
        self._made: tuple[Replica, Overview] | None = None

    def read(self, replica: Replica) -> Overview:
        """The overview as it is now."""
        version = replica.data_version()
        if self._made is None or self._made[0] is not replica or self._made[1].version != version:
            self._made = (replica, overview(replica))
        # The person is in files beside the store, which has no part in its version.
        return dataclasses.replace(self._made[1], me=_me(replica))


def overview(replica: Replica) -> Overview:
    """Commons, person and what is only here."""
    version = replica.data_version()
    offered = frozenset(replica.offered())
    lines = tuple(_commons_line(replica, row, offered) for row in replica.commons())
    names = tuple(sorted(replica.peer_names().items()))
    return Overview(version, _me(replica), lines, replica.only_here(), names)


def _me(replica: Replica) -> Me | None:
    identity = replica.identity
    if identity is None:
        return None
    return Me(identity.author, identity.name, identity.shown, identity.words_unconfirmed)


def entry_lines(replica: Replica, rowids: Sequence[int]) -> tuple[EntryLine, ...]:
    """The rows of a page of a list."""
    me = my_author(replica)
    return tuple(entry_line(row, me) for row in replica.rows(rowids))


def entry_line(row: EntryRow, me: bytes | None) -> EntryLine:
    """One row of a list."""
    return EntryLine(
        rowid=row.rowid,
        entry=row.id,
        commons=row.commons,
        title=_title(row),
        who=display_name(row.name, row.author),
        when=min(row.claimed_at, row.received_at),
        tags=row.tags,
        host=_host(row.url),
        form=row.form or "",
        heads=row.heads,
        mine=row.author == me,
    )


def entry_page(replica: Replica, commons: bytes, entry: bytes) -> EntryPage:
    """Everything about one entry. Raises UserError(NOT_FOUND)."""
    me = my_author(replica)
    detail = replica.entry(commons, entry)
    versions = {row.id: version_line(row, me) for row in detail.versions}
    heads = tuple(versions[head] for head in detail.heads if head in versions)
    taggers = tuple(
        Tagger(
            tag,
            tuple(display_name(person.name, person.author) for person in people),
            any(person.author == me for person in people),
            tuple(
                display_name(person.name, person.author) for person in people if person.author != me
            ),
        )
        for tag, people in detail.taggers
    )
    return EntryPage(
        line=entry_line(detail.row, me),
        heads=heads,
        versions=tuple(versions.values()),
        taggers=taggers,
        holders=detail.holders,
        licence=detail.licence or replica.commons_row(commons).licence,
        excerpt=detail.excerpt or "",
        dated=detail.dated or 0,
        withdrawn=_withdrawn_words(replica, detail) if detail.row.withdrawn else "",
        pinned=replica.is_pinned(entry),
        files=len(replica.attachments(commons, entry)),
    )


def version_line(row: VersionRow, me: bytes | None) -> VersionLine:
    """One version of an entry."""
    return VersionLine(
        version=row.id,
        who=display_name(row.name, row.author),
        when=row.claimed_at,
        received=row.received_at,
        title=_title(row),
        text=row.text or "",
        url=row.url or "",
        form=row.form or "",
        language=row.language or "",
        licence=row.licence or "",
        note=row.edit_note or "",
        parents=tuple(row.parents),
        mine=row.author == me,
        head=row.is_head,
        withdrawn=row.withdrawn,
        missing=row.missing,
        not_kept=row.not_kept,
    )


def titles(replica: Replica, commons: bytes, entries: Sequence[bytes]) -> list[str]:
    """The titles of entries, in their order."""
    rows = (replica.entry(commons, entry).row for entry in entries)
    return [_title(row) for row in rows]


def my_author(replica: Replica) -> bytes | None:
    """The key of the person on this machine, if there is one."""
    identity = replica.identity
    return None if identity is None else identity.author


def _title(row: EntryRow | VersionRow) -> str:
    if row.not_kept:
        return f"{row.title} {NOT_KEPT}" if row.title else NOT_KEPT
    return MISSING_TITLE if row.missing else row.title or UNTITLED


def _commons_line(replica: Replica, row: CommonsRow, offered: frozenset[bytes]) -> CommonsLine:
    digest = replica.digest(row.id)
    keeping = [pledge for pledge in replica.pledges(row.id) if pledge.keeps]
    return CommonsLine(
        commons=row.id,
        title=row.title or row.title_hint or "(not received yet)",
        purpose=row.purpose or "",
        licence=row.licence or "",
        entries=row.entries,
        count=digest.count,
        words=four_words(digest.fingerprint) if digest.count else (),
        arrived=row.title is not None,
        unsupported=row.unsupported or "",
        size=replica.bytes_used(row.id),
        budget=replica.budget(row.id),
        offered=row.id in offered,
        keepers=tuple(pledge.who for pledge in keeping if not pledge.is_own),
        kept=any(pledge.is_own for pledge in keeping),
    )


def _withdrawn_words(replica: Replica, detail: EntryDetail) -> str:
    if not detail.withdrawals:
        return "Withdrawn by its author."
    last = max(detail.withdrawals, key=lambda each: each.claimed_at)
    who = replica.name_of(detail.row.commons, last.author)
    return f"Withdrawn by {who} on {wording.date(last.claimed_at)}."


def _host(url: str | None) -> str:
    if not url:
        return ""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
