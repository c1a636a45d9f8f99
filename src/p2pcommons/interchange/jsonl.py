"""JSON Lines: each line is a signed contribution, or an entry that somebody wants to write.

A line that is an object with `envelope` carries a contribution exactly as it was signed, so a
file of them is a commons on a stick. Any other object with a `title` becomes a new entry of the
person who imports it. Every other line fails with its reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError
from p2pcommons.interchange.checks import checked_entry
from p2pcommons.interchange.dates import seconds_of
from p2pcommons.interchange.records import ImportedEnvelope, ImportFailure, LineRecord
from p2pcommons.model.contribution import (
    ENVELOPE_BYTES_MAX,
    Contribution,
    decode_envelope,
    encode_envelope,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
LINE_BYTES_MAX = 524_288
"""An envelope of full size takes 90,000; an entry's text with every character escaped 400,000."""


def parse_jsonl(lines: Iterable[bytes]) -> Iterator[LineRecord]:
    """Yield one record for each line that is not empty. Never raises for what the lines hold."""
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
        if line.strip():
            yield _parse_line(line, number)


def envelope_line(contribution: Contribution) -> str:
    """The line that carries a contribution to another replica; ends with a newline."""
    carried = base64.b64encode(encode_envelope(contribution.envelope())).decode("ascii")
    fields = {
        "v": VERSION,
        "id": contribution.id.hex(),
        "kind": contribution.header.kind,
        "envelope": carried,
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _parse_line(line: bytes, number: int) -> LineRecord:
    if len(line) > LINE_BYTES_MAX:
        return ImportFailure(number, f"the line has more than {LINE_BYTES_MAX} bytes")
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return ImportFailure(number, "the line is not JSON")
    if not isinstance(value, dict):
        return ImportFailure(number, "the line is not a JSON object")
    fields = cast("dict[str, object]", value)
    if "envelope" in fields:
        return _parse_envelope(fields, number)
    if not isinstance(fields.get("title"), str):
        return ImportFailure(number, "the line has neither an envelope nor a title")
    return _parse_entry(fields, number)


def _parse_envelope(fields: dict[str, object], number: int) -> LineRecord:
    version, carried = fields.get("v"), fields["envelope"]
    if version != VERSION:
        return ImportFailure(number, f"the line's version is {str(version)[:20]}, not {VERSION}")
    if not isinstance(carried, str) or len(carried) > ENVELOPE_BYTES_MAX * 4 // 3 + 4:
        return ImportFailure(number, "the envelope is not text of a possible length")
    try:
        envelope = decode_envelope(base64.b64decode(carried, validate=True))
    except (binascii.Error, ValueError):
        return ImportFailure(number, "the envelope is not base64")
    except RejectedError as error:
        return ImportFailure(number, f"the envelope does not decode: {error}")
    identifier = hashlib.sha256(envelope.header).digest()
    if fields.get("id") not in (None, identifier.hex()):
        return ImportFailure(number, "the line's id is not the id of its contribution")
    return ImportedEnvelope(identifier, envelope, number)


def _parse_entry(fields: dict[str, object], number: int) -> LineRecord:
    tags = fields.get("tags")
    if tags is not None and not _is_words(tags):
        return ImportFailure(number, "tags is not a list of words")
    for name in ("url", "text", "form", "language", "licence"):
        if not isinstance(fields.get(name), str | None):
            return ImportFailure(number, f"{name} is not text")
    return checked_entry(
        url=_words(fields, "url") or None,
        title=_words(fields, "title"),
        text=_words(fields, "text"),
        tags=cast("list[str]", tags or []),
        dated=_dated(fields.get("dated")),
        line=number,
        form=_words(fields, "form"),
        language=_words(fields, "language"),
        licence=_words(fields, "licence"),
    )


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) for item in cast("list[object]", value)
    )


def _words(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _dated(value: object) -> int | None:
    if type(value) is int:
        return value
    return seconds_of(value) if isinstance(value, str) else None
