"""The messages of a reconcile session, and their bytes.

Each frame holds one message: a canonical msgpack array that begins with the message's name. All
but the first two carry the channel, the number of the commons in the order in which the opener
named them. `decode_message` raises nothing but RejectedError.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.model import codec
from p2pcommons.model.contribution import Envelope, envelope_from_array, envelope_to_array
from p2pcommons.model.ids import ID_BYTES
from p2pcommons.model.limits import BODY_BYTES_MAX, CLAIMED_AT_MAX
from p2pcommons.protocol.limits import (
    BLINDED_BYTES,
    COMMONS_MAX,
    FRAME_BYTES_MAX,
    HAVES_AHEAD_MAX,
    IDS_PER_FRAME_MAX,
    NONCE_BYTES,
    WANT_IDS_SERVED_MAX,
    WANTS_IN_FLIGHT_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_DEPTH_MAX = 4
_UINT_MAX = 2**64 - 1
_FINGERPRINT_SIZES = (16, 32)
UNSUPPORTED_CHARS_MAX = 64
FRAME_BYTES_MIN = 128 * 1024
"""A peer that reads less could not take the largest envelope with comfort."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What a side is willing to take; the other keeps to it. Later versions may add more.

    What is not named has the value given here.
    """

    frame: int = FRAME_BYTES_MAX
    """Bytes in one frame, at least 131,072."""
    haves: int = HAVES_AHEAD_MAX
    """Ids announced by `have` and not yet taken up."""
    ids: int = WANT_IDS_SERVED_MAX
    """Ids in one `want` or `bodies`."""
    wants: int = WANTS_IN_FLIGHT_MAX
    """Unanswered `want` and `bodies` together."""


_USUAL = PeerLimits()


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of either side. `now` is the sender's clock, seconds since 1970 UTC."""

    nonce: bytes
    now: int
    limits: PeerLimits = field(default_factory=PeerLimits)


@dataclass(frozen=True, slots=True)
class Commons:
    """The commons of one side: blinded, and (only if the person chose so) in clear."""

    blinded: tuple[bytes, ...]
    offered: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """Begin with one commons, comparing what is no older than `since` (`from` in the text)."""

    channel: int
    commons: bytes
    since: int = 0
    scope: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Neg:
    """One Negentropy V1 message."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Want:
    """Send these contributions, bodies of up to `body_bytes_max` with them.

    `taken` counts the ids announced by `have` that have been dealt with so far.
    """

    channel: int
    ids: tuple[bytes, ...]
    body_bytes_max: int = BODY_BYTES_MAX
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Have:
    """Ids that you lack and can want."""

    channel: int
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Contributions that were wanted."""

    channel: int
    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Wanted ids that are not held, or not served; no reason is given."""

    channel: int
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bodies:
    """Send these contributions again, with their bodies."""

    channel: int
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What this side holds now: snapshot and what the session brought.

    A fingerprint of 16 bytes is Negentropy's; one of 32 is SHA-256(nonce of the opener || nonce
    of the other || ids ascending).
    """

    channel: int
    count: int
    fingerprint: bytes
    bodies: int
    declined: int


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Answer to an `open` that cannot be served; `what` names the part."""

    channel: int
    what: str


Message = Hello | Commons | Open | Neg | Want | Have | Put | Absent | Bodies | Done | Unsupported
ChannelMessage = Open | Neg | Want | Have | Put | Absent | Bodies | Done | Unsupported


def encode_message(message: Message) -> bytes:
    """Return the frame of `message`."""
    return codec.encode(_to_array(message))


def decode_message(data: bytes) -> Message:
    """Return the message in a frame. Raises RejectedError for anything else."""
    if len(data) > FRAME_BYTES_MAX:
        raise RejectedError(RejectReason.FRAME_TOO_LARGE, f"{len(data)} bytes")
    decoded = codec.decode(data, depth_max=_DEPTH_MAX)
    if type(decoded) is not list or not decoded:
        raise _malformed("not an array")
    name, *fields = cast("list[object]", decoded)
    if type(name) is not str or name not in _PARSERS:
        raise _malformed("unknown name")
    count, parse = _PARSERS[name]
    if len(fields) != count:
        raise _malformed(f"{name}: {len(fields)} fields")
    return parse(fields)


def _to_array(message: Message) -> list[object]:
    match message:
        case Hello(nonce, now, limits):
            return ["hello", nonce, now, _limits_to_map(limits)]
        case Commons(blinded, offered):
            return ["commons", blinded, offered]
        case Open(channel, commons, since, scope):
            return ["open", channel, commons, since, dict(scope)]
        case Neg(channel, data):
            return ["neg", channel, data]
        case Want(channel, ids, body_bytes_max, taken):
            return ["want", channel, ids, body_bytes_max, taken]
        case Have(channel, ids):
            return ["have", channel, ids]
        case Put(channel, envelopes):
            return ["put", channel, [envelope_to_array(envelope) for envelope in envelopes]]
        case Absent(channel, ids):
            return ["absent", channel, ids]
        case Bodies(channel, ids):
            return ["bodies", channel, ids]
        case Done():
            return ["done", message.channel, _done_to_map(message)]
        case Unsupported(channel, what):
            return ["unsupported", channel, what]


def _limits_to_map(limits: PeerLimits) -> dict[str, object]:
    named = {"frame": limits.frame, "haves": limits.haves, "ids": limits.ids, "wants": limits.wants}
    usual = {"frame": _USUAL.frame, "haves": _USUAL.haves, "ids": _USUAL.ids, "wants": _USUAL.wants}
    return {name: value for name, value in named.items() if value != usual[name]}


def _done_to_map(done: Done) -> dict[str, object]:
    named: dict[str, object] = {
        "bodies": done.bodies,
        "count": done.count,
        "fingerprint": done.fingerprint,
    }
    if done.declined:
        named["declined"] = done.declined
    return named


def _hello(fields: Sequence[object]) -> Hello:
    nonce, now, limits = fields
    values = _map(limits, "limits")
    return Hello(
        _bytes(nonce, NONCE_BYTES, "nonce"),
        _uint(now, _UINT_MAX, "now"),
        PeerLimits(
            frame=_uint(values.get("frame", _USUAL.frame), _UINT_MAX, "frame", low=FRAME_BYTES_MIN),
            haves=_uint(values.get("haves", _USUAL.haves), _UINT_MAX, "haves", low=1),
            ids=_uint(values.get("ids", _USUAL.ids), _UINT_MAX, "ids", low=1),
            wants=_uint(values.get("wants", _USUAL.wants), _UINT_MAX, "wants", low=1),
        ),
    )


def _commons(fields: Sequence[object]) -> Commons:
    blinded, offered = fields
    return Commons(
        _ascending(blinded, BLINDED_BYTES, COMMONS_MAX, "blinded"),
        _ascending(offered, ID_BYTES, COMMONS_MAX, "offered"),
    )


def _open(fields: Sequence[object]) -> Open:
    channel, commons, since, scope = fields
    return Open(
        _channel(channel),
        _bytes(commons, ID_BYTES, "commons"),
        _uint(since, CLAIMED_AT_MAX, "from"),
        _map(scope, "scope"),
    )


def _neg(fields: Sequence[object]) -> Neg:
    channel, data = fields
    if type(data) is not bytes:
        raise _malformed("neg")
    return Neg(_channel(channel), data)


def _want(fields: Sequence[object]) -> Want:
    channel, ids, body_bytes_max, taken = fields
    return Want(
        _channel(channel),
        _ids(ids),
        _uint(body_bytes_max, BODY_BYTES_MAX, "max_body"),
        _uint(taken, _UINT_MAX, "taken"),
    )


def _have(fields: Sequence[object]) -> Have:
    return Have(_channel(fields[0]), _ids(fields[1]))


def _put(fields: Sequence[object]) -> Put:
    envelopes = tuple(envelope_from_array(value) for value in _list(fields[1], "envelopes"))
    return Put(_channel(fields[0]), envelopes)


def _absent(fields: Sequence[object]) -> Absent:
    return Absent(_channel(fields[0]), _ids(fields[1]))


def _bodies(fields: Sequence[object]) -> Bodies:
    return Bodies(_channel(fields[0]), _ids(fields[1]))


def _done(fields: Sequence[object]) -> Done:
    values = _map(fields[1], "done")
    fingerprint = values.get("fingerprint")
    if type(fingerprint) is not bytes or len(fingerprint) not in _FINGERPRINT_SIZES:
        raise _malformed("fingerprint")
    return Done(
        _channel(fields[0]),
        _uint(values.get("count"), _UINT_MAX, "count"),
        fingerprint,
        _uint(values.get("bodies"), _UINT_MAX, "bodies"),
        _uint(values.get("declined", 0), _UINT_MAX, "declined"),
    )


def _unsupported(fields: Sequence[object]) -> Unsupported:
    what = fields[1]
    if type(what) is not str or len(what) > UNSUPPORTED_CHARS_MAX:
        raise _malformed("unsupported")
    return Unsupported(_channel(fields[0]), what)


_PARSERS: dict[str, tuple[int, Callable[[Sequence[object]], Message]]] = {
    "hello": (3, _hello),
    "commons": (2, _commons),
    "open": (4, _open),
    "neg": (2, _neg),
    "want": (4, _want),
    "have": (2, _have),
    "put": (2, _put),
    "absent": (2, _absent),
    "bodies": (2, _bodies),
    "done": (2, _done),
    "unsupported": (2, _unsupported),
}


def _malformed(what: str) -> RejectedError:
    return RejectedError(RejectReason.MESSAGE_SHAPE, what)


def _channel(value: object) -> int:
    return _uint(value, COMMONS_MAX - 1, "channel")


def _uint(value: object, high: int, name: str, *, low: int = 0) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _malformed(name)
    return value


def _bytes(value: object, size: int, name: str) -> bytes:
    if type(value) is not bytes or len(value) != size:
        raise _malformed(name)
    return value


def _list(value: object, name: str) -> list[object]:
    if type(value) is not list:
        raise _malformed(name)
    return cast("list[object]", value)


def _map(value: object, name: str) -> dict[str, object]:
    if type(value) is not dict:
        raise _malformed(name)
    return cast("dict[str, object]", value)


def _ids(value: object) -> tuple[bytes, ...]:
    values = _list(value, "ids")
    if len(values) > IDS_PER_FRAME_MAX:
        raise _malformed("too many ids")
    return tuple(_bytes(item, ID_BYTES, "id") for item in values)


def _ascending(value: object, size: int, count_max: int, name: str) -> tuple[bytes, ...]:
    values = tuple(_bytes(item, size, name) for item in _list(value, name))
    in_order = all(first < second for first, second in itertools.pairwise(values))
    if len(values) > count_max or not in_order:
        raise _malformed(name)
    return values
