"""Peers by number, for tests of the directory."""

from __future__ import annotations

import base58

from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.kademlia_messages import Contact


def peer_id(number: int) -> str:
    return base58.b58encode(PEER_ID_PREFIX + number.to_bytes(32, "big")).decode()


def contact(number: int, *addresses: str) -> Contact:
    """A peer with an address in a network of its own."""
    own = f"/ip4/{50 + number // 65_536}.{number // 256 % 256}.{number % 256}.1/tcp/4001"
    return Contact(peer_id(number), addresses or (own,))
