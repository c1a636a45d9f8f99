"""Sorted keys in blocks that never change, so that a set may grow while others still read it.

A key is an order of four bytes and an id of 32. `Blocks.with_keys` copies only the blocks that
take something new; all others are shared. For each block the sum of all ids before it is kept,
and the few ids between a block's start and a position are added up when asked for: 36 bytes an
item, and a microsecond or twenty a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Keys = npt.NDArray[np.bytes_]
    Places = npt.NDArray[np.int64]
    Limbs = npt.NDArray[np.uint64]

ORDER_BYTES = 4
ID_BYTES = 32
KEY_BYTES = ORDER_BYTES + ID_BYTES
KEY_TYPE = f"S{KEY_BYTES}"
LIMBS = 8
"""A sum of ids is kept as eight sums of 32-bit limbs in 64-bit integers: 2^32 ids without carry."""

BLOCK_KEYS = 512
"""Keys of a new block: adding one key copies 18 kB and sums up 2,000 blocks for 10^6 keys."""
BLOCK_KEYS_MAX = 1_024
BLOCK_OVERHEAD_BYTES = 320
"""What a block costs besides its keys: the array itself, its first key, sums and start."""
_SUPERSEDED_FRACTION = 4


class Blocks:
    """An immutable ascending sequence of keys, each once."""

    __slots__ = ("_blocks", "_firsts", "_starts", "_sums", "_superseded", "count")

    def __init__(
        self, blocks: list[Keys], firsts: Keys, sizes: Places, totals: Limbs, superseded: int = 0
    ) -> None:
        """`totals` are the sums of the ids of each block, `superseded` keys kept for nothing."""
        self._blocks = blocks
        self._firsts = firsts
        self._starts: Places = np.zeros(len(blocks) + 1, dtype=np.int64)
        np.cumsum(sizes, out=self._starts[1:])
        self._sums: Limbs = np.zeros((len(blocks) + 1, LIMBS), dtype=np.uint64)
        np.cumsum(totals, axis=0, out=self._sums[1:])
        self._superseded = superseded
        self.count = int(self._starts[-1])

    @classmethod
    def of(cls, keys: Keys) -> Blocks:
        """Return the blocks of ascending keys, each once, without copying them."""
        blocks = _split(keys)
        return cls(blocks, keys[::BLOCK_KEYS].copy(), _sizes(blocks), _totals(blocks))

    @property
    def bytes_used(self) -> int:
        """Memory taken, give or take what the allocator adds."""
        keys = (self.count + self._superseded) * KEY_BYTES
        return keys + len(self._blocks) * BLOCK_OVERHEAD_BYTES

    def with_keys(self, keys: Keys) -> Blocks:
        """Return the blocks that hold `keys` (ascending, each once) as well."""
        if not self._blocks or not len(keys):
            return self if not len(keys) else Blocks.of(keys.copy())
        blocks: list[Keys] = []
        firsts: list[Keys] = []
        sizes: list[Places] = []
        totals: list[Limbs] = []
        superseded, done = self._superseded, 0
        old_sizes, old_totals = np.diff(self._starts), np.diff(self._sums, axis=0)
        for at, parts in self._grown(keys):
            if self._blocks[at].base is not None:
                superseded += len(self._blocks[at])
            blocks += self._blocks[done:at]
            blocks += parts
            firsts += [self._firsts[done:at], *(part[:1] for part in parts)]
            sizes += [old_sizes[done:at], _sizes(parts)]
            totals += [old_totals[done:at], _totals(parts)]
            done = at + 1
        if not blocks:
            return self
        blocks += self._blocks[done:]
        firsts.append(self._firsts[done:])
        sizes.append(old_sizes[done:])
        totals.append(old_totals[done:])
        if superseded * _SUPERSEDED_FRACTION > self.count:
            # Most of what a large array holds for its blocks has been replaced: let go of it.
            blocks = [block if block.base is None else block.copy() for block in blocks]
            superseded = 0
        return Blocks(
            blocks,
            np.concatenate(firsts),
            np.concatenate(sizes),
            np.concatenate(totals),
            superseded,
        )

    def _grown(self, keys: Keys) -> Iterator[tuple[int, list[Keys]]]:
        """Yield the places of the blocks that take new keys, and what takes their place."""
        places = np.maximum(self._firsts.searchsorted(keys, "right") - 1, 0)
        for at, start, end in _groups(places):
            block, group = self._blocks[at], keys[start:end]
            inside = block.searchsorted(group)
            is_new = block[np.minimum(inside, len(block) - 1)] != group
            if not is_new.any():
                continue
            grown: Keys = np.insert(block, inside[is_new], group[is_new])
            small = len(grown) <= BLOCK_KEYS_MAX
            yield at, [grown] if small else [part.copy() for part in _split(grown)]

    def rank(self, key: bytes) -> int:
        """Return how many keys sort before `key`, which may end in zeros."""
        wanted = np.array(key, dtype=KEY_TYPE)
        at = int(self._firsts.searchsorted(wanted, "right")) - 1
        if at < 0:
            return 0
        return int(self._starts[at]) + int(self._blocks[at].searchsorted(wanted))

    def ranks(self, keys: Sequence[bytes]) -> Places:
        """Return for each of ascending keys how many keys sort before it."""
        wanted = np.array(keys, dtype=KEY_TYPE)
        places = self._firsts.searchsorted(wanted, "right") - 1
        ranks: Places = np.zeros(len(keys), dtype=np.int64)
        for at, start, end in _groups(places):
            if at >= 0:
                inside = self._blocks[at].searchsorted(wanted[start:end])
                ranks[start:end] = inside + self._starts[at]
        return ranks

    def key(self, index: int) -> bytes:
        """Return the key at `index`, which is below `count`."""
        at = int(self._starts.searchsorted(index, "right")) - 1
        found = bytes(self._blocks[at][index - int(self._starts[at])])
        return found.ljust(KEY_BYTES, b"\x00")  # numpy drops zeros at the end of a bytes item

    def ids(self, low: int, high: int) -> bytes:
        """Return the ids at low <= index < high, joined."""
        first = max(0, int(self._starts.searchsorted(low, "right")) - 1)
        last = int(self._starts.searchsorted(high, "left"))
        joined: list[bytes] = []
        for at in range(first, last):
            start = int(self._starts[at])
            part = self._blocks[at][max(0, low - start) : high - start]
            octets = part.view(np.uint8).reshape(-1, KEY_BYTES)
            joined.append(octets[:, ORDER_BYTES:].tobytes())
        return b"".join(joined)

    def sums(self, positions: Places) -> Limbs:
        """Return for ascending positions the sums of all ids before them: a row of limbs each."""
        places = self._starts.searchsorted(positions, "right") - 1
        result = self._sums[places]
        offsets = positions - self._starts[places]
        for at, start, end in _groups(places):
            furthest = int(offsets[end - 1])
            if not furthest:
                continue
            limbs = _limbs(self._blocks[at][:furthest])
            if end - start == 1:
                result[start] += limbs.sum(axis=0, dtype=np.uint64)
            else:
                partial = np.zeros((furthest + 1, LIMBS), dtype=np.uint64)
                np.cumsum(limbs, axis=0, dtype=np.uint64, out=partial[1:])
                result[start:end] += partial[offsets[start:end]]
        return result


def _groups(places: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yield each value of an ascending array with the start and the end of its run."""
    edges = np.flatnonzero(np.diff(places)) + 1
    start = 0
    for end in [*edges.tolist(), len(places)]:
        if end > start:
            yield int(places[start]), start, end
        start = end


def _split(keys: Keys) -> list[Keys]:
    return [keys[start : start + BLOCK_KEYS] for start in range(0, len(keys), BLOCK_KEYS)]


def _sizes(blocks: Sequence[Keys]) -> Places:
    return np.array([len(block) for block in blocks], dtype=np.int64)


def _totals(blocks: Sequence[Keys]) -> Limbs:
    totals: Limbs = np.zeros((len(blocks), LIMBS), dtype=np.uint64)
    for at, block in enumerate(blocks):
        _limbs(block).sum(axis=0, dtype=np.uint64, out=totals[at])
    return totals


def _limbs(keys: Keys) -> npt.NDArray[np.uint32]:
    """Return the ids of keys as rows of eight 32-bit integers, the least significant first."""
    words = keys.view("<u4").reshape(-1, KEY_BYTES // 4)
    return words[:, ORDER_BYTES // 4 :]
