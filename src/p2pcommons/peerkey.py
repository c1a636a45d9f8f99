"""The node's libp2p key: one per node, at random, and unrelated to any person's keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import base58

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model import ed25519
from p2pcommons.model.keys import PLAIN
from p2pcommons.paths import write_private

if TYPE_CHECKING:
    from p2pcommons.paths import Paths

_FILE_BYTES = 1 + ed25519.SEED_BYTES
# Identity multihash of the protobuf {type: Ed25519, data: 32 bytes}; libp2p peer id specification.
_PEER_ID_PREFIX = bytes.fromhex("002408011220")


def load_peer_seed(paths: Paths) -> bytes:
    """Return the 32-byte seed of the node's key, made when it is missing.

    Raises UserError when the file is damaged or cannot be read.
    """
    try:
        data = paths.peer_key.read_bytes()
    except FileNotFoundError:
        paths.make()
        data = bytes([PLAIN]) + os.urandom(ed25519.SEED_BYTES)
        write_private(paths.peer_key, data)
    except OSError as error:
        raise UserError(
            f"{paths.peer_key} cannot be read: {error.strerror}", ErrorCode.FAILED
        ) from error
    if len(data) != _FILE_BYTES or data[0] != PLAIN:
        raise UserError(f"{paths.peer_key} is damaged; remove it and a new one is made")
    return data[1:]


def peer_id_of(seed: bytes) -> str:
    """Return the libp2p peer id of the key of `seed`, in base58."""
    return base58.b58encode(_PEER_ID_PREFIX + ed25519.verifying_key(seed)).decode()
