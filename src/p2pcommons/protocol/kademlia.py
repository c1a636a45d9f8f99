"""The directory's memory: peers by distance, and who said to hold what, both within bounds.

Kademlia: every peer and every key has a place, a number of 256 bits; the distance of two places
is their XOR. Whoever looks for a key asks the peers nearest to its place, and there it is kept.
All that is kept are hints: a peer is believed after it was met and reconciled with.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from p2pcommons.protocol.addresses import network_of
from p2pcommons.protocol.kademlia_messages import CONTACTS_MAX, Contact
from p2pcommons.protocol.multiaddrs import peer_id_to_bytes
from p2pcommons.protocol.topic import gossip_topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUCKET_PEERS_MAX = CONTACTS_MAX
"""Peers kept for each distance: k of Kademlia, so that some of them are alive."""
BUCKET_PEERS_PER_NETWORK_MAX = 3
"""Of them in one network of the internet: names cost nothing, and neither does claiming an
address, so a peer counts in the network that it is heard from as well."""
FAILURES_MAX = 2
"""Questions in a row without an answer after which a peer is forgotten."""
STALE_SECONDS = 2 * 3_600
"""A peer not heard of for so long makes room for a new one."""

PROVIDER_SECONDS = 3 * 3_600
"""A hint is forgotten after this, unless it is given again; holders do that each hour."""
PROVIDERS_PER_KEY_MAX = CONTACTS_MAX
"""Hints for one key: one answer's worth."""
PROVIDERS_PER_KEY_AND_NETWORK_MAX = 4
"""Of them from one network of the internet, so that one machine cannot be all holders."""
KEYS_PER_PEER_MAX = 256
"""Hints of one peer: as many commons as a session names."""
HINTS_PER_NETWORK_MAX = 1_024
"""Hints of all peers in one network of the internet."""
HINTS_MAX = 8_192
"""Hints in all, about 700 bytes each; the nearest to this node are kept."""
SWEEP_SECONDS = 60
"""Between two looks for old hints in a full store."""
REFRESH_SECONDS = 3_600
"""How often a holder gives its hints again. One not given again for longer makes room."""

_SHA2_256 = bytes([0x12, 32])
_CID_RAW = bytes([0x01, 0x55])


def provider_key(commons: bytes) -> bytes:
    """Return under what a commons is looked up: the SHA-256 multihash of its topic's name.

    Who does not know the commons' id learns nothing of it from the key.
    """
    return _SHA2_256 + hashlib.sha256(gossip_topic(commons).encode()).digest()


def provider_cid(commons: bytes) -> str:
    """Return the same as a CID (version 1, raw), which other programs take for their lookups."""
    encoded = base64.b32encode(_CID_RAW + provider_key(commons)).decode()
    return "b" + encoded.rstrip("=").lower()


def place_of(key: bytes) -> int:
    """Return the place of a key."""
    return int.from_bytes(hashlib.sha256(key).digest(), "big")


@lru_cache(maxsize=4_096)
def place_of_peer(peer_id: str) -> int:
    """Return the place of a peer. Raises UserError when the id is none."""
    return place_of(peer_id_to_bytes(peer_id))


@dataclass(slots=True)
class _Known:
    contact: Contact
    place: int
    heard: float
    networks: frozenset[str]
    failures: int = 0


class RoutingTable:
    """Peers that answered or asked, twenty for each distance; times are seconds of any clock."""

    def __init__(self, own_peer_id: str) -> None:
        self._own = place_of_peer(own_peer_id)
        self._own_id = own_peer_id
        self._buckets: dict[int, dict[str, _Known]] = {}

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets.values())

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self._buckets.values():
            for known in bucket.values():
                yield known.contact

    def __contains__(self, peer_id: str) -> bool:
        return peer_id in self._bucket(place_of_peer(peer_id))

    def heard(self, contact: Contact, now: float, source: Iterable[str] = ()) -> bool:
        """Note a peer that was just heard of by itself; returns whether it is kept.

        `source` are the networks that it is connected from, whatever addresses it claims.
        Without an address to name to others it is not. When its bucket is full, one that did not
        answer or has long been silent makes room; else who is here stays: it has proved to last.
        """
        if contact.peer_id == self._own_id or not contact.addresses:
            return False
        place = place_of_peer(contact.peer_id)
        bucket = self._buckets.setdefault((self._own ^ place).bit_length(), {})
        networks = networks_of(contact).union(source)
        if contact.peer_id not in bucket:
            if self._is_crowded(bucket, networks):
                return False
            if len(bucket) >= BUCKET_PEERS_MAX and not self._make_room(bucket, now):
                return False
        bucket[contact.peer_id] = _Known(contact, place, now, networks)
        return True

    def failed(self, peer_id: str) -> None:
        """Note that a peer did not answer, though others did."""
        bucket = self._bucket(place_of_peer(peer_id))
        known = bucket.get(peer_id)
        if known is not None:
            known.failures += 1
            if known.failures >= FAILURES_MAX:
                del bucket[peer_id]

    def closest(self, place: int, count: int = BUCKET_PEERS_MAX) -> list[Contact]:
        """Return the peers nearest to a place, the nearest first."""
        known = (each for bucket in self._buckets.values() for each in bucket.values())
        nearest = heapq.nsmallest(count, known, key=lambda each: each.place ^ place)
        return [each.contact for each in nearest]

    def _bucket(self, place: int) -> dict[str, _Known]:
        return self._buckets.get((self._own ^ place).bit_length(), {})

    def _is_crowded(self, bucket: dict[str, _Known], networks: frozenset[str]) -> bool:
        neighbours = [each for each in bucket.values() if networks & each.networks]
        return len(neighbours) >= BUCKET_PEERS_PER_NETWORK_MAX

    def _make_room(self, bucket: dict[str, _Known], now: float) -> bool:
        worst = max(bucket.values(), key=lambda each: (each.failures, -each.heard))
        if not worst.failures and now - worst.heard < STALE_SECONDS:
            return False
        del bucket[worst.contact.peer_id]
        return True


@dataclass(slots=True)
class _Hint:
    contact: Contact
    given: float
    networks: frozenset[str]


class ProviderStore:
    """Who said to hold what, until it is forgotten; times are seconds of any clock."""

    def __init__(self, own_peer_id: str) -> None:
        self._own = place_of_peer(own_peer_id)
        self._hints: dict[bytes, OrderedDict[str, _Hint]] = {}
        self._distances: dict[bytes, int] = {}
        self._looked_at = -SWEEP_SECONDS
        self._by_peer: Counter[str] = Counter()
        self._by_network: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, contact: Contact, now: float, source: Iterable[str] = ()) -> bool:
        """Keep what a peer says of itself; returns whether there was room for it.

        Where there is none for what it says anew, what it said before stays until it is old.
        `source` are the networks that it is connected from, whatever addresses it claims.
        """
        networks = networks_of(contact).union(source)
        hints = self._hints.get(key, OrderedDict[str, _Hint]())
        known = hints.get(contact.peer_id)
        # Given again from the same networks a hint keeps its place; another has to be free.
        more = networks if known is None else networks - known.networks
        if more and self._is_crowded(hints, contact.peer_id, networks, more):
            return False
        if known is not None:
            self._drop(key, contact.peer_id)
        elif not self._has_room(key, hints, contact.peer_id, now):
            return False
        if key not in self._hints:
            self._hints[key] = OrderedDict()
            self._distances[key] = place_of(key) ^ self._own
        self._hints[key][contact.peer_id] = _Hint(contact, now, networks)
        self._by_peer[contact.peer_id] += 1
        self._by_network.update(networks)
        self._count += 1
        return True

    def providers(self, key: bytes, now: float) -> list[Contact]:
        """Return who said to hold something, those who said so last first."""
        hints = self._hints.get(key, OrderedDict[str, _Hint]())
        for peer_id in [
            peer_id for peer_id, hint in hints.items() if now - hint.given >= PROVIDER_SECONDS
        ]:
            self._drop(key, peer_id)
        return [hint.contact for hint in reversed(hints.values())]

    def forget_old(self, now: float) -> None:
        """Forget every hint that was not given again."""
        for key in tuple(self._hints):
            self.providers(key, now)

    def _is_crowded(
        self,
        hints: OrderedDict[str, _Hint],
        peer_id: str,
        networks: frozenset[str],
        more: frozenset[str],
    ) -> bool:
        """Whether the others leave no room in the networks; `more` are those new to this hint."""
        others = (hint for holder, hint in hints.items() if holder != peer_id)
        alike = sum(bool(networks & hint.networks) for hint in others)
        if alike >= PROVIDERS_PER_KEY_AND_NETWORK_MAX:
            return True
        return any(self._by_network[network] >= HINTS_PER_NETWORK_MAX for network in more)

    def _has_room(
        self,
        key: bytes,
        hints: OrderedDict[str, _Hint],
        peer_id: str,
        now: float,
    ) -> bool:
        if self._by_peer[peer_id] >= KEYS_PER_PEER_MAX:
            return False
        if len(hints) >= PROVIDERS_PER_KEY_MAX:
            oldest, hint = next(iter(hints.items()))
            if now - hint.given <= REFRESH_SECONDS * 1.5:
                return False
            self._drop(key, oldest)
        if self._count >= HINTS_MAX and now - self._looked_at >= SWEEP_SECONDS:
            self._looked_at = now
            self.forget_old(now)
        return self._count < HINTS_MAX or self._drop_farther_than(key)

    def _drop_farther_than(self, key: bytes) -> bool:
        farthest = max(self._distances, key=self._distances.__getitem__)
        if self._distances[farthest] <= place_of(key) ^ self._own:
            return False
        self._drop(farthest, next(iter(self._hints[farthest])))
        return True

    def _drop(self, key: bytes, peer_id: str) -> None:
        hints = self._hints[key]
        hint = hints.pop(peer_id)
        if not hints:
            del self._hints[key], self._distances[key]
        self._count -= 1
        for counter, names in (
            (self._by_peer, (peer_id,)),
            (self._by_network, hint.networks),
        ):
            for name in names:
                counter[name] -= 1
                if counter[name] <= 0:
                    del counter[name]


def networks_of(contact: Contact) -> frozenset[str]:
    """Return the networks of the internet in which a peer has addresses."""
    return frozenset(
        network for each in contact.addresses if (network := network_of(each)) is not None
    )
