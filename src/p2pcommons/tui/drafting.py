"""What is being written, as values: from an entry or a draft into fields, and back.

Pure but for nothing: no widget and no store, so that losing a draft can be tested away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from p2pcommons.replica import Draft

if TYPE_CHECKING:
    from p2pcommons.tui.records import EntryPage, VersionLine

FORMS = ("note", "link", "article", "practice", "question")
"""Offered in the editor; the format takes any other word too."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A draft, what it was when the editor opened, and the versions it would stand beside."""

    draft: Draft
    base: Draft
    heads: tuple[bytes, ...] = ()
    others: tuple[VersionLine, ...] = ()
    merge: bool = False

    @property
    def is_new(self) -> bool:
        """True for an entry that does not exist yet."""
        return not self.draft.entry


def fresh(commons: bytes) -> Writing:
    """A new entry with nothing in it."""
    draft = Draft(name="", commons=commons.hex())
    return Writing(draft, draft)


def from_draft(draft: Draft) -> Writing:
    """A new entry that was begun before."""
    return Writing(draft, Draft(name=draft.name, commons=draft.commons))


def from_entry(page: EntryPage, mine: tuple[str, ...], *, merge: bool) -> Writing:
    """An edit of the head shown to this person: their own newest one, else the newest."""
    own = [head for head in page.heads if head.mine]
    base = max(own or page.heads, key=lambda head: (head.when, head.version))
    draft = Draft(
        name="",
        commons=page.line.commons.hex(),
        entry=page.line.entry.hex(),
        form=base.form,
        title=base.title,
        url=base.url,
        text=base.text,
        tags=mine,
        language=base.language,
        licence=base.licence,
    )
    others = tuple(head for head in page.heads if head.version != base.version)
    return Writing(draft, draft, tuple(head.version for head in page.heads), others, merge)


def continued(writing: Writing, draft: Draft) -> Writing:
    """The same edit with what was typed before."""
    return replace(writing, draft=draft)


def has_words(draft: Draft, base: Draft) -> bool:
    """True when something was typed that is not in the base."""
    return _fields(draft) != _fields(base)


def split_tags(text: str) -> tuple[str, ...]:
    """Tags as typed in one line, separated by commas or spaces, `#` optional; each once."""
    words = text.replace(",", " ").split()
    return tuple(dict.fromkeys(word.lstrip("#") for word in words if word.lstrip("#")))


def join_tags(tags: tuple[str, ...]) -> str:
    """Tags as shown in a field."""
    return " ".join(f"#{tag}" for tag in tags)


def _fields(draft: Draft) -> tuple[object, ...]:
    tags = tuple(sorted(draft.tags))
    terms = (draft.language, draft.licence)
    return (draft.form, draft.title, draft.url, draft.text, tags, terms)
