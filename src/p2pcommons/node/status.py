"""The node's state as the control socket tells it: plain values that go into JSON."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from p2pcommons import __version__
from p2pcommons.config import Mode
from p2pcommons.model.words import clean_line
from p2pcommons.protocol.reachability import Standing
from p2pcommons.store.pauses import paused_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.state import PeerState
    from p2pcommons.protocol.events import ReconcileResult
    from p2pcommons.store import CommonsRow, Digest, PeerRow, Store


def status_of(
    context: NodeContext,
    *,
    peer_id: str,
    addresses: Sequence[str],
    next_try: int | None,
    book: Sequence[PeerRow],
    commons: Sequence[tuple[CommonsRow, Digest]],
) -> dict[str, object]:
    """Return the whole state; see docs/cli.md for the fields."""
    peers = _peers(context, book)
    return {
        "running": True,
        "pid": os.getpid(),
        "version": __version__,
        "peer_id": peer_id,
        "mode": str(context.mode),
        "addresses": list(addresses),
        "started_at": context.state.started_at,
        "peers": peers,
        "commons": [_commons(context, row, digest) for row, digest in commons],
        "lan": [
            {
                "peer_id": lan_peer,
                "addresses": list(where),
                "offers": offers_of(context, context.state.peers.get(lan_peer)),
            }
            for lan_peer, where in sorted(context.state.lan.items())
        ],
        "next_try": next_try,
        "reachability": _reachability(context),
        "relay": asdict(context.state.relay),
        "arrived": {
            "gossip": context.state.by_gossip,
            "sessions": context.state.by_session,
            "shed": context.state.gossip_shed,
        },
        "handshakes": dict(context.state.handshakes),
        "traffic": _traffic(context),
        "paused": paused_fields(context),
        "finding": asdict(context.state.finding),
        "activity": _activity(context, len(addresses)),
        "trouble": clean_line(context.state.trouble),
    }


def read_commons(store: Store) -> list[tuple[CommonsRow, Digest]]:
    """Return the joined commons with their digests, for `status_of`."""
    return [(row, store.digest(row.id)) for row in store.commons_rows()]


def exchanges_of(context: NodeContext, since: int) -> list[dict[str, object]]:
    """Return what `sync` reports: one item for each commons and connected peer."""
    items: list[dict[str, object]] = []
    for peer in context.state.connected():
        for commons, exchange in peer.exchanges.items():
            result = exchange.result
            if result is None or commons not in context.joined or exchange.at < since:
                continue
            items.append(
                {
                    "commons": commons.hex(),
                    "peer": peer.peer_id,
                    "sent": result.sent,
                    "received": result.received,
                    "count": result.count,
                    "fingerprint": result.fingerprint.hex(),
                    "equal": result.equal,
                    "outcome": str(result.outcome),
                    "only_declined": _only_declined(result),
                }
            )
    return items


def _only_declined(result: ReconcileResult | None) -> int:
    """Return how many contributions one side declined, where nothing else is left to exchange."""
    if result is None or not result.only_declined_left:
        return 0
    return result.declined + result.their_declined


def _peers(context: NodeContext, book: Sequence[PeerRow]) -> list[dict[str, object]]:
    rows = {row.peer_id: row for row in book}
    known = dict.fromkeys(
        [*rows, *(each.peer_id for each in context.state.connected()), *context.state.lan]
    )
    blocked = [
        each.peer_id for each in context.state.peers.values() if each.blocked_until > context.now()
    ]
    known.update(dict.fromkeys(blocked))
    slowed = [
        each.peer_id for each in context.state.peers.values() if each.slowed_until > context.now()
    ]
    known.update(dict.fromkeys(slowed))
    dropped = [
        each.peer_id
        for each in context.state.peers.values()
        if each.dropped and each.dropped_until > context.now()
    ]
    known.update(dict.fromkeys(dropped))
    return [_peer(context.state.peer(each), rows.get(each), context) for each in known]


def _peer(peer: PeerState, row: PeerRow | None, context: NodeContext) -> dict[str, object]:
    where = row.addresses if row is not None else context.state.lan.get(peer.peer_id, ())
    on_lan = peer.peer_id in context.state.lan
    return {
        "peer_id": peer.peer_id,
        "connected": peer.connected_since is not None,
        "since": peer.connected_since,
        "path": None if peer.connected_since is None else peer.path,
        "relay": None if peer.connected_since is None else peer.relay,
        "addresses": list(where),
        "source": row.source if row is not None else "lan" if on_lan else "inbound",
        "last_seen": row.last_seen if row is not None else None,
        "last_success": row.last_success if row is not None else None,
        "failures": peer.failures,
        "next_try": peer.next_try or None,
        "tried": [
            {"address": address, "outcome": clean_line(said)} for address, said in peer.tried
        ],
        "blocked_until": peer.blocked_until if peer.blocked_until > context.now() else None,
        "reason": clean_line(_reason(peer)),
        "slowed": clean_line(peer.slowed) if peer.slowed_until > context.now() else "",
        "arrived": {"gossip": peer.by_gossip, "sessions": peer.by_session},
        "shared": None if peer.shared is None else len(peer.shared),
        "clock_ahead": peer.clock_ahead,
        "sessions": [asdict(figures) for figures in peer.recent],
        "bytes_in": peer.bytes_in,
        "bytes_out": peer.bytes_out,
        "round_trip_ms": None if peer.round_trip_ms is None else round(peer.round_trip_ms, 3),
        "offers": offers_of(context, peer),
    }


def paused_fields(context: NodeContext) -> dict[str, object] | None:
    """Return the pause in force, or None."""
    paused = context.state.paused
    return None if paused is None else {"until": paused.until, "reason": paused.reason}


def _reachability(context: NodeContext) -> dict[str, object]:
    """Return how others reach this node; in a pause nobody does, whatever was known before."""
    standing, paused = context.state.reachability, context.state.paused
    if paused is None or context.mode is Mode.OFF:
        return standing.as_fields()
    words = paused_words(paused, context.now())
    return Standing("paused", words, (), standing.upnp, ()).as_fields()


def _reason(peer: PeerState) -> str:
    """Return why a peer was dropped the last time, or what it did wrong the last time."""
    if peer.dropped and peer.connected_since is None:
        return peer.dropped
    return peer.faults[-1] if peer.faults else ""


def offers_of(context: NodeContext, peer: PeerState | None) -> list[dict[str, object]]:
    """Return what a peer offers that was not joined here; a title that is not known is empty."""
    if peer is None or (peer.connected_since is None and peer.peer_id not in context.state.lan):
        return []
    return [
        {"id": commons.hex(), "title": clean_line(title)}
        for commons, title in peer.offers.items()
        if commons not in context.joined
    ]


def _traffic(context: NodeContext) -> dict[str, object]:
    log = context.state.traffic
    return {
        "bytes_in": log.came,
        "bytes_out": log.went,
        "day_in": log.day.came,
        "day_out": log.day.went,
        "per_second_max": context.config.number("network.kilobytes_per_second") * 1_000,
        "per_day_max": context.config.number("network.megabytes_per_day") * 1_000_000,
        "history": log.history.rows(context.now()),
    }


def _commons(context: NodeContext, row: CommonsRow, digest: Digest) -> dict[str, object]:
    with_peers: list[dict[str, object]] = []
    for peer in context.state.peers.values():
        exchange = peer.exchanges.get(row.id)
        if exchange is None:
            continue
        result = exchange.result
        progress = exchange.progress
        with_peers.append(
            {
                "peer_id": peer.peer_id,
                "connected": peer.connected_since is not None,
                "at": exchange.at or None,
                "equal": result is not None
                and result.equal
                and result.fingerprint == digest.fingerprint,
                "outcome": None if result is None else str(result.outcome),
                "sent": 0 if result is None else result.sent,
                "received": 0 if result is None else result.received,
                "count": 0 if result is None else result.their_count,
                "declined": 0 if result is None else result.their_declined,
                "only_declined": _only_declined(result),
                "progress": None
                if progress is None
                else {"have": progress[0], "of": progress[0] + progress[1]},
            }
        )
    return {
        "id": row.id.hex(),
        "title": clean_line(row.title or row.title_hint or ""),
        "count": digest.count,
        "fingerprint": digest.fingerprint.hex(),
        "bodies": digest.bodies,
        "peers": with_peers,
    }


def _activity(context: NodeContext, listening: int) -> str:
    """Return what the network is doing, in words a person would use."""
    if context.mode is Mode.OFF:
        return "network off"
    if context.state.paused is not None:
        return paused_words(context.state.paused, context.now())
    connected = context.state.connected()
    lacking = sum(
        exchange.progress[1]
        for peer in connected
        for exchange in peer.exchanges.values()
        if exchange.progress is not None
    )
    if lacking:
        return f"receiving, {lacking} to come"
    if connected:
        return f"connected with {len(connected)} {'peer' if len(connected) == 1 else 'peers'}"
    if not listening:
        return "not listening"
    words = context.state.finding.words
    return f"no peer reached; {words}" if words else "no peer reached"
