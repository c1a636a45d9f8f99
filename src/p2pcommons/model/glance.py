"""Four words for a fingerprint: two people see across a table whether they hold the same.

And for a node, so that two people can tell each other which one they mean.
"""

from __future__ import annotations

import hashlib

from p2pcommons.model.keys import wordlist

WORDS = 4
_BITS_PER_WORD = 11


def four_words(fingerprint: bytes) -> tuple[str, ...]:
    """Return four words of the BIP-39 list for the first 44 bits of a fingerprint.

    A convenience for the eye, not a proof: who can choose ids can also make 44 bits meet.
    """
    number = int.from_bytes(fingerprint[:6], "big") >> (48 - WORDS * _BITS_PER_WORD)
    words = wordlist()
    mask = (1 << _BITS_PER_WORD) - 1
    return tuple(
        words[(number >> (_BITS_PER_WORD * position)) & mask] for position in reversed(range(WORDS))
    )


def key_words(peer_id: str) -> tuple[str, ...]:
    """Return the four key words of the node with this peer id, from the SHA-256 of the id's text.

    For lists the first two are enough to tell nodes apart; whoever compares says all four.
    """
    return four_words(hashlib.sha256(peer_id.encode()).digest())
