"""The small language of searches: words, "phrases", #tags, by:people, dates, and -not any of them.

`tag:x` means `#x`, because shells take a `#` for themselves. Whatever is typed is a query; what
makes no sense as a date is left out and named in `problems`, and the rest is taken as words.
Nothing here touches a database or a clock.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from p2pcommons.errors import UserError
from p2pcommons.model import tags
from p2pcommons.store.query_dates import DATE_FORMS, span_of

TERMS_MAX = 32
"""More would only make a search slow; the rest of a longer query is left out."""
TERM_CHARS_MAX = 200

BEGINNING_CHARS_MIN = 3
"""From so many letters on an unfinished word finds the words it begins. Fewer begin so many that
a store of a million entries would answer in seconds."""

_TERM = re.compile(
    r"""(-?)((?:\#|tag:|by:|after:|before:|on:)?)(?:"([^"]*)(?:"|\Z)|(\S+))""", re.IGNORECASE
)
_LETTERS = re.compile(r"[A-Za-z0-9]+")
_LAST_LETTERS = re.compile(r"[^\W_]+\Z")
_FIRST_CJK = "\u2e80"
"""From here on lie the scripts in which one sign says as much as some letters, and no spaces
divide the words."""


class Order(StrEnum):
    """How what a search finds is ordered."""

    NEWEST = "newest"
    RELEVANCE = "relevance"


class Phrase(NamedTuple):
    """Words that stand next to each other; with `prefix` the last one may go on."""

    text: str
    prefix: bool = False


class Problem(NamedTuple):
    """A part of a query that was left out or means nothing here: `part` `what`; `way` out."""

    part: str
    what: str
    way: str = ""

    def __str__(self) -> str:
        said = f"{self.part} {self.what}"
        return f"{said}: {self.way}" if self.way else said


class Span(NamedTuple):
    """Seconds since 1970 UTC from `start` up to, not including, `end`; None is open."""

    start: int | None = None
    end: int | None = None


EVER = Span()


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries are wanted: all of `commons` (empty: all joined), `tags`, `phrases`, `span`,
    and any of `by` (as typed) or `authors` (keys); none of what stands in `without_…`.

    `tag_beginning` is how a tag begins that is still being typed. `hopeless` marks a query of
    which nothing can be looked up; it finds nothing. `problems` name the parts that were left out,
    and why.
    """

    commons: tuple[bytes, ...] = ()
    tags: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    by: tuple[str, ...] = ()
    authors: tuple[bytes, ...] = ()
    span: Span = EVER
    without_tags: tuple[str, ...] = ()
    without_phrases: tuple[Phrase, ...] = ()
    without_by: tuple[str, ...] = ()
    without_spans: tuple[Span, ...] = ()
    tag_beginning: str = ""
    hopeless: bool = False
    problems: tuple[Problem, ...] = ()


class _Reading:
    """A query in the making."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.by: list[str] = []
        self.phrases: list[Phrase] = []
        self.without_tags: list[str] = []
        self.without_by: list[str] = []
        self.without_phrases: list[Phrase] = []
        self.without_spans: list[Span] = []
        self.span = EVER
        self.tag_beginning = ""
        self.lost = False
        self.problems: list[Problem] = []

    def take(self, sign: str, mark: str, words: str, *, unfinished: bool) -> None:
        """Take one part of a query: its sign, what stands before the colon, and the rest."""
        if mark in ("#", "tag:") and unfinished and not sign:
            self.tag_beginning = _as_tag(words)
        elif mark in ("#", "tag:"):
            (self.without_tags if sign else self.tags).append(_as_tag(words))
        elif mark == "by:":
            (self.without_by if sign else self.by).append(words.strip())
        elif mark:
            self._take_date(sign, mark, words.strip())
        elif not _searchable(words):
            self.lost = self.lost or not sign
        elif sign:
            self.without_phrases.append(Phrase(words))
        else:
            self.phrases.append(Phrase(words, unfinished and _may_go_on(words)))

    def _take_date(self, sign: str, mark: str, words: str) -> None:
        found = span_of(words, ranges=mark == "on:")
        if found is None:
            part = f"{sign}{mark}{words}"
            self.problems.append(Problem(part, "is no date", f"write {DATE_FORMS}"))
            return
        start, end = found
        if mark == "on:":
            span = Span(start, end)
        else:
            span = Span(start, None) if (mark == "after:") is not bool(sign) else Span(None, start)
        if sign and mark == "on:":
            self.without_spans.append(span)
        else:
            self.span = _both(self.span, span)

    def query(self) -> Query:
        """Return what was taken."""
        return Query(
            tags=_once(self.tags),
            phrases=tuple(dict.fromkeys(self.phrases)),
            by=_once(self.by),
            span=self.span,
            without_tags=_once(self.without_tags),
            without_phrases=tuple(dict.fromkeys(self.without_phrases)),
            without_by=_once(self.without_by),
            without_spans=tuple(dict.fromkeys(self.without_spans)),
            tag_beginning=self.tag_beginning,
            hopeless=self.lost and not self._has_something(),
            problems=tuple(dict.fromkeys(self.problems)),
        )

    def _has_something(self) -> bool:
        words = self.phrases or self.tags or self.tag_beginning or self.by
        return bool(words) or self.span != EVER


def parse_query(text: str, *, typing: bool = False) -> Query:
    """Return the query in `text`; never raises.

    `typing` says that the person is still at it: the last word may be the beginning of one.
    """
    reading = _Reading()
    for number, term in enumerate(_TERM.finditer(text.replace("\x00", " "))):
        if number == TERMS_MAX:
            rest = text[term.start() :].split()
            part = rest[0] if rest else ""
            what = f"and what follows are left out: {TERMS_MAX} parts are the most"
            reading.problems.append(Problem(part[:TERM_CHARS_MAX], what))
            break
        sign, mark, quoted, bare = term.groups()
        words = (quoted if bare is None else bare)[:TERM_CHARS_MAX]
        if words.strip():
            unfinished = typing and term.end() == len(text) and bare is not None
            reading.take(sign, mark.lower(), words, unfinished=unfinished)
    return reading.query()


def quoted(text: str) -> str:
    """Return an FTS5 string of `text`, through which no syntax comes."""
    return '"' + text.replace('"', " ") + '"'


def is_searchable(text: str) -> bool:
    """Tell whether the index has words for anything in `text`."""
    return _searchable(text)


def is_one_word(text: str) -> bool:
    """Tell whether the index takes `text` for a single word, as far as can be said here."""
    return _LETTERS.fullmatch(text) is not None


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


def _may_go_on(text: str) -> bool:
    """Tell whether an unfinished word is long enough to be taken as the beginning of others."""
    found = _LAST_LETTERS.search(text)
    if found is None:
        return False
    letters = found.group()
    return len(letters) >= BEGINNING_CHARS_MIN or any(char >= _FIRST_CJK for char in letters)


def _both(one: Span, other: Span) -> Span:
    starts = [span.start for span in (one, other) if span.start is not None]
    ends = [span.end for span in (one, other) if span.end is not None]
    return Span(max(starts, default=None), min(ends, default=None))


def _once(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
