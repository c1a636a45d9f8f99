"""Tell what a file is from its first bytes and its name, and turn its bytes into text.

What the bytes say counts before what the name says: people rename files.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal

from p2pcommons.errors import UserError

Format = Literal["bookmarks", "jsonl", "markdown"]

SNIFF_BYTES = 4_096
"""How much of a file's beginning `detect_format` wants to see."""

_BOOKMARKS_START = re.compile(
    r"\s*(<!doctype\s+netscape-bookmark|<!doctype html|<html|<(dl|dt|h1|h3|title|meta|a\s)\b)",
    re.IGNORECASE,
)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
# Python knows charsets that are programs rather than tables and slow on long input (punycode).
_KNOWN_CHARSET = re.compile(
    r"utf-?(8|16|16le|16be)|us-ascii|iso-?8859-\d{1,2}|(windows-|cp)\d{3,4}|koi8-[ru]"
    r"|shift_?jis|euc-(jp|kr)|gb(k|2312|18030)|big5|macintosh|tis-620",
    re.IGNORECASE,
)
_NAMES: dict[str, Format] = {
    ".html": "bookmarks",
    ".htm": "bookmarks",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "markdown",
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def detect_format(first: bytes, name: str) -> Format:
    """The format of a file that begins with `first` and is called `name`.

    Raises UserError when neither says it.
    """
    start = decode_text(first[:SNIFF_BYTES], "").lstrip("\ufeff")
    if _BOOKMARKS_START.match(start):
        return "bookmarks"
    if start.lstrip().startswith("{"):
        return "jsonl"
    if start.startswith(("---\n", "---\r\n")):
        return "markdown"
    suffix = "." + name.lower().rpartition(".")[2]
    if suffix in _NAMES:
        return _NAMES[suffix]
    if re.match(r"\s*#{1,6}\s", start):
        return "markdown"
    raise UserError(
        f"{name or 'this input'} looks neither like bookmarks, nor JSON Lines, nor Markdown; "
        "say which with --format"
    )


def decode_text(data: bytes, charset: str = "") -> str:
    """The text in `data`, whatever its encoding; never raises.

    A byte order mark decides first, then `charset`, then UTF-8, and what is not UTF-8 is read
    as Windows-1252, in which old browsers wrote. Line ends stay as they are.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    for encoding in (charset, "utf-8"):
        try:
            if encoding == "utf-8" or _KNOWN_CHARSET.fullmatch(encoding):
                return data.decode(encoding)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("windows-1252", "replace")


def stated_charset(data: bytes) -> str:
    """The charset that the beginning of an HTML file states, or an empty string."""
    found = _CHARSET.search(data[:SNIFF_BYTES])
    return found[1].decode("ascii") if found else ""
