"""What must be so in every world, at every moment and in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.model.contribution import verify
from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.protocol.items import fingerprint_of
from p2pcommons.protocol.limits import FRAME_BYTES_MAX
from p2pcommons.store import Query

from .liars import Liar
from .network import WINDOW_BYTES

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution

    from .nodes import SimNode
    from .world import World

ROUNDS_MAX = 16
TIMES_TOLD_MAX = 2
"""What a power cut took away is told again."""
BYTES_A_SESSION_MAX = 1_500
"""Besides contributions: greetings and the comparison of small sets that differ a little."""
PEERS_MAX = 512


def check_on_the_way(world: World) -> None:
    """Look at every honest node, whatever it is doing."""
    for node in world.honest:
        _nothing_of_its_own_is_lost(world, node)
        _nothing_invented_is_held(world, node)
        _nobody_honest_is_blamed(world, node)
        _limits_are_kept(world, node)


def check_end(world: World) -> None:
    """Look at what came of it: all honest replicas hold and show the same."""
    for commons in world.commons:
        held = {node.peer_id: _ids(node, commons) for node in world.honest}
        union = set[bytes]().union(*held.values())
        for peer_id, ids in held.items():
            missing = [each.hex()[:10] for each in sorted(union - ids)]
            assert not missing, f"{peer_id} lacks {missing} of {len(union)}"
    shown = {node.peer_id: _shown(node) for node in world.honest}
    for peer_id, what in shown.items():
        assert what == shown[world.honest[0].peer_id], f"{peer_id} shows something else"
    for node in world.honest:
        _figures_are_right(world, node)
    _little_was_said(world)
    looked_at = world.chance.choice(world.honest)
    assert looked_at.store.views_differences() == []
    _everything_is_signed(looked_at, world)


def _ids(node: SimNode, commons: bytes) -> set[bytes]:
    return {identifier for _, identifier in node.store.items(commons)}


def _nothing_of_its_own_is_lost(world: World, node: SimNode) -> None:
    held = set[bytes]().union(*(_ids(node, commons) for commons in world.commons))
    lost = [each.hex()[:10] for each in node.acknowledged if each not in held]
    assert not lost, f"{node.peer_id} lost {lost} of its own"


def _nothing_invented_is_held(world: World, node: SimNode) -> None:
    for commons in world.commons:
        for identifier in _ids(node, commons):
            made = world.made.get(identifier)
            assert made is not None, f"{node.peer_id} holds what nobody made"
            assert made.commons == commons, f"{node.peer_id} holds it in the wrong commons"


def _nobody_honest_is_blamed(world: World, node: SimNode) -> None:
    for other in world.honest:
        faults = world.faults_of(node, other)
        assert not faults, f"{node.peer_id} on {other.peer_id}: {faults}"


def _limits_are_kept(world: World, node: SimNode) -> None:
    traffic = world.net.traffic
    if not any(isinstance(each, Liar) for each in world.nodes):
        assert traffic.frame_bytes_max <= FRAME_BYTES_MAX
    assert traffic.buffered_bytes_max <= WINDOW_BYTES + FRAME_BYTES_MAX
    if node.context is None:
        return
    state = node.context.state
    assert len(state.peers) <= PEERS_MAX
    for peer in state.peers.values():
        for exchange in peer.exchanges.values():
            assert exchange.result is None or exchange.result.rounds <= ROUNDS_MAX


def _little_was_said(world: World) -> None:
    """Everything to everybody, and little more for each session: nothing goes in circles."""
    if len(world.honest) < len(world.nodes):
        return
    everything = sum(_envelope_bytes(each) for each in world.made.values())
    allowed = (
        TIMES_TOLD_MAX * len(world.nodes) * everything
        + BYTES_A_SESSION_MAX * world.net.traffic.streams
    )
    assert world.net.traffic.frame_bytes <= allowed


def _envelope_bytes(contribution: Contribution) -> int:
    return len(contribution.header_bytes) + 2 * 64 + len(contribution.body or b"") + 16


def _figures_are_right(world: World, node: SimNode) -> None:
    """The figures that are kept up to date are those that a count gives."""
    for commons in world.commons:
        ids = sorted(_ids(node, commons))
        digest = node.store.digest(commons)
        assert (digest.count, digest.fingerprint) == (len(ids), fingerprint_of(ids))


def _everything_is_signed(node: SimNode, world: World) -> None:
    for commons in world.commons:
        for identifier, envelope in node.store.envelopes(
            commons, sorted(_ids(node, commons))
        ).items():
            assert verify(envelope).id == identifier


def _shown(node: SimNode) -> list[tuple[object, ...]]:
    """Return every entry as a list shows it, without what is a matter of this machine alone."""
    store = node.store
    rows = store.entry_rows(store.entry_ids(Query(), now=CLAIMED_AT_MAX))
    return sorted(
        (row.id, row.title, sorted(row.tags), row.author, row.name, row.versions, row.heads)
        for row in rows
    )
