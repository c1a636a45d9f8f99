"""What the body of each kind holds. The writer refuses what breaks a rule; the reader goes on.

A body that is not canonical or breaks the rules of its kind is still stored and relayed; it just
says nothing, which `parse_body` expresses as None. Unknown fields are ignored. Long titles and
names of others are kept whole here and shortened where they are shown.
"""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, cast

from p2pcommons.errors import RejectedError, UserError
from p2pcommons.model import codec, tags
from p2pcommons.model.body_fields import BodyFields, SaysNothingError
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.model.limits import (
    ATTACHMENT_BYTES_MAX,
    BODY_BYTES_MAX,
    CHUNK_BYTES,
    FILE_NAME_BYTES_MAX,
    KEEP_IDS_MAX,
    NAME_CHARS_MAX,
    PLEDGE_CHARS_MAX,
    RULE_CHARS_MAX,
    RULES_MAX,
    SALT_BYTES,
    TAGS_MAX,
    TITLE_CHARS_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMONS: Final = "commons"
PROFILE: Final = "profile"
ENTRY: Final = "entry"
TAG: Final = "tag"
WITHDRAW: Final = "withdraw"
DEVICE_REVOKE: Final = "device-revoke"
ATTACH: Final = "attach"
PLEDGE: Final = "pledge"

NOT_WITHDRAWABLE: Final = frozenset(
    {COMMONS, WITHDRAW, DEVICE_REVOKE, "propose", "close", "ack", "epoch"}
)
"""A `withdraw` that names one of these withdraws nothing."""

PUBLIC: Final = "public"
CIRCLE: Final = "circle"
DEFAULT_LICENCE: Final = "CC-BY-SA-4.0"
FORM_ARTICLE: Final = "article"
FORM_LINK: Final = "link"
FORM_NOTE: Final = "note"


@dataclass(frozen=True, slots=True)
class CommonsBody:
    """The founding words of a commons."""

    title: str
    purpose: str = ""
    licence: str = DEFAULT_LICENCE
    language: str | None = None
    rules: tuple[str, ...] = ()
    visibility: str = PUBLIC
    why_private: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileBody:
    """How a person wants to be called in one commons."""

    name: str
    about: str | None = None
    languages: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryBody:
    """One version of an entry. `dated` is the date of the source, seconds since 1970 UTC."""

    form: str
    title: str
    text: str = ""
    url: str | None = None
    language: str | None = None
    licence: str | None = None
    excerpt: str | None = None
    dated: int | None = None
    tags: tuple[str, ...] = ()
    edit_note: str | None = None


@dataclass(frozen=True, slots=True)
class TagBody:
    """One person's full list of tags on a target; an empty one takes back."""

    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawBody:
    """A request of its author to drop a body."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RevokeBody:
    """What a revoked device signed and its author still stands by."""

    keep: tuple[bytes, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AttachBody:
    """A file that goes with an entry; its bytes travel apart, checked chunk by chunk.

    `chunks` are the SHA-256 hashes of its pieces of CHUNK_BYTES, 32 bytes each, in order.
    """

    name: str
    size: int
    sha256: bytes
    chunks: bytes
    media_type: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PledgeBody:
    """What a person takes on for a commons; without words and without `keep` it takes back.

    With `keep` an always-on node promises to hold every text, and files up to `files` bytes
    together. `until` is the last moment of the promise, seconds since 1970 UTC.
    """

    text: str = ""
    keep: bool = False
    files: int = 0
    until: int | None = None

    @property
    def takes_back(self) -> bool:
        """Whether nothing is promised any more."""
        return not self.keep and not self.text.strip()


_CALENDAR_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""Seconds since 1970 UTC in the years 1 to 9999."""

Body = (
    CommonsBody
    | ProfileBody
    | EntryBody
    | TagBody
    | WithdrawBody
    | RevokeBody
    | AttachBody
    | PledgeBody
)

KIND_OF: Final[Mapping[type[Body], str]] = {
    CommonsBody: COMMONS,
    ProfileBody: PROFILE,
    EntryBody: ENTRY,
    TagBody: TAG,
    WithdrawBody: WITHDRAW,
    RevokeBody: DEVICE_REVOKE,
    AttachBody: ATTACH,
    PledgeBody: PLEDGE,
}


def encode_body(body: Body, salt: bytes) -> bytes:
    """Return the canonical bytes of a body a person writes; `salt` is 16 random bytes.

    Raises UserError naming the limit that is exceeded; nothing is ever cut.
    """
    _check_written(body)
    values: dict[str, object] = {"salt": salt}
    for field in fields(body):
        value = cast("object", getattr(body, field.name))
        if value is None or (value == () and field.name in _LEFT_OUT_WHEN_EMPTY):
            continue
        values[field.name] = list(cast("tuple[object]", value)) if type(value) is tuple else value
    if isinstance(body, EntryBody) and not body.tags:
        values.pop("tags", None)
    try:
        encoded = codec.encode(values)
    except (ValueError, UnicodeEncodeError) as error:
        raise UserError(f"the text cannot be written down: {error}") from error
    if len(encoded) > BODY_BYTES_MAX:
        raise UserError(
            f"{len(encoded):,} bytes are too many: a contribution holds at most "
            f"{BODY_BYTES_MAX:,} bytes"
        )
    return encoded


def parse_body(kind: str, body: bytes) -> Body | None:
    """Return what a body says, or None where it says nothing: unknown kind or a broken rule."""
    parser = _PARSERS.get(kind)
    if parser is None:
        return None
    try:
        value = codec.decode(body)
    except RejectedError:
        return None
    if type(value) is not dict:
        return None
    try:
        read = BodyFields(cast("dict[str, object]", value))
        if len(read.required("salt", bytes)) != SALT_BYTES:
            return None
        return parser(read)
    except SaysNothingError:
        return None


_LEFT_OUT_WHEN_EMPTY = frozenset({"languages", "links", "needs"})


def _parse_commons(read: BodyFields) -> CommonsBody:
    body = CommonsBody(
        title=read.required("title", str),
        purpose=read.required("purpose", str),
        licence=read.required("licence", str),
        language=read.optional("language", str),
        rules=read.texts("rules", RULES_MAX),
        visibility=read.required("visibility", str),
        why_private=read.optional("why_private", str),
        needs=read.texts("needs"),
    )
    if body.visibility not in (PUBLIC, CIRCLE):
        raise SaysNothingError
    if body.visibility == CIRCLE and not body.why_private:
        raise SaysNothingError
    return body


def _parse_profile(read: BodyFields) -> ProfileBody:
    return ProfileBody(
        name=read.required("name", str),
        about=read.optional("about", str),
        languages=read.texts("languages"),
        links=read.texts("links"),
    )


def _parse_entry(read: BodyFields) -> EntryBody:
    return EntryBody(
        form=read.required("form", str),
        title=read.required("title", str),
        text=read.required("text", str),
        url=read.optional("url", str),
        language=read.optional("language", str),
        licence=read.optional("licence", str),
        excerpt=read.optional("excerpt", str),
        dated=_calendar_second(read.optional("dated", int)),
        tags=read.texts("tags", TAGS_MAX),
        edit_note=read.optional("edit_note", str),
    )


def _calendar_second(seconds: int | None) -> int | None:
    """Leave out what no calendar can show: one such number would stop a whole export."""
    return seconds if seconds is not None and seconds in _CALENDAR_SECONDS else None


def _parse_tag(read: BodyFields) -> TagBody:
    return TagBody(read.texts("tags", TAGS_MAX, required=True))


def _parse_withdraw(read: BodyFields) -> WithdrawBody:
    return WithdrawBody(read.optional("reason", str))


def _parse_revoke(read: BodyFields) -> RevokeBody:
    keep = read.items("keep", bytes, KEEP_IDS_MAX)
    ascending = all(first < second for first, second in itertools.pairwise(keep))
    if not ascending or any(len(identifier) != ID_BYTES for identifier in keep):
        raise SaysNothingError
    return RevokeBody(keep, read.optional("reason", str))


def _parse_attach(read: BodyFields) -> AttachBody:
    body = AttachBody(
        name=read.required("name", str),
        size=read.required("size", int),
        sha256=read.required("sha256", bytes),
        chunks=read.required("chunks", bytes),
        media_type=read.optional("media_type", str),
        note=read.optional("note", str),
    )
    if not 1 <= body.size <= ATTACHMENT_BYTES_MAX or len(body.sha256) != ID_BYTES:
        raise SaysNothingError
    if len(body.chunks) != -(-body.size // CHUNK_BYTES) * ID_BYTES:
        raise SaysNothingError
    return body


def _parse_pledge(read: BodyFields) -> PledgeBody:
    files = read.optional("files", int) or 0
    if files < 0:
        raise SaysNothingError
    return PledgeBody(
        text=read.required("text", str),
        keep=read.required("keep", bool),
        files=files,
        until=_calendar_second(read.optional("until", int)),
    )


_PARSERS: Final[Mapping[str, Callable[[BodyFields], Body]]] = {
    COMMONS: _parse_commons,
    PROFILE: _parse_profile,
    ENTRY: _parse_entry,
    TAG: _parse_tag,
    WITHDRAW: _parse_withdraw,
    DEVICE_REVOKE: _parse_revoke,
    ATTACH: _parse_attach,
    PLEDGE: _parse_pledge,
}


def _check_written(body: Body) -> None:
    """Raise UserError for what a person may not write; what others wrote is never held to it."""
    if isinstance(body, CommonsBody):
        check_line("title", body.title, TITLE_CHARS_MAX)
        if len(body.rules) > RULES_MAX:
            raise UserError(f"{len(body.rules)} rules are too many: the limit is {RULES_MAX}")
        for rule in body.rules:
            check_line("rule", rule, RULE_CHARS_MAX)
    elif isinstance(body, ProfileBody):
        check_line("name", body.name, NAME_CHARS_MAX)
    elif isinstance(body, EntryBody):
        check_line("title", body.title, TITLE_CHARS_MAX)
        _check_tags(body.tags)
    elif isinstance(body, TagBody):
        _check_tags(body.tags)
    elif isinstance(body, AttachBody):
        check_line("file name", body.name, FILE_NAME_BYTES_MAX)
    elif isinstance(body, PledgeBody) and body.text:
        check_line("pledge", body.text, PLEDGE_CHARS_MAX)


def check_line(what: str, text: str, chars_max: int) -> None:
    """Raise UserError unless `text` is one non-empty line of at most `chars_max` characters."""
    if not text.strip():
        raise UserError(f"the {what} is empty")
    if len(text) > chars_max:
        raise UserError(f"the {what} has {len(text)} characters; the limit is {chars_max}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise UserError(f"the {what} holds control characters or line breaks")


def _check_tags(listed: tuple[str, ...]) -> None:
    if len(listed) > TAGS_MAX:
        raise UserError(f"{len(listed)} tags are too many: the limit is {TAGS_MAX}")
    for tag in listed:
        if tags.normalise(tag) != tag:
            raise UserError(f"tag {tag!r} is not written in its normal form")
