"""Who signs in the vectors, and how bytes are made that the model itself would refuse to make."""

from __future__ import annotations

import hashlib
from typing import Any

import msgpack
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from p2pcommons.model import keys, kinds
from tests.vectors.edwards import MixedKey

NOW = 1_790_000_000
Case = dict[str, Any]


def seed(name: str) -> bytes:
    return hashlib.sha256(f"p2pcommons vectors: {name}".encode()).digest()


def salt(name: str) -> bytes:
    return seed(f"salt {name}")[:16]


WORDS = {name: keys.new_words(seed(f"words {name}")) for name in ("ana", "bo")}
ANA = keys.grant_device(keys.root_seed(WORDS["ana"]), seed("ana's laptop"))
ANA_PHONE = keys.grant_device(keys.root_seed(WORDS["ana"]), seed("ana's phone"))
ANA_ROOT = keys.grant_device(keys.root_seed(WORDS["ana"]), keys.root_seed(WORDS["ana"]))
BO = keys.grant_device(keys.root_seed(WORDS["bo"]), seed("bo's laptop"))


def packed(value: object) -> bytes:
    data = msgpack.packb(value, use_bin_type=True)
    if data is None:
        raise ValueError("nothing was packed")
    return data


def raw_sign(secret_seed: bytes, message: bytes) -> bytes:
    return crypto_sign(message, crypto_sign_seed_keypair(secret_seed)[1])[:64]


def header_fields(commons: bytes, body: bytes) -> list[Any]:
    digest = hashlib.sha256(body).digest()
    return [1, "entry", commons, BO.author, BO.device, NOW, None, [], digest, len(body)]


def mixed_order(commons: bytes, *, exact: bool) -> list[Any]:
    """Return an envelope by a device key with a part of order eight.

    With `exact` its signature satisfies the equation without the cofactor, else only the one with.
    """
    key = MixedKey(seed("mixed order"))
    grant = raw_sign(keys.root_seed(WORDS["bo"]), keys.grant_message(key.public, BO.author))
    body = kinds.encode_body(kinds.TagBody(("odd",)), salt("mixed"))
    for second in range(NOW + 100, NOW + 200):
        fields = header_fields(commons, body)
        fields[1], fields[4], fields[5] = "tag", key.public, second
        header = packed(fields)
        signature, is_exact = key.sign(keys.CONTRIBUTION_DOMAIN + header)
        if is_exact is exact:
            return [header, signature, grant, body]
    raise AssertionError("one in eight is exact")
