"""Negentropy V1: find the ids in which two sets differ, by comparing fingerprints of ranges.

Pure: bytes in, bytes out. The opener calls `initiate` once and `reconcile` for each answer, until
a step has no message; the other side calls `reconcile` only. Follows the reference's splitting
into 16 buckets, so its bytes equal the reference's, as long as no jitter is passed in.
Specification: github.com/hoytech/negentropy, docs/negentropy-protocol-v1.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from p2pcommons.errors import RejectedError, RejectReason
from p2pcommons.protocol.limits import RANGES_MAX, SPLIT_JITTER_FRACTION
from p2pcommons.protocol.negentropy_varint import Reader, encode_varint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROTOCOL_VERSION = 0x61
FINGERPRINT_BYTES = 16
ID_BYTES = 32
BUCKETS = 16
FRAME_BYTES_MIN = 4_096

_VERSIONS = range(0x60, 0x70)
_SKIP, _FINGERPRINT, _ID_LIST = 0, 1, 2
_INFINITY = 2**64 - 1
_EMPTY_FINGERPRINT = hashlib.sha256(bytes(ID_BYTES) + encode_varint(0)).digest()[:FINGERPRINT_BYTES]
_FRAME_RESERVE = 200
"""Room for the bounds and the last fingerprint of a message that has to stop."""
FRESH_LISTED_MAX = 16
"""Ids listed in a first message, half a kilobyte; more are summed up."""
HELD_COMPARED_MAX = 1_024
"""Ids compared to find out at once whether all that the other side lists is here."""

Bound = tuple[int, bytes]
"""An order and a prefix of an id: everything that sorts before it is inside the range."""

_END: Bound = (_INFINITY, b"")


class ReconcilableItems(Protocol):
    """A sorted set of (order, id) that does not change while it is reconciled."""

    @property
    def count(self) -> int:
        """Number of items."""
        ...

    def positions(self, bounds: Sequence[Bound]) -> list[int]:
        """Return for ascending bounds how many items sort before each, padded with zeros."""
        ...

    def item(self, index: int) -> Bound:
        """Return the order and the 32-byte id at `index`."""
        ...

    def ids(self, low: int, high: int) -> bytes:
        """Return the ids of the items low <= index < high, joined."""
        ...

    def fingerprints(self, cuts: Sequence[int]) -> list[bytes]:
        """Return the 16-byte fingerprints of the ranges between neighbouring ascending cuts."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What one message led to. `have` and `need` are 32-byte ids, joined, in order of the set."""

    message: bytes | None
    """To send to the other side; None when the opener knows all differences."""
    have: bytes = b""
    """Ids that only this side holds (opener only)."""
    need: bytes = b""
    """Ids that only the other side holds (opener only)."""
    lacks_nothing: bool = False
    """Whether the message showed that this side holds whatever the opener compared; of use for
    an opener's first message, which covers everything."""


class Negentropy:
    """One reconciliation of one set. `jitter(n)` returns a random integer 0 <= i < n."""

    def __init__(
        self,
        items: ReconcilableItems,
        *,
        frame_bytes_max: int = 0,
        jitter: Callable[[int], int] | None = None,
    ) -> None:
        if frame_bytes_max and frame_bytes_max < FRAME_BYTES_MIN:
            raise ValueError(f"frames have at least {FRAME_BYTES_MIN} bytes")
        self._items = items
        self._frame_bytes_max = frame_bytes_max
        self._jitter = jitter
        self._is_opener = False

    def initiate(self, fresh: int | None = None) -> bytes:
        """Return the first message; from now on this side is the opener.

        `fresh` is for sets of which all but the newest `fresh` items here were found equal before:
        the newest are a range of their own, and everything else is summed up in two. A wrong
        `fresh` costs rounds and nothing else.
        """
        self._is_opener = True
        output = _Output()
        count = self._items.count
        if fresh is None or fresh > count // BUCKETS or count < 2 * BUCKETS:
            self._split(output, 0, count, _END)
        else:
            self._show_fresh(output, fresh)
        return bytes(output.data)

    def _show_fresh(self, output: _Output, fresh: int) -> None:
        count = self._items.count
        bound = self._bound_before(fresh) if fresh else (self._items.item(0)[0], b"")
        if fresh <= FRESH_LISTED_MAX:
            output.id_list(bound, self._items.ids(0, fresh))
        else:
            # The other side lists what it has there when it is little.
            output.fingerprint(bound, self._items.fingerprints((0, fresh))[0])
        reach = count - fresh - 1
        cut = fresh + 1 + (self._jitter(reach) if self._jitter else reach // 2)
        newer, older = self._items.fingerprints((fresh, cut, count))
        output.fingerprint(self._bound_before(cut), newer)
        output.fingerprint(_END, older)

    def reconcile(self, message: bytes) -> Step:
        """Return the answer to `message`, and for the opener the ids found.

        Raises RejectedError(RECONCILE) for bytes that are not a message of this protocol. Takes
        up to some tenths of a second for a message of 256 KiB.
        """
        reader = Reader(message)
        version = reader.byte()
        if version != PROTOCOL_VERSION:
            if version not in _VERSIONS or self._is_opener:
                raise RejectedError(RejectReason.RECONCILE, f"version byte {version:#x}")
            return Step(bytes([PROTOCOL_VERSION]))
        answer = _Answer(self._items, self._is_opener, self._limit(), self._split)
        answer.take(_read_ranges(reader))
        output = bytes(answer.output.data)
        if not self._is_opener:
            return Step(output, lacks_nothing=answer.lacks_nothing)
        done = len(output) == 1
        return Step(None if done else output, bytes(answer.have), bytes(answer.need))

    def _limit(self) -> int:
        return self._frame_bytes_max - _FRAME_RESERVE if self._frame_bytes_max else _INFINITY

    def _split(self, output: _Output, low: int, high: int, upper: Bound) -> None:
        """Write the range low..high as ids if it is small, else as 16 fingerprints."""
        count = high - low
        if count < 2 * BUCKETS:
            output.id_list(upper, self._items.ids(low, high))
            return
        cuts = self._cuts(low, count)
        for end, fingerprint in zip(cuts[1:], self._items.fingerprints(cuts), strict=True):
            bound = upper if end == high else self._bound_before(end)
            output.fingerprint(bound, fingerprint)

    def _cuts(self, low: int, count: int) -> list[int]:
        """Return 17 strictly ascending indexes; the first buckets take what does not divide."""
        size, extra = divmod(count, BUCKETS)
        cuts = [low + i * size + min(i, extra) for i in range(BUCKETS + 1)]
        reach = size // SPLIT_JITTER_FRACTION
        if self._jitter is not None and reach:
            inner = [cut - reach + self._jitter(2 * reach + 1) for cut in cuts[1:-1]]
            cuts = [cuts[0], *inner, cuts[-1]]
        return cuts

    def _bound_before(self, index: int) -> Bound:
        """Return the shortest bound that separates the items index - 1 and index."""
        previous_order, previous_id = self._items.item(index - 1)
        order, identifier = self._items.item(index)
        if order != previous_order:
            return (order, b"")
        shared = 0
        while identifier[shared] == previous_id[shared]:
            shared += 1
        return (order, identifier[: shared + 1])


class _Output:
    """A message being written; orders are written as differences."""

    def __init__(self) -> None:
        self.data = bytearray([PROTOCOL_VERSION])
        self._order = 0

    def skip(self, bound: Bound) -> None:
        self._bound(bound)
        self.data += encode_varint(_SKIP)

    def fingerprint(self, bound: Bound, fingerprint: bytes) -> None:
        self._bound(bound)
        self.data += encode_varint(_FINGERPRINT) + fingerprint

    def id_list(self, bound: Bound, ids: bytes) -> None:
        self._bound(bound)
        self.data += encode_varint(_ID_LIST) + encode_varint(len(ids) // ID_BYTES) + ids

    def mark(self) -> tuple[int, int]:
        return len(self.data), self._order

    def rewind(self, mark: tuple[int, int]) -> None:
        del self.data[mark[0] :]
        self._order = mark[1]

    def _bound(self, bound: Bound) -> None:
        order, prefix = bound
        if order == _INFINITY:
            self.data += encode_varint(0)
        else:
            self.data += encode_varint(order - self._order + 1)
        self._order = order
        self.data += encode_varint(len(prefix)) + prefix


class _Answer:
    """The ranges of one message, taken one after another, and what is answered to them."""

    def __init__(
        self,
        items: ReconcilableItems,
        is_opener: bool,
        limit: int,
        split: Callable[[_Output, int, int, Bound], None],
    ) -> None:
        self.output = _Output()
        self.have = bytearray()
        self.need = bytearray()
        self._items = items
        self._is_opener = is_opener
        self._limit = limit
        self._split = split
        self.lacks_nothing = False
        self._low = 0
        self._written = 0
        self._bound: Bound = (0, b"")
        self._skipping = False

    def take(self, ranges: Sequence[_Range]) -> None:
        """Answer the ranges, as many as the frame takes; the rest is summed up."""
        if ranges and ranges[-1].bound == _END:
            self.lacks_nothing = all(each.mode != _SKIP for each in ranges)
        cuts = [0, *self._items.positions([each.bound for each in ranges])]
        if any(each.mode == _FINGERPRINT for each in ranges):
            ours = self._items.fingerprints(cuts)
        else:
            ours = [b""] * len(ranges)
        for each, high, fingerprint in zip(ranges, cuts[1:], ours, strict=True):
            if not self._take_range(each, high, fingerprint):
                self.lacks_nothing = False
                break

    def _take_range(self, theirs: _Range, high: int, fingerprint: bytes) -> bool:
        """Answer one range; False when the frame is full and the rest was summed up."""
        low, bound = self._low, theirs.bound
        mark = self.output.mark()
        their_fingerprint = b""
        if theirs.mode == _SKIP:
            self._skipping = True
        elif theirs.mode == _FINGERPRINT:
            their_fingerprint = theirs.payload
            if their_fingerprint == fingerprint:
                self._skipping = True
            else:
                self.lacks_nothing &= their_fingerprint == _EMPTY_FINGERPRINT
                self._write_skip()
                self._split(self.output, low, high, bound)
        elif self._is_opener:
            self._compare(theirs.payload, low, high)
            self._skipping = True
        else:
            self.lacks_nothing &= self._holds(theirs.payload, low, high)
            self._write_skip()
            high = self._written = self._list_ids(low, high, bound, mark[0])
            mark = self.output.mark()
        if len(self.output.data) > self._limit:
            self.output.rewind(mark)
            self._sum_up_rest(high, their_fingerprint)
            return False
        self._low, self._bound = high, bound
        if not self._skipping:
            self._written = high
        return True

    def _holds(self, theirs: bytes, low: int, high: int) -> bool:
        """Whether all of a few ids are in the range; for many it is not worth finding out."""
        if max(len(theirs), ID_BYTES * (high - low)) > ID_BYTES * HELD_COMPARED_MAX:
            return not theirs
        return set(split_ids(theirs)) <= set(split_ids(self._items.ids(low, high)))

    def _sum_up_rest(self, high: int, theirs: bytes) -> None:
        """Write one fingerprint for everything that did not fit, so that it is asked about again.

        The reference sums from `high`, leaving out a range it had to drop, and so do we: the sums
        differ all the same, because the other side counts its own items of that range. Only where
        it has none would the rest pass for equal; there the dropped range is counted.
        """
        start = self._written if theirs == _EMPTY_FINGERPRINT else high
        (rest,) = self._items.fingerprints((start, self._items.count))
        self.output.fingerprint(_END, rest)

    def _write_skip(self) -> None:
        if self._skipping:
            self._skipping = False
            self.output.skip(self._bound)

    def _compare(self, theirs: bytes, low: int, high: int) -> None:
        """Note which ids of the range are only here, and which are only there."""
        ours = self._items.ids(low, high)
        if not theirs:
            self.have += ours
            return
        ours_split, theirs_split = split_ids(ours), split_ids(theirs)
        ours_known, theirs_known = set(ours_split), set(theirs_split)
        for identifier in ours_split:
            if identifier not in theirs_known:
                self.have += identifier
        for identifier in theirs_split:
            if identifier not in ours_known:
                self.need += identifier

    def _list_ids(self, low: int, high: int, bound: Bound, written: int) -> int:
        """Write the ids of the range, as many as the frame takes; return where they end."""
        end = min(high, low + max(0, (self._limit - written) // ID_BYTES + 1))
        if end < high:
            bound = self._items.item(end)
        self.output.id_list(bound, self._items.ids(low, end))
        return end


@dataclass(frozen=True, slots=True)
class _Range:
    """One range of a message: where it ends, and what the other side says of it."""

    bound: Bound
    mode: int
    payload: bytes


def _read_ranges(reader: Reader) -> list[_Range]:
    """Return all ranges of a message, after its version. Raises RejectedError."""
    ranges: list[_Range] = []
    order, last = 0, (0, b"")
    while reader.left:
        if len(ranges) == RANGES_MAX:
            raise RejectedError(RejectReason.RECONCILE, "too many ranges")
        step = reader.varint()
        order = _INFINITY if step == 0 else min(order + step - 1, _INFINITY)
        size = reader.varint()
        if size > ID_BYTES:
            raise RejectedError(RejectReason.RECONCILE, "bound longer than an id")
        bound = (order, reader.take(size))
        if bound < last:
            raise RejectedError(RejectReason.RECONCILE, "bounds are not ascending")
        mode = reader.varint()
        if mode == _FINGERPRINT:
            payload = reader.take(FINGERPRINT_BYTES)
        elif mode == _ID_LIST:
            payload = reader.take(reader.varint() * ID_BYTES)
        elif mode == _SKIP:
            payload = b""
        else:
            raise RejectedError(RejectReason.RECONCILE, f"mode {mode}")
        ranges.append(_Range(bound, mode, payload))
        last = bound
    return ranges


def split_ids(joined: bytes) -> list[bytes]:
    """Return the 32-byte ids of which `joined` consists."""
    return [joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES)]
