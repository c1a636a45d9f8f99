"""The person on this machine: the key files, and the words behind them.

The node process never imports this; it faces the network and has no business with these keys.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model import ids, keys
from p2pcommons.model.kinds import check_line
from p2pcommons.model.limits import NAME_CHARS_MAX
from p2pcommons.paths import write_private

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from p2pcommons.model.keys import Signer
    from p2pcommons.paths import Paths


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes on this machine. `name` is what this person wants to be called."""

    author: bytes
    device: bytes
    name: str
    words_unconfirmed: bool

    @property
    def did(self) -> str:
        """The author's id as did:key."""
        return ids.to_did(self.author)

    @property
    def shown(self) -> str:
        """The name with the suffix that tells two people of one name apart."""
        return ids.display_name(self.name, self.author)


def load_signer(paths: Paths) -> Signer | None:
    """Return the device key of this machine, or None where nobody has been made yet."""
    data = _read(paths.device_key)
    return None if data is None else keys.decode_device_file(data)


def create(paths: Paths, name: str) -> tuple[Signer, tuple[str, ...]]:
    """Make a new author and this machine's device key; return it with the 24 words.

    The entropy of the words stays in root.key until they are confirmed. Raises
    UserError(CONFLICT) when there is an identity, and nothing has changed then.
    """
    check_name(name)
    with _alone(paths):
        _refuse_second(paths)
        entropy = os.urandom(keys.ENTROPY_BYTES)
        words = keys.new_words(entropy)
        signer = keys.grant_device(keys.root_seed(words), os.urandom(32))
        # root.key first: a crash between the two leaves words without a device, never the reverse.
        write_private(paths.root_key, keys.encode_root_file(entropy))
        write_private(paths.device_key, keys.encode_device_file(signer))
    return signer, words


def restore(paths: Paths, words: Sequence[str]) -> Signer:
    """Make a device key of this machine for the author of these words.

    Always a new device key, so that no backup can fork anything. Raises UserError for wrong
    words, and UserError(CONFLICT) when there is an identity.
    """
    root = keys.root_seed(words)
    with _alone(paths):
        _refuse_second(paths)
        signer = keys.grant_device(root, os.urandom(32))
        write_private(paths.device_key, keys.encode_device_file(signer))
    return signer


def unconfirmed_words(paths: Paths) -> tuple[str, ...] | None:
    """Return the 24 words while root.key waits for them to be confirmed, else None."""
    data = _read(paths.root_key)
    return None if data is None else keys.new_words(keys.decode_root_file(data))


def confirm_words(paths: Paths) -> None:
    """Remove root.key for good; overwritten first, as far as the file system allows."""
    if not paths.root_key.exists():
        return
    with paths.root_key.open("r+b") as file:
        file.write(bytes(paths.root_key.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    paths.root_key.unlink()


def check_name(name: str) -> None:
    """Raise UserError unless `name` can be a person's name."""
    check_line("name", name, NAME_CHARS_MAX)


@contextmanager
def _alone(paths: Paths) -> Generator[None]:
    """Let one process at a time make an identity: the loser's words would be of nobody."""
    import fcntl

    paths.make()
    descriptor = os.open(paths.data_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_second(paths: Paths) -> None:
    if paths.device_key.exists():
        raise UserError(
            f"there is an identity in {paths.home} already; nothing was changed",
            ErrorCode.CONFLICT,
        )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", ErrorCode.FAILED) from error
