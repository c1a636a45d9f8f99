"""How the network stands, told in a sentence. Pure: a status and a moment in, words out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.tui import wording
from p2pcommons.tui.widgets.bars import Standing

if TYPE_CHECKING:
    from p2pcommons.tui.node_status import CommonsStatus, NodeStatus, PairStatus, PeerStatus
    from p2pcommons.tui.records import Overview

MODE_WORDS = {
    "off": "off: nothing is sent or received",
    "friends": "friends: meets the peers of your invites and address book",
    "lan": "lan: as friends, and finds peers on this local network",
    "open": "open: as lan, and meets peers that others name",
}


def standing(
    status: NodeStatus, mode: str, overview: Overview, selected: bytes | None, now: int
) -> Standing:
    """Everything the status line says."""
    level, sentence = network_sentence(status, mode, now)
    if not overview.commons and not status.running and mode != "off":
        sentence = "the network waits for the first commons"
    shown = overview.find(selected)
    if shown is None and len(overview.commons) == 1:
        shown = overview.commons[0]
    return Standing(
        level=level,
        network=sentence,
        only_here=overview.only_here,
        seed_waiting=overview.me is not None and overview.me.words_unconfirmed,
        words=shown.words if shown else (),
        reach=reach_shown(status),
    )


def network_sentence(status: NodeStatus, mode: str, now: int) -> tuple[str, str]:
    """A level (off, alone, busy, equal) and what to say about the network."""
    if mode == "off" and not status.running:
        return "off", "network off"
    if not status.running:
        return "off", "the node is not running"
    if status.trouble:
        return "trouble", status.trouble
    if status.paused is not None:
        used_up = status.paused.reason == "day"
        return "off", "paused, the bytes of today are used up" if used_up else "paused"
    connected = status.connected
    if not connected:
        return "alone", _alone(status, now)
    peers = wording.count(len(connected), "peer")
    pairs = _live_pairs(status)
    arriving = [pair for _, pair in pairs if not pair.equal and pair.of]
    if arriving:
        have, of = sum(pair.have for pair in arriving), sum(pair.of for pair in arriving)
        return "busy", f"{peers}, {have:,} of {of:,} received"
    if pairs and all(pair.equal for _, pair in pairs):
        latest = max(pair.at for _, pair in pairs)
        equal = len({pair.peer_id for _, pair in pairs})
        everyone = "all equal" if len(connected) > 1 else "equal"
        # A relay, for instance, shares nothing and is equal to nobody.
        who = everyone if equal == len(connected) else f"{equal:,} of them equal"
        return "equal", f"{peers}, {who} {wording.ago(latest, now)}"
    behind = [pair for _, pair in pairs if not pair.equal]
    if behind and all(pair.was_equal for pair in behind):
        return "busy", f"{peers}, {pair_words(min(behind, key=lambda pair: pair.at), now)}"
    if behind:
        return "busy", f"{peers}, comparing"
    return "alone", f"{peers} connected, no commons shared with them yet"


def reach_shown(status: NodeStatus) -> tuple[str, ...]:
    """Whether others reach this node, for the status line, in fewer and fewer words."""
    reach = status.reachability
    if status.paused is not None:
        return ()
    if reach.state in {"reachable", "lan"}:
        return (reach.words,)
    if reach.state != "relayed":
        return ()
    return (reach.words, "relayed" if "relayed by" in reach.words else "behind NAT")


def pair_words(pair: PairStatus, now: int) -> str:
    """How one commons stands with one peer."""
    if pair.equal:
        return f"equal {wording.ago(pair.at, now)}"
    if pair.of:
        return f"{pair.have:,} of {pair.of:,} received"
    if pair.was_equal:
        return f"equal {wording.ago(pair.at, now)}, news since"
    if pair.only_declined:
        ago = wording.ago(pair.at, now)
        return f"equal but for {pair.only_declined:,} of strangers {ago}"
    return f"differed {wording.ago(pair.at, now)}" if pair.at else "not compared yet"


def peer_words(peer: PeerStatus, now: int) -> str:
    """What a person wants to know about a peer first."""
    if peer.connected:
        return f"connected; {peer.slowed}" if peer.slowed else "connected"
    if peer.blocked_until > now:
        return f"set aside, again {wording.wait(peer.blocked_until - now)}: {peer.reason}"
    # Of who came, the address book knows no moment, unless it was dialled with success since.
    unseen = "gone again" if peer.source == "came" else "never reached"
    seen = f"last here {wording.ago(peer.last_seen, now)}" if peer.last_seen else unseen
    if peer.next_try:
        return f"{seen}, next try {wording.wait(peer.next_try - now)}"
    return seen


def what_to_do(status: NodeStatus, mode: str, *, invited: bool) -> str:
    """The one thing a person can do while no peer is reached."""
    if mode == "off":
        return "The network is off. Choose a mode with m when you want to meet others."
    if not status.running:
        return "Press S: it starts the node."
    if status.paused is not None:
        return "The node is paused. Press P to go on."
    if not status.peers and not status.lan and not invited:
        return "Press i and give the invite to somebody, or a to paste theirs."
    tried = [attempt.address for peer in status.peers for attempt in peer.tried]
    if mode == "friends" or any("/p2p-circuit" in address for address in tried):
        return "Ask them whether their p2pcommons is open now, or for a fresh invite."
    return "Ask them to open p2pcommons on this network, or for a fresh invite."


def _alone(status: NodeStatus, now: int) -> str:
    if not status.peers:
        return "no peer known yet"
    due = [peer.next_try for peer in status.peers if peer.next_try]
    if due:
        return f"no peer reached, next try {wording.wait(min(due) - now)}"
    return "no peer reached yet"


def _live_pairs(status: NodeStatus) -> list[tuple[CommonsStatus, PairStatus]]:
    present = {peer.peer_id for peer in status.connected}
    return [
        (commons, pair)
        for commons in status.commons
        for pair in commons.pairs
        if pair.peer_id in present
    ]
