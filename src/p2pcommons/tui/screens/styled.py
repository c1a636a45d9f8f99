"""Lines with looks as content; built from parts, so that nothing in them is read as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLES = {
    "title": "bold",
    "plain": "$muted",
    "words": "italic $accent",
    "good": "$success",
    "wrong": "$warning",
}


def styled(lines: Sequence[tuple[str, str]], nothing: str = "") -> Content:
    """Lines given as (words, look); looks are the keys of `STYLES`, any other is as it comes."""
    if not lines:
        return Content(nothing)
    parts = [(f"{words}\n", STYLES.get(look, "")) for words, look in lines[:-1]]
    words, look = lines[-1]
    return Content.assemble(*parts, (words, STYLES.get(look, "")))
