"""The GossipSub topic of a commons. A subscription shows it, and it does not name the commons."""

from __future__ import annotations

import base64
import hashlib

TOPIC_PREFIX = "/p2pcommons/1/"
TOPIC_DOMAIN = b"p2pcommons/v1/topic\x00"
_HASH_BYTES = 20


def gossip_topic(commons: bytes) -> str:
    """Return the topic of the commons with this 32-byte id: prefix and 32 base32 characters."""
    digest = hashlib.sha256(TOPIC_DOMAIN + commons).digest()[:_HASH_BYTES]
    return TOPIC_PREFIX + base64.b32encode(digest).decode().lower()
