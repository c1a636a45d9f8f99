"""Ed25519 exactly as libsodium does it: S < L, no small-order keys, one signature at a time.

OpenSSL and batch verifiers accept other sets of signatures; two kinds of verifier would split
the set of valid contributions, so every signature of the project passes through here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64


def verifying_key(seed: bytes) -> bytes:
    """Return the public key of a 32-byte seed."""
    from nacl.bindings import crypto_sign_seed_keypair

    public, _secret = crypto_sign_seed_keypair(seed)
    return public


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature of `message` under the key of `seed`."""
    from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

    _public, secret = crypto_sign_seed_keypair(seed)
    return crypto_sign(message, secret)[:SIGNATURE_BYTES]


def is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether libsodium accepts `signature`. Releases the interpreter lock meanwhile."""
    open_signed, bad_signature_error = _opening()
    try:
        open_signed(signature + message, key)
    except bad_signature_error:
        return False
    return True


@cache
def _opening() -> tuple[Callable[[bytes, bytes], bytes], type[Exception]]:
    """Load libsodium at the first signature: most commands verify none."""
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError

    return crypto_sign_open, BadSignatureError
