"""A node finds out how it can be reached: whom it asks, what it announces, what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import trio
import trio.testing

from p2pcommons.net.hole_punching import PunchReport
from p2pcommons.net.reachability import DialBackReport
from p2pcommons.node import punching as punching_module
from p2pcommons.node.port_mapping import mappable_port
from p2pcommons.node.reachability import Reachability
from p2pcommons.node.state import NodeState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

ME = "12D3KooWMe"
HOME = "/ip4/192.168.1.7/tcp/4001"
SEEN = "9.9.9.9"
OUTSIDE = f"/ip4/{SEEN}/tcp/4001"
LOST = DialBackReport(False, None, "it could not connect")
CAME = DialBackReport(True, OUTSIDE)
CIRCUIT = "/ip4/8.8.4.4/tcp/1/p2p/12D3KooWRelayabc123/p2p-circuit"


class Peers(dict[str, str]):
    """Who is connected, by peer id, with an address. Tells of who comes."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = trio.Event()

    def __setitem__(self, peer_id: str, address: str) -> None:
        super().__setitem__(peer_id, address)
        changed, self.changed = self.changed, trio.Event()
        changed.set()


@dataclass
class World:
    """A host, its NATs and its peers, as far as this part of a node sees them."""

    peers: Peers = field(default_factory=Peers)
    answers: dict[str, DialBackReport] = field(default_factory=dict[str, DialBackReport])
    home: str = HOME
    announced: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[Any])
    punched: list[str] = field(default_factory=list[str])
    holes: set[str] = field(default_factory=set[str])
    state: NodeState = field(default_factory=NodeState)
    peer_id: str = ME
    looks: int = 0
    slept: int = 0
    node: Reachability = field(init=False)

    # The host

    def connected_peers(self) -> tuple[str, ...]:
        return tuple(self.peers)

    def remote_addresses(self, peer_id: str) -> tuple[str, ...]:
        return (self.peers[peer_id],)

    def path_to(self, peer_id: str) -> tuple[str, str | None]:
        return ("relayed" if "/p2p-circuit" in self.peers[peer_id] else "direct", None)

    def addresses(self) -> list[str]:
        return [self.home, *(each for some in self.announced.values() for each in some)]

    def set_announced(self, key: str, addresses: Sequence[str]) -> None:
        self.announced[key] = tuple(addresses)

    # Its NATs

    async def run(
        self, _own: Callable[[], Awaitable[Sequence[str]]], _welcome: Callable[[str], bool]
    ) -> None:
        await trio.sleep_forever()

    @property
    def changes(self) -> int:
        self.looks += 1
        return self.looks

    @property
    def changed(self) -> trio.Event:
        return self.peers.changed

    def listening(self) -> tuple[str, ...]:
        return (self.home,)

    async def seen_as(self, _peer_id: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return SEEN

    async def ask(self, peer_id: str, addresses: Sequence[str]) -> DialBackReport:
        await trio.lowlevel.checkpoint()
        self.asked.append((peer_id, tuple(addresses)))
        return self.answers.get(peer_id, DialBackReport(None))

    def is_ours_to_punch(self, peer_id: str) -> bool:
        return "/p2p-circuit" in self.peers[peer_id]

    def has_hole_for(self, peer_id: str) -> bool:
        return peer_id in self.holes

    async def punch(self, peer_id: str) -> PunchReport:
        await trio.lowlevel.checkpoint()
        self.punched.append(peer_id)
        return PunchReport(False, "the dials did not meet")

    # What is seen

    def meet(self, peer_id: str, ip: str, answer: DialBackReport) -> None:
        self.peers[peer_id] = f"/ip4/{ip}/tcp/4001"
        self.answers[peer_id] = answer

    @property
    def words(self) -> str:
        self.node.look()
        return self.state.reachability.words


def _off(_name: str) -> bool:
    return False


def in_a_world(story: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a story; its hours pass at once."""

    async def live() -> None:
        world = World()
        context = SimpleNamespace(
            state=world.state,
            chance=Random(1),
            now=lambda: int(trio.current_time()) + world.slept,
            config=SimpleNamespace(flag=_off),
        )
        world.node = Reachability(
            cast(Any, context), cast(Any, world), cast(Any, world), lambda run: run()
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.node.run)
            await story(world)
            nursery.cancel_scope.cancel()

    def test() -> None:
        trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))

    return test


@in_a_world
async def test_somebody_outside_gets_through(world: World) -> None:
    await trio.sleep(2)
    assert world.words == "not known yet"
    world.peers["neighbour"] = "/ip4/192.168.1.9/tcp/4001"
    await trio.sleep(2)
    assert world.words == "LAN only"
    assert world.asked == []
    world.meet("one", "8.8.8.8", CAME)
    await trio.sleep(3)
    assert world.asked == [("one", (OUTSIDE,))]
    assert world.words == "reachable"
    assert world.announced["public"] == (OUTSIDE,)
    assert world.state.reachability.public == (f"{OUTSIDE}/p2p/{ME}",)


@in_a_world
async def test_nobody_gets_through(world: World) -> None:
    world.meet("one", "8.8.8.8", LOST)
    await trio.sleep(5)
    assert world.words == "not known yet"
    world.meet("two", "8.8.4.4", LOST)
    await trio.sleep(5)
    assert world.words == "behind NAT, no relay yet"
    world.announced["circuits"] = (CIRCUIT,)
    await trio.sleep(2)
    assert world.words == "behind NAT, relayed by …abc123"
    assert world.announced["public"] == ()


@in_a_world
async def test_the_only_one_is_asked_twice(world: World) -> None:
    world.meet("one", "8.8.8.8", LOST)
    await trio.sleep(20)
    assert len(world.asked) == 2
    assert world.words == "behind NAT, no relay yet"


@in_a_world
async def test_when_the_addresses_change_everybody_is_asked_anew(world: World) -> None:
    world.meet("one", "8.8.8.8", CAME)
    await trio.sleep(3)
    assert world.words == "reachable"
    world.home, world.answers["one"] = "/ip4/10.0.0.4/tcp/4001", DialBackReport(None)
    world.node.addresses_changed()
    await trio.sleep(10)
    assert world.words == "not known yet"
    assert world.announced["public"] == ()


@in_a_world
async def test_after_a_sleep_everybody_is_asked_again(world: World) -> None:
    for number in range(1, 4):
        world.meet(f"peer {number}", f"8.8.8.{number}", CAME)
    await trio.sleep(100)
    assert len(world.asked) == 3
    world.slept = 3_600
    await trio.sleep(10)
    assert len(world.asked) == 6
    assert world.words == "reachable"


@in_a_world
async def test_a_router_that_claims_another_address_is_not_believed(world: World) -> None:
    world.node.mapped(["/ip4/5.5.5.5/tcp/4001"], "mapped")
    await trio.sleep(2)
    assert world.announced["public"] == ("/ip4/5.5.5.5/tcp/4001",)
    world.meet("one", "8.8.8.8", DialBackReport(None))
    await trio.sleep(3)
    assert world.announced["public"] == ()
    world.node.mapped([OUTSIDE], "mapped")
    await trio.sleep(3)
    assert world.announced["public"] == (OUTSIDE,)
    assert world.state.reachability.upnp == "mapped"


@in_a_world
async def test_who_is_let_in_through_a_hole_of_its_own_is_not_asked(world: World) -> None:
    world.holes.add("one")
    world.meet("one", "8.8.8.8", CAME)
    await trio.sleep(10)
    assert world.asked == []
    assert world.words == "LAN only"


@in_a_world
async def test_neighbours_with_addresses_of_the_internet_are_not_outside(world: World) -> None:
    world.home = "/ip6/2600:1:2:3::7/tcp/4001"
    world.state.lan["seen"] = ()
    world.meet("seen", "8.8.8.8", CAME)
    world.peers["beside"] = "/ip6/2600:1:2:3::8/tcp/4001"
    await trio.sleep(5)
    assert world.words == "LAN only"
    assert world.asked == []


@in_a_world
async def test_with_answers_nobody_is_asked_all_the_time(world: World) -> None:
    for number in range(1, 6):
        world.meet(f"peer {number}", f"8.8.8.{number}", CAME)
    await trio.sleep(3_000)
    assert len(world.asked) < 20


@in_a_world
async def test_direct_connections_are_sought_a_few_times_and_then_rarely(world: World) -> None:
    world.peers["friend"] = world.peers["stranger"] = CIRCUIT
    world.state.peer("friend").shared = frozenset({b"a commons"})
    await trio.sleep(60)
    assert world.punched == ["friend"] * 3
    await trio.sleep(2 * punching_module.PAUSES[-1])
    assert len(world.punched) in (4, 5)
    world.home = "/ip4/10.0.0.4/tcp/4001"
    await trio.sleep(60)
    assert len(world.punched) in (7, 8)


def test_only_a_private_address_needs_a_port_of_the_router() -> None:
    assert mappable_port([HOME]) == 4001
    for address in ("/ip4/127.0.0.1/tcp/1", "/ip4/9.9.9.9/tcp/1", "/ip6/fd00::1/tcp/1"):
        assert mappable_port([address]) is None
