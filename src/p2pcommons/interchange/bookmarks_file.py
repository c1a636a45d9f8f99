"""Write a bookmarks file that browsers, Pinboard and linkding read.

The format holds links only: an entry without an address has no place in it and is not written.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from p2pcommons.interchange.records import ExportedEntry

_HEAD = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>{title}</TITLE>
<H1>{title}</H1>
<DL><p>
"""
_FOOT = "</DL><p>\n"


def bookmarks_file(entries: Iterable[ExportedEntry], title: str) -> Iterator[str]:
    """The file in pieces, one for each entry that has an address, in the order given.

    The date is the source's own, or else when the entry was claimed to be written.
    """
    yield _HEAD.format(title=escape(" ".join(title.split())))
    for entry in entries:
        if entry.url is not None:
            yield _link(entry, entry.url)
    yield _FOOT


def _link(entry: ExportedEntry, url: str) -> str:
    added = entry.claimed_at if entry.dated is None else entry.dated
    # A comma is what separates tags in this format; a tag that has one comes back as two.
    tags = f' TAGS="{escape(",".join(entry.tags))}"' if entry.tags else ""
    title = escape(" ".join(entry.title.split()))
    link = f'    <DT><A HREF="{escape(url)}" ADD_DATE="{added}"{tags}>{title}</A>\n'
    return link + (f"    <DD>{escape(entry.text)}\n" if entry.text.strip() else "")
