"""What is offered: by this person to whoever meets this node, and by those who are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import ID_BYTES, hex_prefix, short
from p2pcommons.model.words import clean_line
from p2pcommons.replica.peers import Peers
from p2pcommons.replica.records import JoinResult
from p2pcommons.store.offers import may_be_offered, offer, offered_among
from p2pcommons.store.pauses import read_pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from p2pcommons.store import CommonsRow


@dataclass(frozen=True, slots=True)
class Offer:
    """A public commons that a peer offers and that is not joined here; the title may lack yet."""

    commons: bytes
    title: str


@dataclass(frozen=True, slots=True)
class NearPeer:
    """Somebody on this network, or connected from elsewhere, and what they offer."""

    peer_id: str
    on_lan: bool
    connected: bool
    addresses: tuple[str, ...]
    offers: tuple[Offer, ...]


class Nearby(Peers):
    """Offering commons, and joining what others offer."""

    def offer_commons(self, commons: bytes) -> CommonsRow:
        """Name a public commons, from now on, to whoever meets this node, and let them join.

        Raises UserError(REFUSED) for one that is not public or not here yet.
        """
        row = self.commons_row(commons)
        if not may_be_offered(row):
            title = row.title or row.title_hint or short(row.id)
            why = "it is not public" if row.title is not None else "it has not been received yet"
            raise UserError(f"{title} cannot be offered: {why}", ErrorCode.REFUSED)
        offer(self.store, commons, is_offered=True)
        self.nudge()
        return row

    def stop_offering(self, commons: bytes) -> CommonsRow:
        """Name a commons to its members alone again; who has joined stays."""
        row = self.commons_row(commons)
        offer(self.store, commons, is_offered=False)
        self.nudge()
        return row

    def offered(self) -> tuple[bytes, ...]:
        """Return the ids of the joined commons that are offered."""
        return offered_among(self.store, self.store.commons_rows())

    def leave_commons(self, commons: bytes, *, delete: bool = False) -> None:
        """Stop exchanging a commons, and offering it; see `CommonsOfReplica.leave_commons`."""
        offer(self.store, commons, is_offered=False)
        super().leave_commons(commons, delete=delete)

    def nearby(self) -> list[NearPeer]:
        """Return who is on this network or connected, those who offer something first.

        Raises UserError(NOT_RUNNING) without a node, which is what meets them.
        """
        status = control.request(self.paths, {"op": "status"})
        peers: dict[str, NearPeer] = {}
        on_lan = {str(each.get("peer_id")) for each in _maps(status, "lan")}
        for each in (*_maps(status, "peers"), *_maps(status, "lan")):
            peer_id = str(each.get("peer_id"))
            near = peer_id in on_lan or bool(each.get("connected"))
            if near and peer_id not in peers:
                peers[peer_id] = NearPeer(
                    peer_id,
                    peer_id in on_lan,
                    bool(each.get("connected")),
                    _texts(each, "addresses"),
                    _offers(each),
                )
        return sorted(peers.values(), key=lambda peer: (not peer.offers, not peer.on_lan))

    def join_offered(self, ref: str | bytes) -> JoinResult:
        """Join a commons that somebody nearby offers, and begin to exchange it at once.

        `ref` is its id, a prefix of 6 or more hex digits of it, or its exact title. Raises
        UserError: NOT_FOUND where nobody offers it, USAGE with the candidates where several
        fit, NOT_RUNNING without a node.
        """
        self.require_identity()
        found, peer = self._find_offer(ref.hex() if isinstance(ref, bytes) else ref.strip())
        self.store.join_commons(found.commons, now=self.now(), title_hint=found.title or None)
        self.nudge()
        return JoinResult(
            self.commons_row(found.commons), already=False, inviter=peer.peer_id, addresses=()
        )

    def _find_offer(self, ref: str) -> tuple[Offer, NearPeer]:
        offered: dict[bytes, tuple[Offer, NearPeer]] = {}
        for peer in self.nearby():
            for each in peer.offers:
                if each.commons not in offered or not offered[each.commons][0].title:
                    offered[each.commons] = (each, peer)
        prefix = hex_prefix(ref)
        titled = [key for key, (each, _) in offered.items() if each.title == ref and ref]
        fitting = titled or [
            key for key in offered if prefix is not None and key.hex().startswith(prefix)
        ]
        if len(fitting) == 1:
            return offered[fitting[0]]
        if not fitting:
            is_paused = read_pause(self.store, self.now()) is not None
            why = "; the network is paused: p2pcommons resume" if is_paused else ""
            said = f"nobody nearby offers {clean_line(ref, 80)!r}{why}"
            raise UserError(said, ErrorCode.NOT_FOUND)
        raise UserError(
            f"{clean_line(ref, 80)!r} names {len(fitting)} commons; give one of their ids",
            ErrorCode.USAGE,
            [f"{short(key)}  {offered[key][0].title}" for key in fitting],
        )


def _offers(peer: Mapping[str, object]) -> tuple[Offer, ...]:
    found: list[Offer] = []
    for each in _maps(peer, "offers"):
        commons = bytes.fromhex(str(each.get("id")))
        if len(commons) == ID_BYTES:
            found.append(Offer(commons, clean_line(str(each.get("title") or ""))))
    return tuple(found)


def _maps(fields: Mapping[str, object], name: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", fields.get(name) or [])


def _texts(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    return tuple(clean_line(str(each)) for each in cast("list[object]", fields.get(name) or []))
