"""Who is near to what, and who said to hold it: within bounds, whatever is told."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libp2p.kad_dht.kad_dht import _encode_key

from p2pcommons.protocol import kademlia
from p2pcommons.protocol.kademlia import (
    BUCKET_PEERS_MAX,
    BUCKET_PEERS_PER_NETWORK_MAX,
    FAILURES_MAX,
    KEYS_PER_PEER_MAX,
    PROVIDER_SECONDS,
    PROVIDERS_PER_KEY_AND_NETWORK_MAX,
    PROVIDERS_PER_KEY_MAX,
    REFRESH_SECONDS,
    STALE_SECONDS,
    ProviderStore,
    RoutingTable,
    place_of,
    place_of_peer,
    provider_cid,
    provider_key,
)
from p2pcommons.protocol.topic import gossip_topic

from .contacts import contact, peer_id

OWN = peer_id(1_000_000)
OWN_PLACE = place_of_peer(OWN)
COMMONS = bytes(range(32))


def key(number: int) -> bytes:
    return provider_key(number.to_bytes(32, "big"))


def test_a_commons_is_looked_up_by_the_hash_of_its_topic_which_does_not_name_it() -> None:
    found = provider_key(COMMONS)
    assert found == b"\x12\x20" + hashlib.sha256(gossip_topic(COMMONS).encode()).digest()
    assert COMMONS not in found
    cid = provider_cid(COMMONS)
    padded = cid[1:].upper() + "=" * (-len(cid[1:]) % 8)
    assert base64.b32decode(padded) == b"\x01\x55" + found
    # What another program makes of the CID is the key that ours asks for.
    assert _encode_key(cid) == found


@given(st.lists(st.integers(0, 5_000), max_size=300), st.integers(0, 5_000))
@settings(max_examples=50, deadline=None)
def test_the_nearest_are_found_and_no_distance_keeps_more_than_its_share(
    numbers: list[int], target: int
) -> None:
    table = RoutingTable(OWN)
    for number in numbers:
        table.heard(contact(number), 0)
    kept = {each.peer_id for each in table}
    place = place_of(key(target))
    nearest = sorted(kept, key=lambda each: place_of_peer(each) ^ place)[:BUCKET_PEERS_MAX]
    assert [each.peer_id for each in table.closest(place)] == nearest
    own = place_of_peer(OWN)
    buckets: dict[int, int] = {}
    for each in kept:
        distance = (place_of_peer(each) ^ own).bit_length()
        buckets[distance] = buckets.get(distance, 0) + 1
    assert max(buckets.values(), default=0) <= BUCKET_PEERS_MAX
    assert len(table) == len(kept)


def test_who_is_known_and_answers_is_not_pushed_out_by_newcomers() -> None:
    table = RoutingTable(OWN)
    for number in range(600):
        table.heard(contact(number), 0)
    before = {each.peer_id for each in table}
    for number in range(600, 1_200):
        table.heard(contact(number), STALE_SECONDS - 1)
    assert before <= {each.peer_id for each in table}
    for number in range(1_200, 1_800):
        table.heard(contact(number), STALE_SECONDS + 1)
    far = [each.peer_id for each in table.closest(~place_of_peer(OWN) % 2**256)]
    assert not before & set(far)


def test_who_does_not_answer_is_forgotten_and_makes_room() -> None:
    table = RoutingTable(OWN)
    table.heard(contact(1), 0)
    for _ in range(FAILURES_MAX):
        assert peer_id(1) in table
        table.failed(peer_id(1))
    assert peer_id(1) not in table
    table.heard(contact(2), 0)
    table.failed(peer_id(2))
    table.heard(contact(2), 1)
    table.failed(peer_id(2))
    assert peer_id(2) in table
    table.failed("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN")


def test_this_node_and_whoever_has_no_address_are_not_in_the_table() -> None:
    table = RoutingTable(OWN)
    assert not table.heard(contact(1_000_000), 0)
    assert not table.heard(type(contact(1))(peer_id(1)), 0)
    assert len(table) == 0


def test_one_network_does_not_fill_a_distance() -> None:
    table = RoutingTable(OWN)
    for number in range(500):
        table.heard(contact(number, f"/ip4/9.9.9.{number % 250}/tcp/4001"), 0)
    own = place_of_peer(OWN)
    distances = [(place_of_peer(each.peer_id) ^ own).bit_length() for each in table]
    assert max(distances.count(each) for each in distances) == BUCKET_PEERS_PER_NETWORK_MAX


def test_a_hint_is_given_until_it_is_not_refreshed_any_more() -> None:
    hints = ProviderStore(OWN)
    assert hints.add(key(1), contact(1), 0)
    assert hints.add(key(1), contact(2), REFRESH_SECONDS)
    assert hints.providers(key(1), PROVIDER_SECONDS - 1) == [contact(2), contact(1)]
    assert hints.providers(key(1), PROVIDER_SECONDS) == [contact(2)]
    moved = contact(2, "/ip4/1.2.3.4/tcp/1")
    hints.add(key(1), moved, PROVIDER_SECONDS)
    assert hints.providers(key(1), PROVIDER_SECONDS) == [moved]
    hints.forget_old(10 * PROVIDER_SECONDS)
    assert len(hints) == 0


def test_who_goes_on_holding_keeps_the_place_and_who_stopped_gives_it_up() -> None:
    hints = ProviderStore(OWN)
    for number in range(PROVIDERS_PER_KEY_MAX):
        assert hints.add(key(1), contact(number), 0)
    assert not hints.add(key(1), contact(99), REFRESH_SECONDS)
    for number in range(1, PROVIDERS_PER_KEY_MAX):
        hints.add(key(1), contact(number), REFRESH_SECONDS)
    assert hints.add(key(1), contact(99), 2 * REFRESH_SECONDS)
    named = {each.peer_id for each in hints.providers(key(1), 2 * REFRESH_SECONDS)}
    assert peer_id(99) in named
    assert peer_id(0) not in named


def test_one_network_is_not_all_holders_of_a_commons() -> None:
    hints = ProviderStore(OWN)
    taken = [
        hints.add(key(1), contact(number, f"/ip4/9.9.9.{number}/tcp/4001"), 0)
        for number in range(10)
    ]
    assert sum(taken) == PROVIDERS_PER_KEY_AND_NETWORK_MAX
    assert hints.add(key(1), contact(99), 0)


def test_claimed_addresses_in_many_networks_do_not_make_one_machine_many_holders() -> None:
    hints, table = ProviderStore(OWN), RoutingTable(OWN)
    source = {"9.9.0.0/16"}
    liars = [
        contact(number, f"/ip4/{number + 11}.9.9.9/tcp/1", f"/dns4/n{number}.example/tcp/1")
        for number in range(200)
    ]
    assert sum(hints.add(key(1), each, 0, source) for each in liars) == (
        PROVIDERS_PER_KEY_AND_NETWORK_MAX
    )
    for each in liars:
        table.heard(each, 0, source)
    kept = [OWN_PLACE ^ place_of_peer(each.peer_id) for each in table]
    for distance in {each.bit_length() for each in kept}:
        alike = sum(each.bit_length() == distance for each in kept)
        assert alike <= BUCKET_PEERS_PER_NETWORK_MAX
    assert hints.add(key(1), contact(999, "/ip4/8.8.8.8/tcp/1"), 0)


def test_giving_a_hint_again_does_not_lead_into_a_network_that_is_full() -> None:
    hints = ProviderStore(OWN)
    for number in range(PROVIDERS_PER_KEY_AND_NETWORK_MAX):
        assert hints.add(key(1), contact(number, f"/ip4/9.9.9.{number}/tcp/4001"), 0)
    elsewhere = contact(50, "/ip4/8.8.8.8/tcp/1")
    assert hints.add(key(1), elsewhere, 0)
    assert not hints.add(key(1), contact(50, "/ip4/9.9.9.50/tcp/4001"), 1)
    assert not hints.add(key(1), contact(50, "/ip4/8.8.8.8/tcp/1", "/ip4/9.9.9.50/tcp/4001"), 1)
    assert elsewhere in hints.providers(key(1), 1), "what it said before stays"
    assert hints.add(key(1), contact(0, "/ip4/9.9.9.77/tcp/4001"), 1), "it has its place there"
    assert hints.add(key(1), contact(50, "/ip4/7.7.7.7/tcp/1"), 1), "there is room"


def test_giving_hints_again_does_not_fill_a_network_beyond_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kademlia, "HINTS_PER_NETWORK_MAX", 5)
    hints = ProviderStore(OWN)
    for number in range(20):
        assert hints.add(key(number), contact(number), 0, {f"{number}.0.0.0/24"})
    moved = [hints.add(key(number), contact(number), 1, {"9.9.9.0/24"}) for number in range(20)]
    assert sum(moved) == 5
    assert len(hints) == 20


def test_one_peer_gives_a_bounded_number_of_hints() -> None:
    hints = ProviderStore(OWN)
    taken = [hints.add(key(number), contact(1), 0) for number in range(KEYS_PER_PEER_MAX + 50)]
    assert sum(taken) == len(hints) == KEYS_PER_PEER_MAX


def test_a_full_store_keeps_what_is_nearest_to_this_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kademlia, "HINTS_MAX", 500)
    hints = ProviderStore(OWN)
    for number in range(500):
        hints.add(key(number), contact(number // 200), 0)
    assert len(hints) == 500
    own = place_of_peer(OWN)
    distances = [place_of(key(number)) ^ own for number in range(500)]
    others = range(500, 50_000)
    farther = next(each for each in others if place_of(key(each)) ^ own > max(distances))
    nearer = next(each for each in others if place_of(key(each)) ^ own < min(distances))
    assert not hints.add(key(farther), contact(9_999), 1)
    assert hints.add(key(nearer), contact(9_999), 1)
    assert len(hints) == 500


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 30), st.integers(0, 4 * REFRESH_SECONDS)),
        max_size=120,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_is_counted_is_what_is_there(told: list[tuple[int, int, int]]) -> None:
    hints = ProviderStore(OWN)
    now = 0
    for number, holder, pause in told:
        now += pause
        hints.add(key(number), contact(holder), now)
        assert len(hints.providers(key(number), now)) <= PROVIDERS_PER_KEY_MAX
    hints.forget_old(now)
    named = [hints.providers(key(number), now) for number in range(7)]
    assert len(hints) == sum(len(each) for each in named)
    assert all(len({each.peer_id for each in some}) == len(some) for some in named)
    hints.forget_old(now + PROVIDER_SECONDS)
    assert len(hints) == 0
    assert not hints._by_peer
    assert not hints._by_network
