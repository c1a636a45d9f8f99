"""The address book as a person handles it; works without a node, which reads the same table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.glance import key_words
from p2pcommons.model.limits import NAME_CHARS_MAX
from p2pcommons.model.words import clean_line
from p2pcommons.peerkey import load_peer_seed, peer_id_of
from p2pcommons.protocol.addresses import (
    check_peer_id,
    read_peer_addresses,
    split_peer_address,
)
from p2pcommons.replica.transfer import Transfer
from p2pcommons.store.peer_names import name_peer, names_of_peers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from p2pcommons.store import PeerRow

PEER_PREFIX_CHARS_MIN = 6
WORDS_IN_LISTS = 2
_BOOTSTRAP = "network.bootstrap"


class Peers(Transfer):
    """Peers and their addresses."""

    def peers(self) -> list[PeerRow]:
        """Return everybody in the address book."""
        return self.store.peers()

    def add_peer(self, address: str, *, bootstrap: bool = False) -> str:
        """Note an address that ends in /p2p/ID and return the peer's id; the node dials it.

        With `bootstrap` it also goes into the setting `network.bootstrap`, where it stays when
        the address book is lost. Raises UserError saying what is wrong with the address, or that
        it is one of this node.
        """
        bare, peer_id = split_peer_address(address)
        if peer_id == peer_id_of(load_peer_seed(self.paths)):
            raise UserError("that is this node; whoever wants to meet it adds that address")
        if bootstrap:
            listed = self.config.texts(_BOOTSTRAP)
            self.config.set(_BOOTSTRAP, list(dict.fromkeys([*listed, f"{bare}/p2p/{peer_id}"])))
        self.store.upsert_peer(peer_id, (bare,), source="manual", now=self.now())
        self.nudge()
        return peer_id

    def remove_peer(self, ref: str) -> str:
        """Forget the peer that `ref` means (`_named_by`), and return its id. Raises UserError.

        It goes out of the setting `network.bootstrap` as well.
        """
        to_begin_with, _ = read_peer_addresses(self.config.texts(_BOOTSTRAP))
        found = self._named_by(ref, to_begin_with)
        self.store.remove_peer(found)
        name_peer(self.store, found, "")
        if found in to_begin_with:
            listed = self.config.texts(_BOOTSTRAP)
            left = [each for each in listed if not each.strip().endswith(f"/p2p/{found}")]
            self.config.set(_BOOTSTRAP, left)
        self.nudge()
        return found

    def peer_names(self) -> dict[str, str]:
        """Return what this person calls nodes, by peer id; nobody else sees it."""
        return {
            peer: clean_line(name, NAME_CHARS_MAX)
            for peer, name in names_of_peers(self.store).items()
        }

    def name_peer(self, ref: str, name: str) -> str:
        """Call a node so, on this machine alone; an empty name takes it away. Returns its id.

        `ref` is a whole id, or stands for one in the address book (`_named_by`). Raises UserError
        when nothing fits or the name is too long.
        """
        wanted = clean_line(name.strip(), NAME_CHARS_MAX + 1)
        if len(wanted) > NAME_CHARS_MAX:
            raise UserError(f"a name has at most {NAME_CHARS_MAX} characters")
        try:
            check_peer_id(ref.strip())
            found = ref.strip()
        except UserError:
            found = self._named_by(ref, self.peer_names())
        name_peer(self.store, found, wanted)
        return found

    def _named_by(self, ref: str, others: Iterable[str]) -> str:
        """Return the peer of the address book, or of `others`, that `ref` means.

        It is an id, its start or end, the name it was given here, or the two words that lists show.
        """
        wanted = ref.strip()
        everyone = [*dict.fromkeys([*(row.peer_id for row in self.store.peers()), *others])]
        fitting = [peer for peer in everyone if peer == wanted]
        if not fitting and len(wanted) >= PEER_PREFIX_CHARS_MIN:
            fitting = [
                peer for peer in everyone if wanted in (peer[: len(wanted)], peer[-len(wanted) :])
            ]
        if not fitting and wanted:
            names = self.peer_names()
            fitting = [
                peer
                for peer in everyone
                if wanted in (names.get(peer), " ".join(key_words(peer)[:WORDS_IN_LISTS]))
            ]
        if not fitting:
            raise UserError(f"no peer {wanted!r} in the address book", ErrorCode.NOT_FOUND)
        if len(fitting) > 1:
            raise UserError(f"{wanted!r} names several peers", ErrorCode.USAGE, fitting)
        return fitting[0]
