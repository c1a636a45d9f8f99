"""Keys of a person: 24 words give the root key, the root key grants device keys, those sign.

The root seed exists only while the words are typed, and in `root.key` until they have been
confirmed. Losing a device loses a device key, never the person.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from p2pcommons.errors import UserError
from p2pcommons.model import ed25519

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mnemonic import Mnemonic

WORDS_COUNT = 24
ENTROPY_BYTES = 32
GRANT_DOMAIN = b"p2pcommons/v1/device\x00"
CONTRIBUTION_DOMAIN = b"p2pcommons/v1/contribution\x00"
ROOT_INFO = b"p2pcommons/v1/root/"

PLAIN = 0x00
"""First byte of a key file: what follows is the key itself. 0x01 is kept for sealed files."""
_DEVICE_FILE_BYTES = 1 + ed25519.SEED_BYTES + ed25519.KEY_BYTES + ed25519.SIGNATURE_BYTES
_ROOT_FILE_BYTES = 1 + ENTROPY_BYTES


@dataclass(frozen=True, slots=True)
class Signer:
    """A device key that may speak for an author, because the author's root key granted it."""

    author: bytes
    device: bytes
    grant: bytes
    seed: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return this device's signature over `message`."""
        return ed25519.sign(self.seed, message)


def grant_message(device: bytes, author: bytes) -> bytes:
    """Return what a root key signs to grant a device key."""
    return GRANT_DOMAIN + device + author


def grant_device(root: bytes, device_seed: bytes) -> Signer:
    """Return the signer of a device, granted by the root key of the 32-byte seed `root`."""
    author = ed25519.verifying_key(root)
    device = ed25519.verifying_key(device_seed)
    grant = ed25519.sign(root, grant_message(device, author))
    return Signer(author, device, grant, device_seed)


def new_words(entropy: bytes) -> tuple[str, ...]:
    """Return the 24 English BIP-39 words of 32 bytes of entropy."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("24 words carry 32 bytes")
    return tuple(_mnemonic().to_mnemonic(entropy).split())


def words_entropy(words: Sequence[str]) -> bytes:
    """Return the 32 bytes of entropy behind 24 words; the reverse of `new_words`.

    Raises UserError naming what is wrong: their number, an unknown word, or the checksum.
    """
    checked = check_words(words)
    return bytes(_mnemonic().to_entropy(list(checked)))


def check_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words in lower case. Raises UserError naming the first thing wrong with them."""
    lowered = tuple(word.strip().lower() for word in words if word.strip())
    if len(lowered) != WORDS_COUNT:
        raise UserError(f"there are {WORDS_COUNT} words, and {len(lowered)} were given")
    known = frozenset(wordlist())
    for position, word in enumerate(lowered, start=1):
        if word not in known:
            raise UserError(f"word {position} is not one of the list")
    if not _mnemonic().check(" ".join(lowered)):
        raise UserError("the words do not fit together: one is wrong or two have changed places")
    return lowered


def root_seed(words: Sequence[str], identity: int = 0) -> bytes:
    """Return the root seed of the n-th identity of these words (data model, version 1).

    HKDF-SHA256 (RFC 5869) over the BIP-39 seed with an empty passphrase, with an empty salt and
    the info "p2pcommons/v1/root/<n>"; 32 bytes, one block. Raises UserError for wrong words.
    """
    from mnemonic import Mnemonic

    seed = Mnemonic.to_seed(" ".join(check_words(words)), "")
    extracted = hmac.new(bytes(32), seed, hashlib.sha256).digest()
    info = ROOT_INFO + str(identity).encode()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


@cache
def wordlist() -> tuple[str, ...]:
    """Return the 2,048 English words of BIP-39, in order."""
    return tuple(_mnemonic().wordlist)


def encode_device_file(signer: Signer) -> bytes:
    """Return the bytes of `device.key`: plain marker, seed, author, grant."""
    return bytes([PLAIN]) + signer.seed + signer.author + signer.grant


def decode_device_file(data: bytes) -> Signer:
    """Return the signer kept in `device.key`. Raises UserError if the file is not one."""
    _check_plain(data, _DEVICE_FILE_BYTES, "device.key")
    seed, rest = data[1 : 1 + ed25519.SEED_BYTES], data[1 + ed25519.SEED_BYTES :]
    author, grant = rest[: ed25519.KEY_BYTES], rest[ed25519.KEY_BYTES :]
    device = ed25519.verifying_key(seed)
    if not ed25519.is_valid(author, grant_message(device, author), grant):
        raise UserError("device.key is damaged: its grant does not fit its key")
    return Signer(author, device, grant, seed)


def encode_root_file(entropy: bytes) -> bytes:
    """Return the bytes of `root.key`: plain marker and the entropy of the 24 words."""
    return bytes([PLAIN]) + entropy


def decode_root_file(data: bytes) -> bytes:
    """Return the entropy kept in `root.key`. Raises UserError if the file is not one."""
    _check_plain(data, _ROOT_FILE_BYTES, "root.key")
    return data[1:]


def _check_plain(data: bytes, size: int, name: str) -> None:
    if data[:1] != bytes([PLAIN]):
        raise UserError(f"{name} is sealed or damaged; this version opens plain key files only")
    if len(data) != size:
        raise UserError(f"{name} is damaged: it has {len(data)} bytes instead of {size}")


@cache
def _mnemonic() -> Mnemonic:
    from mnemonic import Mnemonic

    return Mnemonic("english")
