"""The words of peers made safe for terminals, logs and files; the one place where that happens.

A peer can put anything into a title: escape sequences that repaint the screen, overrides that
turn text round, invisible characters that make two names look alike. What is shown passes here.
"""

from __future__ import annotations

import re
import unicodedata

from p2pcommons.model.limits import TITLE_CHARS_MAX

ELLIPSIS = "…"
COMBINING_RUN_MAX = 6
"""Marks stacked on one letter; more of them paint over the lines around."""

_PLAIN = re.compile(r"[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff]*\Z")
_JOINERS = {"\u200c", "\u200d"}
# Format characters that are letters to their readers: Arabic and Kaithi number signs.
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
_LINE_BREAKS = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"[\s\u2800\u3164\u115f\u1160\uffa0]+")


def clean_line(text: str, chars_max: int = TITLE_CHARS_MAX) -> str:
    """Return `text` as one line of visible characters, at most `chars_max` of them."""
    if not _PLAIN.match(text):
        text = _visible(_LINE_BREAKS.sub(" ", text.replace("\t", " ")))
    return shorten(_BLANKS.sub(" ", text).strip(), chars_max)


def clean_text(text: str, chars_max: int | None = None) -> str:
    """Return `text` with its line breaks as newlines, tabs as spaces, and nothing invisible."""
    lines = _LINE_BREAKS.sub("\n", text).split("\n")
    cleaned = "\n".join(_clean_row(line.expandtabs(4)) for line in lines)
    return cleaned if chars_max is None else shorten(cleaned, chars_max)


def shorten(text: str, chars_max: int) -> str:
    """Return `text` cut to `chars_max` characters, the last of which is then an ellipsis."""
    return text if len(text) <= chars_max else text[: max(chars_max - 1, 0)] + ELLIPSIS


def _clean_row(row: str) -> str:
    return row if _PLAIN.match(row) else _visible(row)


def _visible(text: str) -> str:
    """Drop controls, bidi overrides, other invisible characters, and towers of marks."""
    kept: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks += 1
            if marks > COMBINING_RUN_MAX:
                continue
        elif character in _JOINERS:
            # A joiner means something between two visible characters, and only once.
            if not kept or kept[-1] in _JOINERS or kept[-1] == " ":
                continue
        elif category in ("Cc", "Cf", "Cs") and character not in _VISIBLE_FORMAT:
            continue
        else:
            marks = 0
        kept.append(character)
    return "".join(kept)
