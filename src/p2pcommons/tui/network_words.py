"""The network screen's lines. Pure: states and a moment in, words out."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from p2pcommons.model.glance import key_words
from p2pcommons.replica import size_said
from p2pcommons.tui import wording
from p2pcommons.tui.peer_lines import CONNECTED, short_peer, words_of
from p2pcommons.tui.standing import MODE_WORDS, pair_words, what_to_do

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from p2pcommons.tui.node_status import CommonsStatus, NodeStatus, Offer, Pause, Traffic
    from p2pcommons.tui.records import CommonsLine, Overview

ADDRESSES_SHOWN_MAX = 1
TRIED_SHOWN_MAX = 4
OFFERERS_NAMED_MAX = 2
PAIRS_SHOWN_MAX = 3
KEEPERS_NAMED_MAX = 3
NOT_KNOWN = "not known yet"


def node_lines(
    status: NodeStatus, mode: str, trouble: str, now: int, *, wide: bool = True, cells: int = 68
) -> list[tuple[str, str]]:
    """This node as (words, look): its key words, whether it is reached, its mode and limits.

    `cells` is how many fit into a line where there is room for one thing a line.
    """
    mode_words = MODE_WORDS.get(status.mode or mode, mode)
    wrong = [(said, "wrong") for said in [trouble or status.trouble] if said]
    if not status.running:
        return [*wrong, ("not running", "plain"), (mode_words, "plain")]
    paused = [(paused_line(status.paused, now), "wrong")] if status.paused else []
    words = " ".join(key_words(status.peer_id))
    since = f"started {wording.ago(status.started_at, now)}" if status.started_at else ""
    name = (f"known as {words} {short_peer(status.peer_id)}", "title")
    reach = [] if paused else [(reach_words(status), "")]
    if not wide:
        name = (", ".join(part for part in (name[0], since) if part), "title")
        return [*wrong, *paused, name, *reach]
    lines = [*wrong, *paused, name, *reach, (mode_words, "plain")]
    where = [address.split("/p2p/")[0] for address in status.addresses]
    more = f" and {len(where) - ADDRESSES_SHOWN_MAX} more" if where[ADDRESSES_SHOWN_MAX:] else ""
    listens = f"listens at {', '.join(where[:ADDRESSES_SHOWN_MAX])}{more}" if where else ""
    both = ", ".join(part for part in (listens, since) if part)
    # On a line of its own rather than broken in the middle.
    lines += [(said, "plain") for said in ([both] if len(both) <= cells else [listens, since])]
    lines += [(said, "plain") for said in (relay_words(status), finding_words(status)) if said]
    return lines


def reach_words(status: NodeStatus) -> str:
    """Whether others can reach this node, and at which address from outside."""
    reach = status.reachability
    words = reach.words or "whether others reach this node is not known yet"
    if reach.words == NOT_KNOWN:
        words = "whether others reach this node is not known yet"
    if reach.upnp == "mapped":
        words += ", the router opened a port"
    if reach.public:
        words += f", at {reach.public[0].split('/p2p/')[0]}"
    return words


def paused_words(paused: Pause, now: int) -> str:
    """That the node is paused, why, and until when."""
    said = "paused: the bytes of today are used up" if paused.reason == "day" else "paused"
    if paused.until:
        return f"{said}, goes on {wording.wait(paused.until - now)}"
    return said


def paused_line(paused: Pause, now: int) -> str:
    """The same, and what the key does about it."""
    key = "P goes on without the limit until midnight" if paused.reason == "day" else "P resumes"
    return f"{paused_words(paused, now)}; {key}"


def relay_words(status: NodeStatus) -> str:
    """What this node carries for others; empty while it relays for nobody."""
    relay = status.relay
    if not relay.serving:
        return ""
    waiting, circuits = wording.count(relay.reservations, "peer"), relay.circuits
    said = f"relays for {waiting}, {wording.count(circuits, 'circuit')} now"
    if relay.carried:
        said += f", {size_said(relay.carried)} carried"
    return said + (f", {relay.refused:,} refused" if relay.refused else "")


def finding_words(status: NodeStatus) -> str:
    """What looking in the wider network came to; empty while nothing was looked for."""
    finding = status.finding
    if finding is None or not (finding.dht_peers or finding.looked_up):
        return ""
    others = wording.count(finding.dht_peers, "node")
    said = f"looks through {others}: {finding.looked_up:,} looked up, {finding.found:,} found"
    return f"{said}; {finding.words}" if finding.words else said


def traffic_words(traffic: Traffic | None) -> str:
    """Bytes of today and the limits in force."""
    if traffic is None:
        return ""
    today = f"today {size_said(traffic.day_in)} in, {size_said(traffic.day_out)} out"
    limits: list[str] = []
    if traffic.per_day_max:
        limits.append(f"{size_said(traffic.per_day_max)} a day")
    if traffic.per_second_max:
        limits.append(f"{size_said(traffic.per_second_max)}/s")
    return f"{today}; at most {wording.listed(limits)}" if limits else f"{today}; no limit"


def offer_rows(status: NodeStatus, overview: Overview) -> list[tuple[Offer, str]]:
    """Public commons that peers offer and that are not joined, each with who offers it."""
    joined = {line.commons.hex() for line in overview.commons}
    who: dict[str, list[str]] = {}
    offers: dict[str, Offer] = {}
    told = [(peer.peer_id, peer.offers) for peer in (*status.lan, *status.peers)]
    for peer_id, offered in told:
        for offer in offered:
            if offer.commons in joined:
                continue
            offers.setdefault(offer.commons, offer)
            if peer_id not in who.setdefault(offer.commons, []):
                who[offer.commons].append(peer_id)
    names = dict(overview.peer_names)
    return [(offer, _offered_by(who[commons], names)) for commons, offer in offers.items()]


def offer_title(offer: Offer) -> str:
    """What an offered commons is called: its title, else the beginning of its id."""
    return offer.title or f"a commons that begins with {offer.commons[:10]}"


def nearby_words(status: NodeStatus, *, offered: bool) -> str:
    """What to say about this network where no commons of it can be joined."""
    if offered or not status.running:
        return ""
    seen = len(status.lan)
    if not seen:
        return "" if status.mode in {"friends", "off"} else "nobody seen on this network"
    return f"{wording.count(seen, 'node')} on this network; nothing offered that you have not"


def commons_lines(
    overview: Overview, status: NodeStatus, now: int, *, wide: bool = True
) -> list[tuple[str, str]]:
    """Each commons: how much is here, its four words, how it stands with the connected peers.

    Lines as (words, look); looks are those of the screens' styled lines. Narrow ones take two
    lines each, wide ones one for each thing said.
    """
    standing = {commons.commons: commons for commons in status.commons}
    connected = {peer.peer_id for peer in status.connected}
    lines: list[tuple[str, str]] = []
    for line in overview.commons:
        pairs = _pairs(standing.get(line.commons.hex()), connected, now)
        if wide:
            lines.append((line.title, "title"))
            lines.append((_amount(line), "plain"))
            if line.words:
                lines.append((" ".join(line.words), "words"))
            lines += [(said, "plain") for said in _taken_on(line)]
            lines += [*pairs, ("", "gap")]
        else:
            lines.append((f"{line.title}: {_amount(line)}", ""))
            said = [" ".join(line.words), *(said for said, _ in pairs), *_taken_on(line)]
            lines.append((f"  {', '.join(part for part in said if part)}", "plain"))
    return lines[:-1] if wide else lines


def advice_lines(status: NodeStatus, mode: str, now: int, overview: Overview) -> list[str]:
    """While no peer is reached: what was tried, when the next try is, the one thing to do."""
    if status.connected:
        return []
    if status.paused is not None:
        return [what_to_do(status, mode, invited=False)]
    lines: list[str] = []
    tried = [
        (peer, attempt)
        for peer in status.peers
        for attempt in peer.tried
        if attempt.error != CONNECTED
    ]
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


def _taken_on(line: CommonsLine) -> list[str]:
    """Who keeps a commons, and whether it is offered."""
    others, more = list(line.keepers[:KEEPERS_NAMED_MAX]), len(line.keepers) - KEEPERS_NAMED_MAX
    who = wording.listed((["you"] if line.kept else []) + others, max(0, more))
    lines = [f"kept by {who}"] if who else []
    return [*lines, "offered to people nearby"] if line.offered else lines


def _pairs(known: CommonsStatus | None, connected: set[str], now: int) -> list[tuple[str, str]]:
    pairs = [pair for pair in known.pairs if pair.peer_id in connected] if known else []
    equal = [pair for pair in pairs if pair.equal]
    if equal and len(equal) == len(pairs):
        with_whom = short_peer(equal[0].peer_id) if len(equal) == 1 else f"{len(equal)} peers"
        latest = max(pair.at for pair in equal)
        return [(f"equal with {with_whom} {wording.ago(latest, now)}", "good")]
    lines = [(f"equal with {wording.count(len(equal), 'peer')}", "good")] if equal else []
    others = [pair for pair in pairs if not pair.equal]
    lines += [
        (f"{pair_words(pair, now)} with {short_peer(pair.peer_id)}", "plain")
        for pair in others[:PAIRS_SHOWN_MAX]
    ]
    more = len(others) - PAIRS_SHOWN_MAX
    return [*lines, (f"and {more} more that differ", "plain")] if more > 0 else lines


def _offered_by(peers: Sequence[str], names: Mapping[str, str]) -> str:
    named = [names.get(peer) or words_of(peer) for peer in peers[:OFFERERS_NAMED_MAX]]
    return f"from {wording.listed(named, max(0, len(peers) - OFFERERS_NAMED_MAX))}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
