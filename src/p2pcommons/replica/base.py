"""What every part of the façade stands on: paths, settings, clock, the store opened at first use.

A `Replica` belongs to one thread, as its store does; another thread opens its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.control import WriteTurn
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.replica import identity as identities
from p2pcommons.replica.identity import Identity
from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pcommons.config import Config
    from p2pcommons.model.keys import Signer
    from p2pcommons.paths import Paths


class ReplicaBase:
    """Paths, settings, clock, store and the person on this machine."""

    def __init__(self, paths: Paths, config: Config, clock: Callable[[], float]) -> None:
        self.paths = paths
        self.config = config
        self._clock = clock
        self._opened: Store | None = None
        self._signer: Signer | None = None
        self.on_migration: Callable[[int, int], None] | None = None
        """Told how many rows are done, of how many, while an older store is brought up to date."""

    @property
    def store(self) -> Store:
        """The store, opened and migrated at first use. Raises StoreError."""
        if self._opened is None:
            self.paths.make()
            self._opened = Store.open(
                self.paths.replica_db, progress=self.on_migration, turn=WriteTurn(self.paths)
            )
        return self._opened

    def now(self) -> int:
        """Return this machine's time, seconds since 1970 UTC."""
        return int(self._clock())

    def close(self) -> None:
        """Close the store; a closed replica opens it again when it is used again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def identity(self) -> Identity | None:
        """The person who writes on this machine, or None before `init`."""
        signer = self.find_signer()
        if signer is None:
            return None
        return Identity(
            signer.author,
            signer.device,
            self.config.text("name"),
            self.paths.root_key.exists(),
        )

    def require_identity(self) -> Identity:
        """Return the person on this machine. Raises UserError(NOT_FOUND) naming `init`."""
        found = self.identity
        if found is None:
            raise no_identity()
        return found

    def find_signer(self) -> Signer | None:
        """Return the device key of this machine, read once."""
        if self._signer is None:
            self._signer = identities.load_signer(self.paths)
        return self._signer

    def require_signer(self) -> Signer:
        """Return the device key of this machine. Raises UserError(NOT_FOUND) naming `init`."""
        signer = self.find_signer()
        if signer is None:
            raise no_identity()
        return signer

    def create_identity(self, name: str) -> tuple[Identity, tuple[str, ...]]:
        """Make a new author and return it with the 24 words, which wait in root.key.

        Raises UserError(CONFLICT) when there is an identity.
        """
        _signer, words = identities.create(self.paths, name.strip())
        self.config.set("name", name.strip())
        return self.require_identity(), words

    def restore_identity(self, words: list[str] | tuple[str, ...], name: str = "") -> Identity:
        """Make a device key on this machine for the author of 24 words.

        Raises UserError for wrong words, UserError(CONFLICT) when there is an identity.
        """
        if name.strip():
            identities.check_name(name.strip())
        identities.restore(self.paths, words)
        if name.strip():
            self.config.set("name", name.strip())
        return self.require_identity()

    def unconfirmed_words(self) -> tuple[str, ...] | None:
        """Return the 24 words while they wait to be confirmed, else None."""
        return identities.unconfirmed_words(self.paths)

    def confirm_words(self) -> None:
        """Remove the words from this machine for good."""
        identities.confirm_words(self.paths)

    def set_name(self, name: str) -> None:
        """Change the name of this person; commons get it with the next contribution."""
        identities.check_name(name.strip())
        self.config.set("name", name.strip())


def no_identity() -> UserError:
    """Return the error of a command that needs a person, before there is one."""
    return UserError(
        "nobody writes on this machine yet; start with: p2pcommons init --name YOUR-NAME",
        ErrorCode.NOT_FOUND,
    )
