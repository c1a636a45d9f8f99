"""One Markdown file is one entry; its front matter may give title, tags, address and date.

Without a title there, the first heading is the title if the file begins with it, else the file's
name. Names that other programs use for the same fields are understood as well.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from p2pcommons.interchange.checks import checked_entry
from p2pcommons.interchange.dates import iso_of, seconds_of
from p2pcommons.interchange.front_matter import (
    Value,
    join_front_matter,
    list_of,
    split_front_matter,
    words_of,
)
from p2pcommons.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from p2pcommons.interchange.records import ExportedEntry, ImportedEntry, ImportFailure

FILE_NAME_CHARS_MAX = 60
"""Of the title in a file's name; the whole path still fits where paths have 260 characters."""

_HEADING = re.compile(r"\s*#\s+(.+?)\s*#*\s*(?:\n|$)")
_NOT_IN_NAMES = re.compile(r"[^\w]+")
_URL_FIELDS = ("url", "link", "source", "permalink")
_DATE_FIELDS = ("dated", "date", "created")
_LICENCE_FIELDS = ("licence", "license")


def parse_markdown(text: str, name: str, *, line: int = 1) -> ImportedEntry | ImportFailure:
    """The entry in one file; `name` is the file's path inside the folder that is imported."""
    fields, body = split_front_matter(text)
    title = words_of(fields.get("title"))
    if not title:
        heading = _HEADING.match(body)
        if heading is not None:
            title, body = heading[1], body[heading.end() :]
        else:
            title = PurePosixPath(name).stem.replace("-", " ").replace("_", " ")
    url = _first(fields, _URL_FIELDS)
    return checked_entry(
        url=url if ":" in url else None,
        title=title,
        text=body,
        tags=list_of(fields.get("tags")),
        dated=seconds_of(_first(fields, _DATE_FIELDS)),
        line=line,
        form=words_of(fields.get("form")),
        language=words_of(fields.get("language")),
        licence=_first(fields, _LICENCE_FIELDS),
        source=name,
    )


def markdown_file(entry: ExportedEntry) -> str:
    """The content of the file for one entry."""
    fields: dict[str, Value | int | None] = {
        "title": entry.title,
        "url": entry.url,
        "tags": entry.tags or None,
        "date": iso_of(entry.dated) if entry.dated is not None else None,
        "form": entry.form,
        "language": entry.language,
        "licence": entry.licence,
        "author": entry.author,
        "claimed": iso_of(entry.claimed_at),
        "id": entry.id.hex(),
    }
    return join_front_matter(fields, entry.text)


def markdown_folder(entries: Iterable[ExportedEntry]) -> Iterator[tuple[str, str]]:
    """File names and contents, one for each entry; names are different and safe everywhere."""
    for entry in entries:
        yield file_name(entry.title, entry.id), markdown_file(entry)


def file_name(title: str, identifier: bytes) -> str:
    """The title's letters and digits, and the short id, which keeps equal titles apart."""
    words = _NOT_IN_NAMES.sub("-", title.lower()).strip("-_")[:FILE_NAME_CHARS_MAX].strip("-_")
    return f"{words or 'entry'}-{short(identifier)}.md"


def _first(fields: dict[str, Value], names: tuple[str, ...]) -> str:
    return next((words_of(fields[name]) for name in names if fields.get(name)), "")
