"""Peers in words: a row of the list for each, and everything about one. Pure.

A peer is a node, not a person: it is called by two words that its key gives, which two
people can say to each other, and by the end of its id.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from p2pcommons.model.glance import key_words
from p2pcommons.replica import size_said
from p2pcommons.tui import wording
from p2pcommons.tui.standing import pair_words, peer_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from p2pcommons.tui.node_status import NodeStatus, PairStatus, PeerStatus, SessionStatus

SHORT_PEER_CHARS = 6
WORDS_IN_LISTS = 2
SESSIONS_SHOWN_MAX = 4
TITLES_NAMED_MAX = 2
CAME = {
    "invite": "by invite",
    "manual": "added by hand",
    "lan": "seen on this network",
    "connected": "came here",
    "came": "came here",
    "inbound": "came here",
    "exchange": "named by a peer",
    "dht": "found in the network",
}
"""How a peer became known."""
CONNECTED = "connected"
"""What the node says of an address that answered."""


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer as the list shows it; every field is words, and `share` is from 0 to 1 or negative.

    `level` is one of equal, busy, quiet, trouble.
    """

    key: str
    name: str
    path: str
    trip: str
    came: str
    went: str
    told: str
    level: str
    share: float = -1.0


def short_peer(peer_id: str) -> str:
    """The end of a peer id, which is what differs between peers."""
    return f"…{peer_id[-SHORT_PEER_CHARS:]}"


@lru_cache(maxsize=512)
def words_of(peer_id: str) -> str:
    """The two words a node is called by in lists."""
    return " ".join(key_words(peer_id)[:WORDS_IN_LISTS])


def called(peer_id: str, name: str = "") -> str:
    """How a node is called: "river lamp …Uq3Rui", or by its given name "Rui, river lamp"."""
    words = words_of(peer_id)
    return f"{name}, {words}" if name else f"{words} {short_peer(peer_id)}"


def peer_rows(status: NodeStatus, now: int, names: Sequence[tuple[str, str]] = ()) -> list[PeerRow]:
    """Peers in the order of interest: connected ones, those set aside, the rest.

    Connected ones keep their places while their figures change.
    """
    ordered = sorted(
        status.peers,
        key=lambda peer: (
            not peer.connected,
            peer.blocked_until <= now,
            0 if peer.connected else -peer.last_seen,
            peer.peer_id,
        ),
    )
    pairs = _pairs_by_peer(status)
    given = dict(names)
    rows = [
        _row(peer, given.get(peer.peer_id, ""), pairs.get(peer.peer_id, ()), now)
        for peer in ordered
    ]
    return [_resting(row) for row in rows] if status.paused is not None else rows


def path_words(peer: PeerStatus) -> str:
    """How it is reached: "LAN", "direct", "relayed by …abc123"; empty when it is not."""
    if not peer.connected:
        return ""
    if peer.path == "relayed":
        return f"relayed by {short_peer(peer.relay)}" if peer.relay else "relayed"
    return {"lan": "LAN", "direct": "direct"}.get(peer.path, "connected")


def trip_words(peer: PeerStatus) -> str:
    """The round trip: "2 ms", "0.4 ms", "1.2 s"; empty when it was not measured."""
    trip = peer.round_trip_ms
    if trip < 0 or not peer.connected:
        return ""
    if trip >= 1_000:
        return f"{trip / 1_000:.1f} s"
    return f"{trip:.0f} ms" if trip >= 1 else f"{trip:.1f} ms"


def peer_lines(peer: PeerStatus, status: NodeStatus, now: int) -> list[tuple[str, str]]:
    """Everything about one peer as (words, look); looks are those of `commons_lines`."""
    lines = [
        (" ".join(key_words(peer.peer_id)), "words"),
        (peer.peer_id, "plain"),
        (_state_line(peer, now), "title"),
    ]
    lines += [(line, "plain") for line in _figures(peer, now)]
    lines.append(("", "gap"))
    shared = [
        (f"{commons.title}: {pair_words(pair, now)}{_counts(pair, commons.count)}", pair)
        for commons in status.commons
        for pair in commons.pairs
        if pair.peer_id == peer.peer_id
    ]
    lines += [(words, "good" if pair.equal else "") for words, pair in shared]
    if not shared:
        lines.append(("shares no commons with you, as far as is known", "plain"))
    lines += [(f"offers {offer.title or offer.commons[:10]}", "") for offer in peer.offers]
    lines.append(("", "gap"))
    lines += [(f"at {address}", "plain") for address in peer.addresses]
    lines += [(f"tried {attempt.address}: {attempt.error}", "") for attempt in peer.tried]
    if peer.sessions:
        lines.append(("", "gap"))
        lines += [(_session_words(each), "plain") for each in peer.sessions[-SESSIONS_SHOWN_MAX:]]
    return lines


def _resting(row: PeerRow) -> PeerRow:
    """A row while the node is paused: nobody is tried, and nothing is wrong with that."""
    return replace(row, told="not met while paused") if row.level == "quiet" else row


def _row(peer: PeerStatus, name: str, pairs: Sequence[tuple[str, PairStatus]], now: int) -> PeerRow:
    told, level, share = _told(peer, pairs, now)
    return PeerRow(
        key=peer.peer_id,
        name=called(peer.peer_id, name),
        path=path_words(peer),
        trip=trip_words(peer),
        came=size_said(peer.bytes_in) if peer.bytes_in else "",
        went=size_said(peer.bytes_out) if peer.bytes_out else "",
        told=told,
        level=level,
        share=share,
    )


def _told(
    peer: PeerStatus, pairs: Sequence[tuple[str, PairStatus]], now: int
) -> tuple[str, str, float]:
    """The second line of a row, its level, and how much of what is wanted is here."""
    if not peer.connected:
        if peer.blocked_until > now:
            again = wording.wait(peer.blocked_until - now)
            return f"dropped: {peer.reason or 'it broke the rules'}; again {again}", "trouble", -1.0
        return _away(peer, now), "quiet", -1.0
    slowed = f"; {peer.slowed}" if peer.slowed else ""
    if not pairs:
        nothing = "shares no commons with you" if peer.shared == 0 else "connected, not compared"
        return nothing + slowed, "quiet", -1.0
    arriving = [(title, pair) for title, pair in pairs if pair.of and not pair.equal]
    if arriving:
        have, of = (
            sum(pair.have for _, pair in arriving),
            sum(pair.of for _, pair in arriving),
        )
        told = f"{have:,} of {of:,} of {_titles([title for title, _ in arriving])}"
        return told + slowed, "busy", have / of
    differing = [(title, pair) for title, pair in pairs if not pair.equal]
    if not differing:
        latest = max(pair.at for _, pair in pairs)
        titles = _titles([title for title, _ in pairs])
        return f"equal {wording.ago(latest, now)}: {titles}{slowed}", "equal", -1.0
    title, pair = max(differing, key=lambda each: each[1].at)
    return f"{title}: {pair_words(pair, now)}{_counts(pair)}{slowed}", "busy", -1.0


def _away(peer: PeerStatus, now: int) -> str:
    """An unconnected peer: why, when it was here, when the next try is."""
    parts = [peer_words(peer, now), CAME.get(peer.source, peer.source)]
    if peer.reason:
        parts.insert(0, f"dropped: {peer.reason}")
    elif failed := [attempt.error for attempt in peer.tried if attempt.error != CONNECTED]:
        parts.insert(0, failed[-1])
    return ", ".join(part for part in parts if part)


def _state_line(peer: PeerStatus, now: int) -> str:
    if not peer.connected:
        return peer_words(peer, now)
    trip = trip_words(peer)
    parts = [path_words(peer), f"round trip {trip}" if trip else "", peer.slowed]
    return ", ".join(part for part in parts if part)


def _figures(peer: PeerStatus, now: int) -> list[str]:
    came = CAME.get(peer.source, peer.source)
    lines = [came] if came else []
    if peer.bytes_in or peer.bytes_out:
        received, sent = size_said(peer.bytes_in), size_said(peer.bytes_out)
        lines.append(f"{received} in, {sent} out since the node started")
    if peer.last_success and not peer.connected:
        lines.append(f"last connected {wording.ago(peer.last_success, now)}")
    if peer.reason:
        lines.append(f"let go the last time: {peer.reason}")
    if peer.clock_ahead:
        lines.append(f"its clock differs from yours by {peer.clock_ahead} s")
    return lines


def _session_words(session: SessionStatus) -> str:
    moved = f"{session.received:,} received, {session.sent:,} sent"
    octets = size_said(session.bytes_received + session.bytes_sent)
    return f"session {session.ended}: {moved}, {octets}, {session.milliseconds:,} ms"


def _counts(pair: PairStatus, here: int = 0) -> str:
    """How far apart two replicas are in numbers, where they differ and that is known."""
    if pair.equal or pair.was_equal or pair.of or not pair.count:
        return ""
    return f", {pair.count:,} there" + (f", {here:,} here" if here else "")


def _titles(titles: Sequence[str]) -> str:
    if len(titles) <= TITLES_NAMED_MAX:
        return wording.listed(titles)
    return wording.count(len(titles), "commons", "commons")


def _pairs_by_peer(status: NodeStatus) -> Mapping[str, list[tuple[str, PairStatus]]]:
    pairs: defaultdict[str, list[tuple[str, PairStatus]]] = defaultdict(list)
    for commons in status.commons:
        for pair in commons.pairs:
            pairs[pair.peer_id].append((commons.title, pair))
    return pairs
