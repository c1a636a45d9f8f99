"""Read the Netscape bookmark format that browsers, Pinboard, linkding and others export.

The format is not HTML: nothing is closed but folders, so it is read as a row of marks (`DT A`,
`DD`, `H3`, `DL`) and never as a tree. Time is linear in the length of the file whatever stands in
it, which the standard library's HTML parser does not promise for broken input.

Folders become tags, except those that every browser makes by itself: a folder is how people
without tags say what a link is about. Links marked private are left out unless asked for, since
what is published cannot be taken back; `TOREAD` is a note to oneself and is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.interchange.checks import checked_entry, decode_entities
from p2pcommons.interchange.records import ImportFailure, ImportSkip, LinkRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTRIBUTE_CHARS_MAX = 1_048_576
"""A page's icon fits, which some browsers write into the link; longer is a broken file."""

LINK_TEXT_CHARS_MAX = 262_144
"""Of one title or note, before entities are decoded; four times what an entry may hold."""

BROWSER_FOLDERS = frozenset(
    {
        "bookmarks",
        "bookmarks bar",
        "bookmarks toolbar",
        "bookmarks menu",
        "favorites",
        "favorites bar",
        "mobile bookmarks",
        "other bookmarks",
        "other favorites",
        "reading list",
        "unfiled bookmarks",
        "unsorted bookmarks",
    }
)

_FOLDER_ATTRIBUTES = ("personal_toolbar_folder", "unfiled_bookmarks_folder")
_WANTED = frozenset({"href", "add_date", "tags", "private", *_FOLDER_ATTRIBUTES})
_MARK = re.compile(r"<(/?)(a|dd|dt|dl|h3)\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/>=\"'][^\s/>=]*)(?:\s{0,64}=\s{0,64}([\"']?))?")
_UNQUOTED = re.compile(r"[^\s>]*")
_TAG_END = re.compile(r"[\s/\"'=]*>")
_INNER_TAGS = re.compile(r"</?[A-Za-z][^<>]{0,4096}>")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_YES = frozenset({"1", "yes", "true"})

_SECONDS_BELOW = 10**11
_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**16
_WINDOWS_EPOCH_SECONDS = 11_644_473_600


@dataclass(slots=True)
class _Tag:
    name: str
    closing: bool
    attributes: dict[str, str]
    start: int
    end: int
    broken: str = ""


@dataclass(slots=True)
class _Link:
    """The link being read: its mark is seen, its title and note may still follow."""

    attributes: dict[str, str]
    line: int
    title: str = ""
    note: str = ""


@dataclass(slots=True)
class _Reader:
    text: str
    include_private: bool
    folders: list[str] = field(default_factory=list[str])
    folder_name: str = ""
    link: _Link | None = None
    counted_to: int = 0
    line: int = 1

    def line_at(self, position: int) -> int:
        self.line += self.text.count("\n", self.counted_to, position)
        self.counted_to = position
        return self.line


def parse_bookmarks(text: str, *, include_private: bool = False) -> Iterator[LinkRecord]:
    """Yield every link of a bookmarks file in its order. Never raises for what the file holds."""
    reader = _Reader(text, include_private)
    tag = _next_tag(text, 0)
    while tag is not None:
        following = _next_tag(text, tag.end)
        if tag.broken:
            yield ImportFailure(reader.line_at(tag.start), tag.broken)
        content = slice(tag.end, len(text) if following is None else following.start)
        yield from _read_mark(reader, tag, content)
        tag = following
    yield from _finish_link(reader)


def added_seconds(value: str) -> int | None:
    """Seconds since 1970 UTC of an `ADD_DATE`, or None when it says none.

    Programs write seconds, milliseconds, microseconds, or microseconds since 1601.
    """
    digits = value.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return None
    number = int(digits)
    if number < _SECONDS_BELOW:
        return number or None
    if number < _MILLISECONDS_BELOW:
        return number // 1_000
    if number < _MICROSECONDS_BELOW:
        return number // 1_000_000
    return number // 1_000_000 - _WINDOWS_EPOCH_SECONDS


def _read_mark(reader: _Reader, tag: _Tag, content: slice) -> Iterator[LinkRecord]:
    """Take one mark and the text after it up to the next mark."""
    if tag.closing:
        if tag.name == "dl":
            yield from _finish_link(reader)
            if reader.folders:
                reader.folders.pop()
        return
    if tag.name == "a":
        yield from _finish_link(reader)
        reader.link = _Link(tag.attributes, reader.line_at(tag.start), _words(reader.text, content))
    elif tag.name == "dd":
        if reader.link is not None:
            reader.link.note = _words(reader.text, content)
    elif tag.name == "h3":
        yield from _finish_link(reader)
        own = any(name in tag.attributes for name in _FOLDER_ATTRIBUTES)
        reader.folder_name = "" if own else _plain(_words(reader.text, content))
    elif tag.name == "dl":
        yield from _finish_link(reader)
        reader.folders.append(reader.folder_name)
        reader.folder_name = ""
    elif tag.name == "dt":
        yield from _finish_link(reader)


def _finish_link(reader: _Reader) -> Iterator[LinkRecord]:
    link, reader.link = reader.link, None
    if link is None:
        return
    attributes = link.attributes
    if attributes.get("private", "").lower() in _YES and not reader.include_private:
        yield ImportSkip(link.line, "marked private in the file, so it was left out")
        return
    if not attributes.get("href", "").strip():
        yield ImportFailure(link.line, "it has no address")
        return
    if len(link.title) > LINK_TEXT_CHARS_MAX or len(link.note) > LINK_TEXT_CHARS_MAX:
        yield ImportFailure(link.line, f"its text has more than {LINK_TEXT_CHARS_MAX} characters")
        return
    yield checked_entry(
        url=attributes["href"],
        title=_plain(link.title),
        text=_plain(link.note),
        tags=[*attributes.get("tags", "").split(","), *_folder_tags(reader.folders)],
        dated=added_seconds(attributes.get("add_date", "")),
        line=link.line,
    )


def _folder_tags(folders: list[str]) -> list[str]:
    return [name for name in folders if name.strip().lower() not in BROWSER_FOLDERS]


def _words(text: str, content: slice) -> str:
    # One character more than allowed is enough to know that it is too long.
    return text[content.start : min(content.stop, content.start + LINK_TEXT_CHARS_MAX + 1)]


def _plain(markup: str) -> str:
    if "<" in markup:
        markup = _INNER_TAGS.sub("", _LINE_BREAK.sub("\n", markup))
    return decode_entities(markup).strip()


def _next_tag(text: str, position: int) -> _Tag | None:
    """The next mark from `position` on; other tags are left in the text around them."""
    found = _MARK.search(text, position)
    if found is None:
        return None
    tag = _Tag(found[2].lower(), bool(found[1]), {}, found.start(), found.end())
    if text.startswith(">", tag.end):
        tag.end += 1
    else:
        _read_attributes(text, tag)
    return tag


def _read_attributes(text: str, tag: _Tag) -> None:
    """Fill in attributes and end; what never ends makes the mark broken, and reading goes on."""
    position = tag.end
    while True:
        end = _TAG_END.match(text, position)
        if end is not None:
            tag.end = end.end()
            return
        found = _ATTRIBUTE.match(text, position)
        if found is None or found.end() == position:
            _break_off(text, tag, position, "its tag is not closed")
            return
        name, quote = found[1].lower(), found[2]
        position = found.end()
        if not quote:
            value = "" if quote is None else _UNQUOTED.match(text, position)
            if value:
                position = value.end()
            tag.attributes.setdefault(name, decode_entities(value[0]) if value else "")
            continue
        closing = text.find(quote, position, position + ATTRIBUTE_CHARS_MAX + 1)
        if closing < 0:
            _break_off(text, tag, position, _too_long(name))
            return
        if name in _WANTED:
            tag.attributes.setdefault(name, decode_entities(text[position:closing]))
        position = closing + 1


def _too_long(name: str) -> str:
    return (
        f"its {name[:32].upper()} is not closed or has more than {ATTRIBUTE_CHARS_MAX} characters"
    )


def _break_off(text: str, tag: _Tag, position: int, reason: str) -> None:
    line_end = text.find("\n", position)
    tag.end = len(text) if line_end < 0 else line_end
    tag.name, tag.broken = "broken", reason
