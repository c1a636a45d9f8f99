"""The address book as a person handles it; works without a node, which reads the same table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.protocol.addresses import read_peer_addresses, split_peer_address
from p2pcommons.replica.transfer import Transfer

if TYPE_CHECKING:
    from p2pcommons.store import PeerRow

PEER_PREFIX_CHARS_MIN = 6
_BOOTSTRAP = "network.bootstrap"


class Peers(Transfer):
    """Peers and their addresses."""

    def peers(self) -> list[PeerRow]:
        """Return everybody in the address book."""
        return self.store.peers()

    def add_peer(self, address: str, *, bootstrap: bool = False) -> str:
        """Note an address that ends in /p2p/ID and return the peer's id; the node dials it.

        With `bootstrap` it also goes into the setting `network.bootstrap`, where it stays when
        the address book is lost. Raises UserError saying what is wrong with the address.
        """
        bare, peer_id = split_peer_address(address)
        if bootstrap:
            listed = self.config.texts(_BOOTSTRAP)
            self.config.set(_BOOTSTRAP, list(dict.fromkeys([*listed, f"{bare}/p2p/{peer_id}"])))
        self.store.upsert_peer(peer_id, (bare,), source="manual", now=self.now())
        self.nudge()
        return peer_id

    def remove_peer(self, ref: str) -> str:
        """Forget the peer with this id or end of an id, and return its id. Raises UserError.

        It goes out of the setting `network.bootstrap` as well.
        """
        wanted = ref.strip()
        to_begin_with, _ = read_peer_addresses(self.config.texts(_BOOTSTRAP))
        everyone = [*dict.fromkeys([*(row.peer_id for row in self.store.peers()), *to_begin_with])]
        fitting = [peer for peer in everyone if peer == wanted]
        if not fitting and len(wanted) >= PEER_PREFIX_CHARS_MIN:
            fitting = [
                peer for peer in everyone if wanted in (peer[: len(wanted)], peer[-len(wanted) :])
            ]
        if not fitting:
            raise UserError(f"no peer {wanted!r} in the address book", ErrorCode.NOT_FOUND)
        if len(fitting) > 1:
            raise UserError(f"{wanted!r} names several peers", ErrorCode.USAGE, fitting)
        self.store.remove_peer(fitting[0])
        if fitting[0] in to_begin_with:
            listed = self.config.texts(_BOOTSTRAP)
            left = [each for each in listed if not each.strip().endswith(f"/p2p/{fitting[0]}")]
            self.config.set(_BOOTSTRAP, left)
        self.nudge()
        return fitting[0]
