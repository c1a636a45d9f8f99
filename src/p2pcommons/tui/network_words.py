"""The network screen's lines. Pure: states and a moment in, words out."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from p2pcommons.replica import size_said
from p2pcommons.tui import wording
from p2pcommons.tui.standing import MODE_WORDS, pair_words, peer_words, what_to_do

if TYPE_CHECKING:
    from collections.abc import Mapping

    from p2pcommons.tui.node_status import CommonsStatus, NodeStatus, PeerStatus
    from p2pcommons.tui.records import CommonsLine, Overview

ADDRESSES_SHOWN_MAX = 3
TRIED_SHOWN_MAX = 4
SHORT_PEER_CHARS = 6


def short_peer(peer_id: str) -> str:
    """The end of a peer id, which is what differs between peers."""
    return f"…{peer_id[-SHORT_PEER_CHARS:]}"


def node_lines(status: NodeStatus, mode: str, trouble: str, now: int) -> list[str]:
    """This node: mode, id, since when, where it listens, what it does."""
    lines = [MODE_WORDS.get(status.mode or mode, mode)]
    if trouble or status.trouble:
        lines.append(trouble or status.trouble)
    if not status.running:
        lines.append("not running")
        return lines
    since = wording.ago(status.started_at, now) if status.started_at else ""
    lines.append(f"peer {short_peer(status.peer_id)}, started {since}")
    lines += [f"listens at {address}" for address in _without_id(status)[:ADDRESSES_SHOWN_MAX]]
    if status.activity:
        lines.append(status.activity)
    return lines


def commons_lines(overview: Overview, status: NodeStatus, now: int) -> list[tuple[str, str]]:
    """Each commons: how much is here, its four words, how it stands with each connected peer.

    Lines as (words, look); looks are title, plain, words, good and gap.
    """
    standing = {commons.commons: commons for commons in status.commons}
    connected = {peer.peer_id for peer in status.connected}
    lines: list[tuple[str, str]] = []
    for line in overview.commons:
        lines.append((line.title, "title"))
        lines.append((_amount(line), "plain"))
        if line.words:
            lines.append((" ".join(line.words), "words"))
        lines += _pairs(standing.get(line.commons.hex()), connected, now)
        lines.append(("", "gap"))
    return lines[:-1]


def peer_rows(status: NodeStatus, now: int) -> list[tuple[PeerStatus, str, str]]:
    """Peers in the order of interest with their words and look; connected ones first."""
    ordered = sorted(status.peers, key=lambda peer: (not peer.connected, -peer.last_seen))
    return [(peer, _row_words(peer, status, now), _look(peer, now)) for peer in ordered]


def peer_name(peer: PeerStatus) -> str:
    """How a peer is called in the list, with how it became known."""
    came = {
        "invite": "by invite",
        "manual": "added by hand",
        "lan": "on this network",
        "connected": "came here",
        "inbound": "came here",
    }
    return f"{short_peer(peer.peer_id)}  {came.get(peer.source, peer.source)}".rstrip()


def peer_lines(peer: PeerStatus, status: NodeStatus, now: int) -> list[str]:
    """Everything about one peer."""
    lines = [peer.peer_id, peer_words(peer, now)]
    if peer.clock_ahead:
        lines.append(f"its clock differs from yours by {peer.clock_ahead} s")
    if peer.last_success:
        lines.append(f"last connected {wording.ago(peer.last_success, now)}")
    lines += [
        f"{commons.title}: {pair_words(pair, now)}"
        for commons in status.commons
        for pair in commons.pairs
        if pair.peer_id == peer.peer_id
    ]
    lines += [f"address {address}" for address in peer.addresses]
    lines += [f"tried {attempt.address}: {attempt.error}" for attempt in peer.tried]
    return lines


def advice_lines(status: NodeStatus, mode: str, now: int, overview: Overview) -> list[str]:
    """While no peer is reached: what was tried, when the next try is, the one thing to do."""
    if status.connected:
        return []
    lines: list[str] = []
    tried = [(peer, attempt) for peer in status.peers for attempt in peer.tried]
    for peer, attempt in tried[:TRIED_SHOWN_MAX]:
        lines.append(f"Tried {short_peer(peer.peer_id)} at {attempt.address}: {attempt.error}")
    due = [peer.next_try for peer in status.peers if peer.next_try]
    if due:
        lines.append(f"Next try {wording.wait(min(due) - now)}.")
    invited = any(not line.arrived for line in overview.commons)
    lines.append(what_to_do(status, mode, invited=invited))
    return lines


def sync_sentence(reply: Mapping[str, object]) -> str:
    """What came of a reconciliation that the person asked for."""
    items = reply.get("items")
    listed = cast("list[object]", items) if isinstance(items, list) else []
    exchanges = [cast("Mapping[str, object]", item) for item in listed if isinstance(item, dict)]
    if not exchanges:
        return "No peer was reached."
    peers = {str(item.get("peer", "")) for item in exchanges}
    received = sum(_whole(item.get("received")) for item in exchanges)
    sent = sum(_whole(item.get("sent")) for item in exchanges)
    state = "equal" if reply.get("equal") is True else "not equal yet"
    return f"{state} with {wording.count(len(peers), 'peer')}: {received:,} received, {sent:,} sent"


def _amount(line: CommonsLine) -> str:
    """How much of a commons is here, and what that takes."""
    held = wording.count(line.count, "contribution")
    if not line.size:
        return held
    limit = "" if line.budget is None else f" of {size_said(line.budget)}"
    return f"{held}, {size_said(line.size)}{limit} on disk"


def _pairs(known: CommonsStatus | None, connected: set[str], now: int) -> list[tuple[str, str]]:
    if known is None:
        return []
    return [
        (
            f"{pair_words(pair, now)} with {short_peer(pair.peer_id)}",
            "good" if pair.equal else "plain",
        )
        for pair in known.pairs
        if pair.peer_id in connected
    ]


def _row_words(peer: PeerStatus, status: NodeStatus, now: int) -> str:
    if not peer.connected:
        return peer_words(peer, now)
    pairs = [pair for commons in status.commons for pair in commons.pairs]
    own = [pair for pair in pairs if pair.peer_id == peer.peer_id]
    if not own:
        return "connected"
    if all(pair.equal for pair in own):
        return pair_words(max(own, key=lambda pair: pair.at), now)
    return pair_words(next(pair for pair in own if not pair.equal), now)


def _look(peer: PeerStatus, now: int) -> str:
    if peer.connected:
        return "good"
    return "warn" if peer.blocked_until > now else "quiet"


def _without_id(status: NodeStatus) -> list[str]:
    return [address.split("/p2p/")[0] for address in status.addresses]


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
