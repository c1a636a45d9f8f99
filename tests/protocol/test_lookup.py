"""A search finds what is there among dead and lying peers, and ends."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.protocol.kademlia import (
    BUCKET_PEERS_MAX,
    ProviderStore,
    RoutingTable,
    place_of,
    place_of_peer,
    provider_key,
)
from p2pcommons.protocol.kademlia_messages import Contact
from p2pcommons.protocol.lookup import (
    ALPHA,
    ASKED_MAX,
    ASKED_PER_NETWORK_MAX,
    PROVIDERS_MAX,
    Lookup,
)

from .contacts import contact, peer_id

OWN = peer_id(1_000_000)
KEY = provider_key(bytes(32))
PLACE = place_of(KEY)


class World:
    """Peers with routing tables and hints, some of them dead."""

    def __init__(self, size: int, chance: Random) -> None:
        self.contacts = [contact(number) for number in range(size)]
        self.tables = {each.peer_id: RoutingTable(each.peer_id) for each in self.contacts}
        self.hints = {each.peer_id: ProviderStore(each.peer_id) for each in self.contacts}
        self.dead: set[str] = set()
        for each in self.contacts:
            place = place_of_peer(each.peer_id)
            ranked = sorted(self.contacts, key=lambda other: place_of_peer(other.peer_id) ^ place)
            for other in [*ranked[1 : BUCKET_PEERS_MAX + 1], *chance.sample(self.contacts, 2)]:
                self.tables[each.peer_id].heard(other, 0)

    def kill(self, count: int, chance: Random) -> list[Contact]:
        self.dead = {each.peer_id for each in chance.sample(self.contacts, count)}
        return [each for each in self.contacts if each.peer_id not in self.dead]

    def search(self, place: int, seeds: list[Contact], key: bytes = b"") -> Lookup:
        lookup = Lookup(place, OWN, seeds)
        while not lookup.is_over:
            asked = [found for _ in range(ALPHA + 2) if (found := lookup.next()) is not None]
            assert len(asked) <= ALPHA
            for each in asked:
                if each.peer_id in self.dead or each.peer_id not in self.tables:
                    lookup.failed(each.peer_id)
                    continue
                closer = self.tables[each.peer_id].closest(place)
                lookup.heard(each.peer_id, closer, self.hints[each.peer_id].providers(key, 0))
        return lookup


@given(st.integers(2, 80), st.floats(0, 0.4), st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_what_the_nearest_were_told_is_found_though_some_have_died(
    size: int, dying: float, seed: int
) -> None:
    chance = Random(seed)
    world = World(size, chance)
    holder = contact(500_000)
    for near in world.search(PLACE, world.contacts[:3]).closest():
        world.hints[near.peer_id].add(KEY, holder, 0)
    alive = world.kill(int(size * dying), chance)
    lookup = world.search(PLACE, [chance.choice(alive)], KEY)
    assert set(lookup.providers) == {holder.peer_id}
    assert lookup.asked <= ASKED_MAX


def test_the_nearest_that_answer_are_told_apart_from_the_dead() -> None:
    world = World(60, Random(5))
    alive = world.kill(20, Random(6))
    lookup = world.search(PLACE, alive[:2])
    wanted = sorted(alive, key=lambda each: place_of_peer(each.peer_id) ^ PLACE)
    found = [each.peer_id for each in lookup.closest()]
    assert len(set(found) & {each.peer_id for each in wanted[:BUCKET_PEERS_MAX]}) >= 16
    assert set(lookup.failures) <= world.dead


def test_liars_that_name_ever_nearer_peers_are_not_followed_without_end() -> None:
    made_up = sorted(
        (contact(number) for number in range(3_000)),
        key=lambda each: -(place_of_peer(each.peer_id) ^ PLACE),
    )
    lookup = Lookup(PLACE, OWN, made_up[:1])
    while not lookup.is_over:
        asked = lookup.next()
        assert asked is not None
        at = made_up.index(asked)
        lookup.heard(asked.peer_id, made_up[at + 1 : at + 21])
    assert lookup.asked == ASKED_MAX


def test_answers_do_not_send_a_crowd_to_one_network() -> None:
    crowd = [contact(number, f"/ip4/9.9.9.{number}/tcp/80") for number in range(1, 60)]
    lookup = Lookup(PLACE, OWN, [contact(0)])
    asked = lookup.next()
    assert asked is not None
    lookup.heard(asked.peer_id, crowd)
    dialled = 0
    while (found := lookup.next()) is not None:
        dialled += 1
        lookup.failed(found.peer_id)
    assert dialled == ASKED_PER_NETWORK_MAX
    assert lookup.is_over


def test_holders_are_named_once_and_their_addresses_added_up() -> None:
    lookup = Lookup(PLACE, OWN, [contact(0), contact(1)])
    first, second = lookup.next(), lookup.next()
    assert first is not None
    assert second is not None
    there, here = "/ip4/1.2.3.4/tcp/1", "/ip4/5.6.7.8/tcp/1"
    own = Contact(OWN, (here,))
    assert lookup.heard(first.peer_id, [], [contact(7, there), own]) == [contact(7, there)]
    assert lookup.heard(second.peer_id, [], [contact(7, here)]) == []
    assert list(lookup.providers) == [peer_id(7)]
    assert lookup.providers[peer_id(7)].by == 2
    assert lookup.providers[peer_id(7)].contact.addresses == (there, here)


def test_a_liar_names_no_more_holders_than_are_taken() -> None:
    lookup = Lookup(PLACE, OWN, [contact(0)])
    asked = lookup.next()
    assert asked is not None
    lookup.heard(asked.peer_id, [], [contact(number) for number in range(1, 100)])
    assert len(lookup.providers) == PROVIDERS_MAX
    assert lookup.heard(asked.peer_id, [], [contact(200)]) == []


def test_who_is_connected_is_asked_in_any_case() -> None:
    near = sorted(
        (contact(number) for number in range(200)),
        key=lambda each: place_of_peer(each.peer_id) ^ PLACE,
    )
    far = near[-1].peer_id
    lookup = Lookup(PLACE, OWN, near, first=[far, "unknown"])
    first = lookup.next()
    assert first is not None
    assert first.peer_id == far
    lookup.heard(far, [])
    while (found := lookup.next()) is not None:
        lookup.heard(found.peer_id, [])
    assert lookup.is_over
    assert lookup.answered == BUCKET_PEERS_MAX + 1
