"""The small language of searches: words, "phrases", #tags, by:people, and -not any of them.

`tag:x` means `#x`, because shells take a `#` for themselves. Whatever is typed is a query; what
makes no sense is taken as words. Nothing here touches a database.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from p2pcommons.errors import UserError
from p2pcommons.model import tags

TERMS_MAX = 32
"""More would only make a search slow; the rest of a longer query is left out."""
TERM_CHARS_MAX = 200

_TERM = re.compile(r"""(-?)((?:\#|tag:|by:)?)(?:"([^"]*)(?:"|\Z)|(\S+))""", re.IGNORECASE)


class Phrase(NamedTuple):
    """Words that stand next to each other; with `prefix` the last one may go on."""

    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries are wanted: all of `commons` (empty: all joined), `tags`, `phrases`, and any
    of `by` (as typed) or `authors` (keys); none of what stands in `without_…`.

    `hopeless` marks a query of which nothing can be looked up; it finds nothing.
    """

    commons: tuple[bytes, ...] = ()
    tags: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    by: tuple[str, ...] = ()
    authors: tuple[bytes, ...] = ()
    without_tags: tuple[str, ...] = ()
    without_phrases: tuple[Phrase, ...] = ()
    without_by: tuple[str, ...] = ()
    hopeless: bool = False


def parse_query(text: str, *, typing: bool = False) -> Query:
    """Return the query in `text`; never raises.

    `typing` says that the person is still at it: the last word may be the beginning of one.
    """
    found: dict[str, list[str]] = {"tags": [], "by": [], "-tags": [], "-by": []}
    phrases: list[Phrase] = []
    without: list[Phrase] = []
    lost = False
    terms = list(_TERM.finditer(text.replace("\x00", " ")))[:TERMS_MAX]
    for term in terms:
        sign, mark, quoted, bare = term.groups()
        words = (quoted if bare is None else bare)[:TERM_CHARS_MAX]
        if not words.strip():
            continue
        if mark:
            name = sign + ("by" if mark.lower() == "by:" else "tags")
            found[name].append(words.strip() if name.endswith("by") else _as_tag(words))
            continue
        if not _searchable(words):
            lost = lost or not sign
            continue
        at_end = typing and term.end() == len(text) and bare is not None
        (without if sign else phrases).append(Phrase(words, at_end and not sign))
    return Query(
        tags=_once(found["tags"]),
        phrases=tuple(dict.fromkeys(phrases)),
        by=_once(found["by"]),
        without_tags=_once(found["-tags"]),
        without_phrases=tuple(dict.fromkeys(without)),
        without_by=_once(found["-by"]),
        hopeless=lost and not (phrases or found["tags"] or found["by"]),
    )


def match_expression(phrases: tuple[Phrase, ...], joined_by: str) -> str:
    """Return an FTS5 expression; every phrase is a quoted string, so no syntax comes through."""
    return joined_by.join(
        '"' + phrase.text.replace('"', " ") + '"' + ("*" if phrase.prefix else "")
        for phrase in phrases
    )


def _as_tag(text: str) -> str:
    """Return the tag a person means, or what they typed where nobody could have such a tag."""
    try:
        return tags.normalise(text)
    except UserError:
        return text


def _searchable(text: str) -> bool:
    """Tell whether the index has words for anything in `text`: letters, digits, private use."""
    return any(
        unicodedata.category(char)[0] in "LN" or unicodedata.category(char) == "Co" for char in text
    )


def _once(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
