"""Tags: the writer normalises, the reader only skips; comparison is by code points."""

from __future__ import annotations

import re
import unicodedata

from p2pcommons.errors import UserError
from p2pcommons.model.limits import TAG_CHARS_MAX

# White space as Python knows it, and category Cc, which is U+0000..1F and U+007F..9F.
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def normalise(text: str) -> str:
    """Return a person's tag as it is written down: NFC, lower case, trimmed, spaces to '-'.

    A leading '#' is how tags are shown and is dropped. Raises UserError naming the limit.
    """
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    tag = "-".join(lowered.strip().lstrip("#").split())
    if not tag:
        raise UserError(f"{text!r} is not a tag: nothing is left of it")
    if len(tag) > TAG_CHARS_MAX:
        raise UserError(f"tag {tag[:20]}… has {len(tag)} characters; the limit is {TAG_CHARS_MAX}")
    if not readable(tag):
        raise UserError(f"{text!r} is not a tag: it holds control characters")
    return tag


def readable(tag: str) -> bool:
    """Tell whether a tag of anyone counts: 1 to 64 characters, no control or white space."""
    return 0 < len(tag) <= TAG_CHARS_MAX and not _BLANK_OR_CONTROL.search(tag)
