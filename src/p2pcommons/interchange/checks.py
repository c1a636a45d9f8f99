"""Turn what a file says about one link or note into an entry within the limits, or into a reason.

Nothing a person wrote is cut: what does not fit is a failure that names the limit. Only what
cannot be seen is dropped (control characters, runs of white space in a title).
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from p2pcommons.errors import UserError
from p2pcommons.interchange.records import ImportedEntry, ImportFailure
from p2pcommons.model import limits
from p2pcommons.model.addresses import host_and_path
from p2pcommons.model.tags import normalise
from p2pcommons.model.words import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMES = frozenset(
    {"http", "https", "ftp", "ftps", "gemini", "gopher", "ipfs", "ipns", "magnet"},
)
"""Addresses that mean the same to everybody; `javascript:`, `file:`, `about:` do not."""

SCHEMES_WITHOUT_HOST = frozenset({"magnet"})

URL_CHARS_MAX = 8_192
"""Longer than any server in use accepts as an address; what is longer is a program or a picture."""

ENTRY_OVERHEAD_BYTES = 1_024
"""Room for salt, field names and tags' framing, so that what passes here also encodes."""

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)))
_TEXT_CONTROLS = {code: None for code in _CONTROLS if chr(code) not in "\n\t"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HUGE_REFERENCE = re.compile(r"&#[0-9]{8,};?")
_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def decode_entities(markup: str) -> str:
    """`markup` with its character references decoded.

    A reference with thousands of digits would make the standard library raise; it means nothing.
    """
    return unescape(_HUGE_REFERENCE.sub("\ufffd", markup)) if "&" in markup else markup


def checked_entry(
    *,
    url: str | None,
    title: str,
    text: str,
    tags: Iterable[str],
    dated: int | None,
    line: int,
    form: str | None = None,
    language: str | None = None,
    licence: str | None = None,
    source: str = "",
) -> ImportedEntry | ImportFailure:
    """The entry, or the one reason why it cannot be one. Never raises for what a file contains."""
    try:
        address = _checked_url(url)
        clean_title = _checked_title(title, address)
        clean_text = _LINE_ENDS.sub("\n", text).translate(_TEXT_CONTROLS).strip()
        clean_tags = checked_tags(tags)
        _check_size(address, clean_title, clean_text, clean_tags)
    except UserError as error:
        return ImportFailure(line, str(error), source)
    return ImportedEntry(
        url=address,
        title=clean_title,
        text=clean_text,
        tags=clean_tags,
        dated=dated if dated is not None and 1 <= dated <= limits.CLAIMED_AT_MAX else None,
        line=line,
        form=form or None,
        language=language or None,
        licence=licence or None,
        source=source,
    )


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Each tag once, as this program writes tags, in the order given.

    Raises UserError naming the limit when a tag is too long or there are too many.
    """
    seen: dict[str, None] = {}
    for tag in tags:
        visible = " ".join(tag.replace("\n", " ").replace("\t", " ").translate(_CONTROLS).split())
        word = visible.lstrip("# ")
        if word:
            seen[normalise(word)] = None
    if len(seen) > limits.TAGS_MAX:
        raise UserError(f"it has {len(seen)} tags; the limit is {limits.TAGS_MAX}")
    return tuple(seen)


def _checked_url(url: str | None) -> str | None:
    if url is None or not url.strip():
        return None
    address = url.strip()
    if len(address) > URL_CHARS_MAX:
        raise UserError(f"its address has {len(address)} characters; the limit is {URL_CHARS_MAX}")
    if _CONTROL.search(address):
        raise UserError("its address contains control characters")
    found = _SCHEME.match(address)
    if found is None:
        raise UserError("its address does not begin with http: or https:")
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        raise UserError(f"an address that begins with {scheme[:32]}: means nothing to others")
    try:
        parts = urlsplit(address)
        host, password = parts.hostname, parts.password
    except ValueError:
        raise UserError("its address cannot be read") from None
    if password:
        raise UserError("its address contains a password")
    if not host and scheme not in SCHEMES_WITHOUT_HOST:
        raise UserError("its address names no host")
    return address


def _checked_title(title: str, address: str | None) -> str:
    clean = " ".join(_LINE_ENDS.sub(" ", title).replace("\t", " ").replace("\n", " ").split())
    clean = clean.translate(_CONTROLS)
    if clean:
        if len(clean) > limits.TITLE_CHARS_MAX:
            raise UserError(
                f"its title has {len(clean)} characters; the limit is {limits.TITLE_CHARS_MAX}"
            )
        return clean
    if address is None:
        raise UserError("it has neither title nor address")
    # Derived, so nobody's words are cut by shortening it.
    return shorten(host_and_path(address), limits.TITLE_CHARS_MAX)


def _check_size(address: str | None, title: str, text: str, tags: tuple[str, ...]) -> None:
    try:
        parts = (address or "", title, text, *tags)
        size = sum(len(part.encode()) + 3 for part in parts) + ENTRY_OVERHEAD_BYTES
    except UnicodeEncodeError:
        raise UserError("it contains broken characters (half of a surrogate pair)") from None
    if size > limits.BODY_BYTES_MAX:
        raise UserError(
            f"with its text it takes {size} bytes; the limit is {limits.BODY_BYTES_MAX}"
        )
