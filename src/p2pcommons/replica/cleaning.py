"""Records of the store with every word of a peer made safe to show; see `model.words`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from p2pcommons.model.limits import NAME_CHARS_MAX, RULE_CHARS_MAX, TAG_CHARS_MAX, TITLE_CHARS_MAX
from p2pcommons.model.words import clean_line, clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from p2pcommons.store import (
        AuthorCount,
        AuthorRow,
        CommonsRow,
        EntryDetail,
        EntryRow,
        Facets,
        Person,
        TagCount,
        VersionRow,
    )

URL_CHARS_MAX = 2_000
FORM_CHARS_MAX = 40
LICENCE_CHARS_MAX = 80


def line(text: str | None, chars_max: int = TITLE_CHARS_MAX) -> str | None:
    """Return one safe line, or None where there is none."""
    return None if text is None else clean_line(text, chars_max)


def text_of(text: str | None) -> str | None:
    """Return a safe text of several lines, or None where there is none."""
    return None if text is None else clean_text(text)


def tags_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags as they can be shown; one of invisible characters alone is not."""
    cleaned = (clean_line(tag, TAG_CHARS_MAX) for tag in tags)
    return tuple(dict.fromkeys(tag for tag in cleaned if tag))


def commons_row(row: CommonsRow) -> CommonsRow:
    """Return a commons with safe words."""
    return replace(
        row,
        title=line(row.title),
        title_hint=line(row.title_hint),
        purpose=clean_text(row.purpose),
        language=line(row.language, FORM_CHARS_MAX),
        licence=clean_line(row.licence, LICENCE_CHARS_MAX),
        rules=tuple(clean_line(rule, RULE_CHARS_MAX) for rule in row.rules),
        unsupported=line(row.unsupported),
    )


def entry_row(row: EntryRow) -> EntryRow:
    """Return an entry of a list with safe words."""
    return replace(
        row,
        title=line(row.title),
        url=line(row.url, URL_CHARS_MAX),
        form=line(row.form, FORM_CHARS_MAX),
        name=line(row.name, NAME_CHARS_MAX),
        tags=tags_of(row.tags),
    )


def entry_detail(detail: EntryDetail) -> EntryDetail:
    """Return everything about an entry with safe words."""
    return replace(
        detail,
        row=entry_row(detail.row),
        text=text_of(detail.text),
        language=line(detail.language, FORM_CHARS_MAX),
        licence=line(detail.licence, LICENCE_CHARS_MAX),
        excerpt=text_of(detail.excerpt),
        taggers=tuple(
            (shown, tuple(person(who) for who in people))
            for tag, people in detail.taggers
            if (shown := clean_line(tag, TAG_CHARS_MAX))
        ),
        versions=tuple(version(row) for row in detail.versions),
    )


def version(row: VersionRow) -> VersionRow:
    """Return one version of an entry with safe words."""
    return replace(
        row,
        name=line(row.name, NAME_CHARS_MAX),
        title=line(row.title),
        text=text_of(row.text),
        url=line(row.url, URL_CHARS_MAX),
        form=line(row.form, FORM_CHARS_MAX),
        language=line(row.language, FORM_CHARS_MAX),
        licence=line(row.licence, LICENCE_CHARS_MAX),
        excerpt=text_of(row.excerpt),
        tags=tags_of(row.tags),
        edit_note=line(row.edit_note, RULE_CHARS_MAX),
    )


def person(who: Person) -> Person:
    """Return a person with a safe name."""
    return replace(who, name=line(who.name, NAME_CHARS_MAX))


def author_row(row: AuthorRow) -> AuthorRow:
    """Return an author with a safe name."""
    return replace(row, name=line(row.name, NAME_CHARS_MAX))


def tag_counts(rows: Iterable[TagCount]) -> tuple[TagCount, ...]:
    """Return counted tags as they can be shown; one of invisible characters alone is not."""
    cleaned = (replace(row, tag=clean_line(row.tag, TAG_CHARS_MAX)) for row in rows)
    return tuple(row for row in cleaned if row.tag)


def author_count(row: AuthorCount) -> AuthorCount:
    """Return a counted author with a safe name."""
    return replace(row, name=line(row.name, NAME_CHARS_MAX))


def facets(found: Facets) -> Facets:
    """Return the facets of a view with safe words."""
    return replace(
        found,
        tags=tag_counts(found.tags),
        authors=tuple(author_count(row) for row in found.authors),
    )
