"""What a peer says about itself when libp2p's Identify asks it, as far as we want to know it.

message = 2 listen address *, and more that is skipped
"""

from __future__ import annotations

from p2pcommons.protocol.multiaddrs import address_from_bytes
from p2pcommons.protocol.protobuf import read_fields

IDENTIFY_PROTOCOL = "/ipfs/id/1.0.0"
"""The libp2p protocol id; messages on its streams have lengths in varints."""
IDENTIFY_BYTES_MAX = 16_384
"""Addresses, protocols and a signed record; other programs send up to 8 KiB."""
ADDRESSES_MAX = 16
"""Of one message; the others are not looked at."""
_LISTEN_ADDRESS = 2


def listen_addresses(data: bytes, peer_id: str) -> tuple[str, ...]:
    """Return where a peer says that it listens, as far as this program can dial it.

    Without its own /p2p/ID. Raises RejectedError for what is no such message.
    """
    found: list[str] = []
    told = 0
    for number, value in read_fields(data):
        if number != _LISTEN_ADDRESS or not isinstance(value, bytes) or told == ADDRESSES_MAX:
            continue
        told += 1
        address = address_from_bytes(value, peer_id)
        if address is not None:
            found.append(address)
    return tuple(dict.fromkeys(found))
