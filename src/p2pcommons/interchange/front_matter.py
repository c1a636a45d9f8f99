"""Front matter: the few lines of `key: value` between two `---` at the start of a Markdown file.

The part of YAML that people and programs really write there: words, quoted words, lists in
brackets, lists of `- ` lines. What is not understood is passed over, never an error, since other
programs keep their own things there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = str | tuple[str, ...]

LINES_MAX = 500
"""A fence that does not close within so many lines is a ruler on the page, not front matter."""

_KEY = re.compile(r"([A-Za-z][\w -]{0,63}?)\s*:(?:\s+(.*)|\s*)$")
_ITEM = re.compile(r"\s*-\s+(.*)$")
_COMMENT = re.compile(r"\s+#.*$")


def split_front_matter(text: str) -> tuple[dict[str, Value], str]:
    """The fields, keys in lower case, and the text after them; without a fence, no fields."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if not lines or lines[0].rstrip() != "---":
        return {}, text
    for number, line in enumerate(lines[1 : LINES_MAX + 1], 1):
        if line.rstrip() in ("---", "..."):
            return _fields(lines[1:number]), "\n".join(lines[number + 1 :]).strip("\n")
    return {}, text


def join_front_matter(fields: Mapping[str, Value | int | None], text: str) -> str:
    """The text of a Markdown file with these fields, in their order, those that are None left out.

    Words are written as JSON strings, which YAML reads as the same words.
    """
    lines = ["---"]
    for key, value in fields.items():
        if value is None:
            continue
        if isinstance(value, tuple):
            lines.append(f"{key}: [{', '.join(map(_quoted, value))}]")
        else:
            lines.append(f"{key}: {value if isinstance(value, int) else _quoted(value)}")
    return "\n".join([*lines, "---", "", text.rstrip("\n"), ""])


def words_of(value: Value | None) -> str:
    """A field that should be one piece of text; a list gives its parts with commas."""
    if value is None:
        return ""
    return value if isinstance(value, str) else ", ".join(value)


def list_of(value: Value | None) -> tuple[str, ...]:
    """A field that should be a list; plain words are split at commas."""
    if value is None:
        return ()
    if isinstance(value, tuple):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _fields(lines: Sequence[str]) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    items: list[str] = []
    key = ""
    for line in lines:
        item = _ITEM.match(line)
        if item is not None and key:
            items.append(_scalar(item[1]))
            fields[key] = tuple(items)
            continue
        found = _KEY.match(line)
        if found is None:
            continue
        key, items = found[1].strip().lower(), []
        fields[key] = _value(found[2] or "")
    return fields


def _value(written: str) -> Value:
    bare = written.strip()
    if bare.startswith("[") and bare.endswith("]"):
        return tuple(_scalar(part) for part in _split_list(bare[1:-1]) if part.strip())
    return _scalar(bare)


def _split_list(inner: str) -> list[str]:
    parts: list[str] = []
    start, quote, escaped = 0, "", False
    for position, char in enumerate(inner):
        if escaped:
            escaped = False
        elif quote:
            escaped = char == "\\" and quote == '"'
            quote = "" if char == quote else quote
        elif char in "\"'" and not inner[start:position].strip():
            quote = char
        elif char == ",":
            parts.append(inner[start:position])
            start = position + 1
    return [*parts, inner[start:]]


def _scalar(written: str) -> str:
    bare = written.strip()
    if len(bare) >= 2 and bare[0] == bare[-1] == "'":
        return bare[1:-1].replace("''", "'")
    if bare.startswith('"'):
        try:
            decoded: object = json.loads(bare, strict=False)
        except (ValueError, RecursionError):
            return bare.strip('"')
        return decoded if isinstance(decoded, str) else bare.strip('"')
    return _COMMENT.sub("", bare)


def _quoted(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)
