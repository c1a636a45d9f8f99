"""What simulated worlds have found, each as a test of its own."""

from __future__ import annotations

from p2pcommons.model.limits import CLAIMED_AT_MAX
from p2pcommons.node.context import within_format

from .stores import open_store


def test_a_power_cut_after_an_invite_still_leaves_somebody_to_meet() -> None:
    store = open_store(keeps_images=True)
    store.join_commons(bytes(32), now=1)
    store.upsert_peer("somebody", ["/ip4/10.0.0.1/tcp/4001"], source="invite", now=1)
    store.upsert_peer("neighbour", ["/ip4/10.0.0.2/tcp/4001"], source="connected", now=1)
    with open_store(store.database.on_disk) as after:
        assert [row.peer_id for row in after.peers()] == ["somebody"]
    store.close()


def test_a_clock_outside_the_years_of_the_format_is_taken_for_the_nearest() -> None:
    assert within_format(-5) == 0
    assert within_format(1_790_000_000.9) == 1_790_000_000
    assert {within_format(2.0**63), within_format(2**64)} == {CLAIMED_AT_MAX}
