"""The ids known of one commons, newest first, with fingerprints of any range in microseconds.

An `ItemSet` grows; a `Snapshot` of it never changes and costs nothing to take. numpy is imported
only when a set is made, so that `fingerprint_of` stays cheap for a command that never needs one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from p2pcommons.protocol.negentropy import FINGERPRINT_BYTES, ID_BYTES
from p2pcommons.protocol.negentropy_varint import encode_varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from p2pcommons.protocol.blocks import Blocks, Keys, Limbs

ORDER_MAX = 2**32 - 1
"""Items are ordered by ORDER_MAX - claimed_at: the newest come first."""

_ORDER_BYTES = 4
_SPARE_FRACTION = 8
_LIMB_BITS = 32
_LIMB_MASK = 2**_LIMB_BITS - 1
_SUM_MASK = 2 ** (8 * ID_BYTES) - 1


def order_of(claimed_at: int) -> int:
    """Return where a contribution of that second sorts."""
    return ORDER_MAX - claimed_at


class IdSum:
    """The number and the sum of ids that were added, which is all a fingerprint depends on."""

    __slots__ = ("count", "total")

    def __init__(self, count: int = 0, total: int = 0) -> None:
        self.count = count
        self.total = total

    def add(self, ids: Iterable[bytes]) -> None:
        """Add 32-byte ids; each must be added once only."""
        for identifier in ids:
            self.total += int.from_bytes(identifier, "little")
            self.count += 1
        self.total &= _SUM_MASK

    def fingerprint(self) -> bytes:
        """Return Negentropy V1's fingerprint: 16 bytes."""
        return _fingerprint((self.total & _SUM_MASK).to_bytes(ID_BYTES, "little"), self.count)


def fingerprint_of(ids: Iterable[bytes]) -> bytes:
    """Return the 16-byte fingerprint of a set of 32-byte ids, in any order, without numpy."""
    total = IdSum()
    total.add(ids)
    return total.fingerprint()


def full_fingerprint(salt: bytes, snapshot: Snapshot, further: Iterable[bytes]) -> bytes:
    """Return SHA-256(salt || all ids ascending): 32 bytes that no choice of ids can forge.

    `further` are ids that the snapshot does not hold. Takes half a second for 10^6 ids, and
    32 bytes an id while it does: not to be called where others wait.
    """
    import numpy as np

    joined = bytearray(snapshot.ids(0, snapshot.count))
    for identifier in further:
        joined += identifier
    np.frombuffer(joined, dtype=f"S{ID_BYTES}").sort()  # in place
    digest = hashlib.sha256(salt)
    digest.update(joined)
    return digest.digest()


class Snapshot:
    """A sorted set of (order, id) that does not change; what `Negentropy` reconciles."""

    __slots__ = ("__weakref__", "_blocks", "count")

    def __init__(self, blocks: Blocks, count: int | None = None) -> None:
        self._blocks = blocks
        self.count = blocks.count if count is None else count
        """Number of items."""

    def newest_since(self, claimed_at: int) -> Snapshot:
        """Return the part that is no older than that second."""
        if claimed_at <= 0:
            return self
        return Snapshot(self._blocks, self.count_since(claimed_at))

    def count_since(self, claimed_at: int) -> int:
        """Return how many items are no older than that second."""
        return self.position(order_of(claimed_at) + 1, b"")

    def position(self, order: int, id_prefix: bytes) -> int:
        """Return how many items sort before (order, id_prefix padded with zeros)."""
        if order > ORDER_MAX:
            return self.count
        return min(self._blocks.rank(_bound_key(order, id_prefix)), self.count)

    def positions(self, bounds: Sequence[tuple[int, bytes]]) -> list[int]:
        """Return `position` of each of many ascending bounds."""
        inside = [bound for bound in bounds if bound[0] <= ORDER_MAX]
        ranks = self._blocks.ranks([_bound_key(order, prefix) for order, prefix in inside])
        found = [min(rank, self.count) for rank in ranks.tolist()]
        return found + [self.count] * (len(bounds) - len(inside))

    def item(self, index: int) -> tuple[int, bytes]:
        """Return the order and the 32-byte id at `index`."""
        key = self._blocks.key(index)
        return int.from_bytes(key[:_ORDER_BYTES], "big"), key[_ORDER_BYTES:]

    def ids(self, low: int, high: int) -> bytes:
        """Return the ids of the items low <= index < high, joined, newest first."""
        return self._blocks.ids(low, high)

    def fingerprint(self, low: int = 0, high: int | None = None) -> bytes:
        """Return the 16-byte fingerprint of the items low <= index < high, by default of all."""
        return self.fingerprints((low, self.count if high is None else high))[0]

    def fingerprints(self, cuts: Sequence[int]) -> list[bytes]:
        """Return the fingerprints of the ranges between neighbouring cuts, which ascend."""
        import numpy as np

        at = np.array(cuts, dtype=np.int64)
        sums = _joined_sums(np.diff(self._blocks.sums(at), axis=0))
        counts: list[int] = np.diff(at).tolist()
        return [
            _fingerprint(sums[place * ID_BYTES : (place + 1) * ID_BYTES], count)
            for place, count in enumerate(counts)
        ]

    def id_sum(self) -> IdSum:
        """Return number and sum of all ids."""
        import numpy as np

        limbs: list[int] = self._blocks.sums(np.array([self.count]))[0].tolist()
        total = sum(limb << (_LIMB_BITS * place) for place, limb in enumerate(limbs))
        return IdSum(self.count, total & _SUM_MASK)


class ItemSet:
    """The growing set of one commons. `items` are pairs of claimed_at (seconds) and 32-byte id."""

    def __init__(
        self, items: Iterable[tuple[int, bytes]] = (), *, blocks: Blocks | None = None
    ) -> None:
        """`blocks` are items that are sorted already, in place of `items`."""
        if blocks is None:
            from p2pcommons.protocol.blocks import Blocks

            blocks = Blocks.of(_sorted_keys(items))
        self._blocks = blocks

    @property
    def count(self) -> int:
        """Number of contributions known."""
        return self._blocks.count

    @property
    def bytes_used(self) -> int:
        """Memory taken: about 37 bytes an item."""
        return self._blocks.bytes_used

    def __contains__(self, item: tuple[int, bytes]) -> bool:
        claimed_at, identifier = item
        key = _key(claimed_at, identifier)
        at = self._blocks.rank(key)
        return at < self._blocks.count and self._blocks.key(at) == key

    def add_many(self, items: Iterable[tuple[int, bytes]]) -> int:
        """Add items, those that are there already to no effect; return how many were new.

        Takes a tenth of a millisecond for one item and ten for 500 spread over the past.
        """
        before = self._blocks.count
        self._blocks = self._blocks.with_keys(_sorted_keys(items))
        return self._blocks.count - before

    def fingerprint(self) -> bytes:
        """Return the 16-byte fingerprint of all items."""
        return self.snapshot().fingerprint()

    def snapshot(self) -> Snapshot:
        """Return the set as it is now; later additions do not show in it."""
        return Snapshot(self._blocks)


class ItemLoader:
    """Makes an `ItemSet` of many items that come in parts, in no order, within its own memory."""

    def __init__(self, expected: int) -> None:
        """`expected` is how many will come; it may be wrong."""
        import numpy as np

        from p2pcommons.protocol.blocks import KEY_TYPE

        self._keys: Keys = np.empty(expected, dtype=KEY_TYPE)
        self._count = 0

    def add(self, items: Sequence[tuple[int, bytes]]) -> None:
        """Take further items."""
        import numpy as np

        keys = _keys(items)
        end = self._count + len(keys)
        if end > len(self._keys):
            larger = np.empty(end + end // _SPARE_FRACTION, dtype=self._keys.dtype)
            larger[: self._count] = self._keys[: self._count]
            self._keys = larger
        self._keys[self._count : end] = keys
        self._count = end

    def finish(self) -> ItemSet:
        """Return the set of all that came."""
        import numpy as np

        from p2pcommons.protocol.blocks import Blocks

        keys = self._keys[: self._count]
        keys.sort()
        if len(keys) > 1 and bool((keys[1:] == keys[:-1]).any()):
            keys = np.unique(keys)
        return ItemSet(blocks=Blocks.of(keys))


def _fingerprint(total: bytes, count: int) -> bytes:
    return hashlib.sha256(total + encode_varint(count)).digest()[:FINGERPRINT_BYTES]


def _joined_sums(limbs: Limbs) -> bytes:
    """Return each row of limbs as 32 bytes, little-endian, modulo 2^256, all joined."""
    import numpy as np

    joined = np.empty(limbs.shape, dtype="<u4")
    carry = np.zeros(len(limbs), dtype=np.uint64)
    for place in range(limbs.shape[1]):
        carried = limbs[:, place] + carry
        joined[:, place] = carried & np.uint64(_LIMB_MASK)
        carry = carried >> np.uint64(_LIMB_BITS)
    return joined.tobytes()


def _bound_key(order: int, id_prefix: bytes) -> bytes:
    return order.to_bytes(_ORDER_BYTES, "big") + id_prefix


def _key(claimed_at: int, identifier: bytes) -> bytes:
    if len(identifier) != ID_BYTES:
        raise ValueError(f"an id has {ID_BYTES} bytes")
    return order_of(claimed_at).to_bytes(_ORDER_BYTES, "big") + identifier


def _keys(items: Iterable[tuple[int, bytes]]) -> Keys:
    import numpy as np

    from p2pcommons.protocol.blocks import KEY_TYPE

    joined = b"".join([_key(claimed_at, identifier) for claimed_at, identifier in items])
    return np.frombuffer(joined, dtype=KEY_TYPE)


def _sorted_keys(items: Iterable[tuple[int, bytes]]) -> Keys:
    """Return the keys of `items`, ascending, each once."""
    import numpy as np

    keys = _keys(items)
    return keys if len(keys) < 2 else np.unique(keys)
