"""The ids known of one commons, newest first, with fingerprints of any range in microseconds.

An `ItemSet` grows; a `Snapshot` of it never changes and costs nothing to take. Items lie in two
sorted runs, a large one and a small one that takes what is new, each with sums of all ids up to
every position. numpy is imported only when a set is made, so that `fingerprint_of` stays cheap
for a command that never needs one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from p2pcommons.protocol.negentropy import FINGERPRINT_BYTES, ID_BYTES
from p2pcommons.protocol.varint import encode_varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    Keys = npt.NDArray[np.bytes_]
    Sums = npt.NDArray[np.uint64]

ORDER_MAX = 2**32 - 1
"""Items are ordered by ORDER_MAX - claimed_at: the newest come first."""

_ORDER_BYTES = 4
_KEY_BYTES = _ORDER_BYTES + ID_BYTES
_KEY_TYPE = f"S{_KEY_BYTES}"
_LIMBS = 8
_LIMB_BITS = 32
_SUM_MASK = 2 ** (8 * ID_BYTES) - 1
_RECENT_MAX = 1_024
_RECENT_FRACTION = 16
"""The small run is merged into the large one beyond 1,024 items or a sixteenth of it."""


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
        data = (self.total & _SUM_MASK).to_bytes(ID_BYTES, "little") + encode_varint(self.count)
        return hashlib.sha256(data).digest()[:FINGERPRINT_BYTES]


def fingerprint_of(ids: Iterable[bytes]) -> bytes:
    """Return the 16-byte fingerprint of a set of 32-byte ids, in any order, without numpy."""
    total = IdSum()
    total.add(ids)
    return total.fingerprint()


def full_fingerprint(salt: bytes, snapshot: Snapshot, further: Iterable[bytes]) -> bytes:
    """Return SHA-256(salt || all ids ascending): 32 bytes that no choice of ids can forge.

    `further` are ids that the snapshot does not hold. Takes a second for 10^6 ids.
    """
    import numpy as np

    joined = snapshot.ids(0, snapshot.count) + b"".join(further)
    ordered = np.sort(np.frombuffer(joined, dtype=f"S{ID_BYTES}"))
    return hashlib.sha256(salt + ordered.tobytes()).digest()


class _Run:
    """Sorted keys (order and id, 36 bytes) and for each position the sum of the ids before it.

    Sums are kept as eight 32-bit limbs in 64-bit integers, so that up to 2^32 ids add up without
    a carry: 100 bytes an item in all.
    """

    __slots__ = ("count", "keys", "sums")

    def __init__(self, keys: Keys) -> None:
        import numpy as np

        self.keys = keys
        self.count = len(keys)
        octets = np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        limbs = np.ascontiguousarray(octets[:, _ORDER_BYTES:]).view("<u4")
        self.sums: Sums = np.zeros((self.count + 1, _LIMBS), dtype=np.uint64)
        np.cumsum(limbs, axis=0, dtype=np.uint64, out=self.sums[1:])

    def rank(self, key: bytes) -> int:
        """Return how many keys sort before `key`."""
        import numpy as np

        return int(np.searchsorted(self.keys, np.array(key, dtype=_KEY_TYPE)))

    def key(self, index: int) -> bytes:
        # numpy drops zeros at the end of a bytes item
        return bytes(self.keys[index]).ljust(_KEY_BYTES, b"\x00")

    def total(self, low: int, high: int) -> int:
        """Return the sum of the ids low <= index < high, not reduced."""
        limbs: list[int] = (self.sums[high] - self.sums[low]).tolist()
        return sum(limb << (_LIMB_BITS * place) for place, limb in enumerate(limbs))


class Snapshot:
    """A sorted set of (order, id) that does not change; what `Negentropy` reconciles."""

    __slots__ = ("_base", "_count", "_recent", "_recent_at")

    def __init__(self, base: _Run, recent: _Run, count: int | None = None) -> None:
        import numpy as np

        self._base = base
        self._recent = recent
        self._recent_at: npt.NDArray[np.int64] = np.searchsorted(
            base.keys, recent.keys
        ) + np.arange(recent.count)
        self._count = base.count + recent.count if count is None else count

    @property
    def count(self) -> int:
        """Number of items."""
        return self._count

    def newest_since(self, claimed_at: int) -> Snapshot:
        """Return the part that is no older than that second."""
        if claimed_at <= 0:
            return self
        position = self.position(order_of(claimed_at) + 1, b"")
        return Snapshot(self._base, self._recent, min(position, self._count))

    def position(self, order: int, id_prefix: bytes) -> int:
        """Return how many items sort before (order, id_prefix padded with zeros)."""
        if order > ORDER_MAX:
            return self._count
        key = order.to_bytes(_ORDER_BYTES, "big") + id_prefix.ljust(ID_BYTES, b"\x00")
        return min(self._base.rank(key) + self._recent.rank(key), self._count)

    def item(self, index: int) -> tuple[int, bytes]:
        """Return the order and the 32-byte id at `index`."""
        in_base, in_recent = self._parts(index)
        if in_recent < self._recent.count and self._recent_at[in_recent] == index:
            key = self._recent.key(in_recent)
        else:
            key = self._base.key(in_base)
        return int.from_bytes(key[:_ORDER_BYTES], "big"), key[_ORDER_BYTES:]

    def ids(self, low: int, high: int) -> bytes:
        """Return the ids of the items low <= index < high, joined, newest first."""
        import numpy as np

        base_low, recent_low = self._parts(low)
        base_high, recent_high = self._parts(high)
        keys = self._base.keys[base_low:base_high]
        recent = self._recent.keys[recent_low:recent_high]
        if len(recent):
            keys = np.insert(keys, np.searchsorted(keys, recent), recent)
        octets = np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        return octets[:, _ORDER_BYTES:].tobytes()

    def fingerprint(self, low: int = 0, high: int | None = None) -> bytes:
        """Return the 16-byte fingerprint of the items low <= index < high, by default of all."""
        return self.id_sum(low, high).fingerprint()

    def id_sum(self, low: int = 0, high: int | None = None) -> IdSum:
        """Return number and sum of the ids low <= index < high, by default of all."""
        high = self._count if high is None else high
        base_low, recent_low = self._parts(low)
        base_high, recent_high = self._parts(high)
        total = self._base.total(base_low, base_high) + self._recent.total(recent_low, recent_high)
        return IdSum(high - low, total & _SUM_MASK)

    def _parts(self, index: int) -> tuple[int, int]:
        """Return how many of the first `index` items are in the base and in the recent run."""
        import numpy as np

        recent = int(np.searchsorted(self._recent_at, index))
        return index - recent, recent


class ItemSet:
    """The growing set of one commons. `items` are pairs of claimed_at (seconds) and 32-byte id."""

    def __init__(self, items: Iterable[tuple[int, bytes]] = ()) -> None:
        self._base = _Run(_sorted_keys(items))
        self._recent = _Run(self._base.keys[:0])

    @property
    def count(self) -> int:
        """Number of contributions known."""
        return self._base.count + self._recent.count

    def __contains__(self, item: tuple[int, bytes]) -> bool:
        claimed_at, identifier = item
        key = _key(claimed_at, identifier)
        return any(
            (at := run.rank(key)) < run.count and run.key(at) == key
            for run in (self._base, self._recent)
        )

    def add_many(self, items: Iterable[tuple[int, bytes]]) -> int:
        """Add items, those that are there already to no effect; return how many were new."""
        import numpy as np

        keys = _sorted_keys(items)
        for run in (self._base, self._recent):
            keys = keys[~_found(keys, run.keys)]
        if not len(keys):
            return 0
        recent = np.insert(self._recent.keys, np.searchsorted(self._recent.keys, keys), keys)
        if len(recent) > max(_RECENT_MAX, self._base.count // _RECENT_FRACTION):
            places = np.searchsorted(self._base.keys, recent)
            self._base = _Run(np.insert(self._base.keys, places, recent))
            recent = recent[:0]
        self._recent = _Run(recent)
        return len(keys)

    def fingerprint(self) -> bytes:
        """Return the 16-byte fingerprint of all items."""
        return self.snapshot().fingerprint()

    def snapshot(self) -> Snapshot:
        """Return the set as it is now; later additions do not show in it."""
        return Snapshot(self._base, self._recent)


def _key(claimed_at: int, identifier: bytes) -> bytes:
    if len(identifier) != ID_BYTES:
        raise ValueError(f"an id has {ID_BYTES} bytes")
    return order_of(claimed_at).to_bytes(_ORDER_BYTES, "big") + identifier


def _sorted_keys(items: Iterable[tuple[int, bytes]]) -> Keys:
    """Return the keys of `items`, ascending, each once."""
    import numpy as np

    joined = b"".join([_key(claimed_at, identifier) for claimed_at, identifier in items])
    return np.unique(np.frombuffer(joined, dtype=_KEY_TYPE))


def _found(keys: Keys, within: Keys) -> npt.NDArray[np.bool_]:
    """Return for each of the ascending `keys` whether it is one of `within`."""
    import numpy as np

    if not len(within):
        return np.zeros(len(keys), dtype=np.bool_)
    places = np.minimum(np.searchsorted(within, keys), len(within) - 1)
    return within[places] == keys
