"""The directory over real libp2p: found among the dead, and nothing a peer says ends a node."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from libp2p import new_host
from libp2p.kad_dht import common, kad_dht, peer_routing, provider_store, value_store
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from tests.protocol.contacts import peer_id

from p2pcommons.errors import RejectedError
from p2pcommons.net.host import Host, open_host
from p2pcommons.node import directory as under_test
from p2pcommons.node.directory import Directory
from p2pcommons.node.state import NodeState
from p2pcommons.protocol.addresses import without_peer
from p2pcommons.protocol.budget import TokenBucket
from p2pcommons.protocol.kademlia import (
    PROVIDERS_PER_KEY_AND_NETWORK_MAX,
    provider_cid,
    provider_key,
)
from p2pcommons.protocol.kademlia_messages import (
    KAD_PROTOCOL,
    MESSAGE_BYTES_MAX,
    Contact,
    Kind,
    Message,
    encode_message,
)
from p2pcommons.protocol.varint import write_varint

pytestmark = [pytest.mark.trio, pytest.mark.network]

KEY = provider_key(bytes(32))
NONSENSE = {
    "garbage": write_varint(3) + b"\xff\xff\xff",
    "too large": write_varint(MESSAGE_BYTES_MAX + 1),
    "no length": b"\xff" * 10,
    "a value": write_varint(2) + b"\x08\x01",
    "about nothing": write_varint(2) + b"\x08\x04",
}
OTHER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@dataclass
class Member:
    """A host with its part of the directory, and nothing else of a node."""

    host: Host
    directory: Directory
    blamed: list[tuple[str, str]] = field(default_factory=list)
    state: NodeState = field(default_factory=NodeState)

    @property
    def contact(self) -> Contact:
        peer_id = self.host.peer_id
        return Contact(
            peer_id, tuple(without_peer(each, peer_id) for each in self.host.addresses())
        )


@asynccontextmanager
async def open_member(number: int) -> AsyncGenerator[Member]:
    async with open_host(number.to_bytes(32, "big"), ["/ip4/127.0.0.1/tcp/0"]) as host:
        state, blamed = NodeState(), list[tuple[str, str]]()
        context: Any = SimpleNamespace(state=state, now=lambda: 0, chance=Random(number))
        directory = Directory(context, host, lambda peer_id, why: blamed.append((peer_id, why)))
        directory.serve()
        yield Member(host, directory, blamed, state)


async def member(stack: AsyncExitStack, number: int) -> Member:
    return await stack.enter_async_context(open_member(number))


@dataclass
class Mortal:
    """A member that can die before the others: its port is closed then, like a process's."""

    member: Member
    death: trio.Event
    gone: trio.Event

    @classmethod
    async def born(cls, nursery: trio.Nursery, number: int) -> Mortal:
        return await nursery.start(cls._live, number)

    @classmethod
    async def _live(cls, number: int, task_status: Any) -> None:
        async with open_member(number) as opened:
            mortal = cls(opened, trio.Event(), trio.Event())
            task_status.started(mortal)
            await mortal.death.wait()
        mortal.gone.set()

    async def die(self) -> None:
        self.death.set()
        await self.gone.wait()


async def join(newcomer: Member, known: Member) -> None:
    await newcomer.directory.ask(known.contact, Kind.FIND_NODE, newcomer.directory.own_key)
    await newcomer.directory.walk(Kind.FIND_NODE, newcomer.directory.own_key)


async def say(holder: Member) -> None:
    holder.directory.held = frozenset({KEY})
    for near in (await holder.directory.walk(Kind.FIND_NODE, KEY)).closest():
        await holder.directory.tell(near, [KEY])


async def test_a_living_holder_is_found_when_7_of_20_nodes_have_died() -> None:
    async with trio.open_nursery() as nursery:
        mortals = [await Mortal.born(nursery, number) for number in range(1, 21)]
        members = [each.member for each in mortals]
        for each in members:
            for other in members:
                each.directory.table.heard(other.contact, trio.current_time())
        for holder in (members[3], members[10]):
            await say(holder)
        # Among them the one by whom all others came in, and one of the two holders.
        for mortal in mortals[:7]:
            await mortal.die()
        dead, living = ({each.host.peer_id for each in some} for some in (members[:7], members[7:]))
        newcomer = (await Mortal.born(nursery, 21)).member
        await join(newcomer, members[10])
        named: list[Contact] = []
        lookup = newcomer.directory.begin(KEY)
        await newcomer.directory.pursue(lookup, Kind.GET_PROVIDERS, KEY, named.append)
        assert sorted(each.peer_id for each in named) == sorted(
            [members[3].host.peer_id, members[10].host.peer_id]
        )
        assert members[10].contact in named
        assert lookup.answered >= 10
        assert set(lookup.failures) <= dead
        # Who is dead is named no more after a second search without an answer.
        await newcomer.directory.walk(Kind.GET_PROVIDERS, KEY)
        assert {each.peer_id for each in newcomer.directory.table} <= living
        assert not any(each.blamed for each in members)
        nursery.cancel_scope.cancel()


async def test_who_was_dialled_for_a_question_alone_is_let_go_and_a_friend_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(under_test, "LINGER_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        ana, ben, eva, dan = [await member(stack, number) for number in range(1, 5)]
        for other in (ben, eva, dan):
            await ana.directory.ask(other.contact, Kind.PING, b"")
        ana.state.peer(ben.host.peer_id).shared = frozenset({bytes(32)})
        ana.directory.kept = frozenset({eva.host.peer_id})
        await ana.directory.let_go()
        assert set(ana.host.connected_peers()) == {ben.host.peer_id, eva.host.peer_id}


async def test_what_is_no_message_ends_the_stream_and_is_held_against_the_peer() -> None:
    async with AsyncExitStack() as stack:
        ana, eve = await member(stack, 1), await member(stack, 2)
        await eve.host.dial(ana.host.peer_id, ana.host.addresses())
        for number, nonsense in enumerate(NONSENSE.values(), start=1):
            stream = await eve.host.open_stream(ana.host.peer_id, KAD_PROTOCOL)
            await stream.write(nonsense)
            with trio.fail_after(5):
                assert await stream.read_frame(100) is None
            assert [peer_id for peer_id, _ in ana.blamed] == [eve.host.peer_id] * number
        ben = await member(stack, 3)
        assert (await ben.directory.ask(ana.contact, Kind.PING, b"")).kind is Kind.PING


async def test_who_asks_without_end_is_answered_no_more_and_others_are() -> None:
    async with AsyncExitStack() as stack:
        ana, eve, ben = [await member(stack, number) for number in range(1, 4)]
        await eve.directory.ask(ana.contact, Kind.PING, b"")
        stream = await eve.host.open_stream(ana.host.peer_id, KAD_PROTOCOL)
        ana.directory._budgets[eve.host.peer_id] = TokenBucket(0.001, 5)
        question = encode_message(Message(Kind.FIND_NODE, KEY))
        for _ in range(5):
            await stream.write_frame(question)
            assert await stream.read_frame(1_000)
        await stream.write_frame(question)
        assert await stream.read_frame(1_000) is None
        assert "again and again" in ana.state.peer(eve.host.peer_id).slowed
        assert (await ben.directory.ask(ana.contact, Kind.PING, b"")).kind is Kind.PING


async def test_an_answer_that_is_no_message_is_held_against_who_gave_it() -> None:
    async with AsyncExitStack() as stack:
        ana, eve = await member(stack, 1), await member(stack, 2)

        async def lie(stream: Any) -> None:
            await stream.read_frame(1_000)
            await stream.write_frame(b"\xff\xff")

        eve.host.set_stream_handler(KAD_PROTOCOL, lie)
        await ana.host.dial(eve.host.peer_id, eve.host.addresses())
        lookup = await ana.directory.walk(Kind.GET_PROVIDERS, KEY)
        assert lookup.failures == [eve.host.peer_id]
        assert [peer_id for peer_id, _ in ana.blamed] == [eve.host.peer_id]


class Answering:
    """A directory without a network: what it answers to whom."""

    def __init__(self, remote: str, *, kind: str = "direct") -> None:
        own = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq"
        self.own = own
        self.remote, self.kind = remote, kind
        host: Any = SimpleNamespace(
            peer_id=own,
            addresses=lambda: [f"{WAN}/p2p/{own}", f"{LAN}/p2p/{own}", f"{HERE}/p2p/{own}"],
            remote_addresses=lambda _peer: (self.remote,),
            path_to=lambda _peer: (self.kind, None),
        )
        context: Any = SimpleNamespace(state=NodeState(), now=lambda: 0, chance=Random(1))
        self.directory = Directory(context, host, lambda *_: None)

    def told(self, contact: Contact) -> list[Contact]:
        self.directory.reply(contact.peer_id, Message(Kind.ADD_PROVIDER, KEY, (), (contact,)))
        return self.directory.hints.providers(KEY, trio.current_time())


WAN, LAN, HERE = "/ip4/8.8.4.4/tcp/1", "/ip4/192.168.1.7/tcp/1", "/ip4/127.0.0.1/tcp/1"


@pytest.mark.parametrize(
    ("remote", "kind", "kept"),
    [
        (WAN, "direct", (WAN,)),
        (LAN, "lan", (WAN, LAN)),
        (HERE, "direct", (WAN, LAN, HERE)),
        (LAN, "relayed", (WAN,)),
    ],
)
async def test_addresses_of_somebodys_own_network_are_taken_from_there_and_told_there_alone(
    remote: str, kind: str, kept: tuple[str, ...]
) -> None:
    answering = Answering(remote, kind=kind)
    assert answering.told(Contact(OTHER, (WAN, LAN, HERE))) == [Contact(OTHER, kept)]
    answering.directory.held = frozenset({KEY})
    answer = answering.directory.reply(OTHER, Message(Kind.GET_PROVIDERS, KEY))
    assert answer is not None
    assert answer.providers == (Contact(answering.own, kept), Contact(OTHER, kept))
    # To somebody elsewhere the same node tells less.
    answering.remote, answering.kind = WAN, "direct"
    answer = answering.directory.reply(OTHER, Message(Kind.GET_PROVIDERS, KEY))
    assert answer is not None
    assert {each for one in answer.providers for each in one.addresses} == {WAN}


async def test_a_peer_counts_in_the_network_it_comes_from_whatever_it_claims() -> None:
    answering = Answering(WAN)
    for number in range(10):
        liar = Contact(peer_id(number), (f"/ip4/{number + 11}.1.1.1/tcp/1",))
        answering.told(liar)
    assert len(answering.directory.hints) == PROVIDERS_PER_KEY_AND_NETWORK_MAX
    answering.remote = "/ip4/9.9.9.9/tcp/1"
    answering.told(Contact(OTHER, ("/ip4/9.9.9.9/tcp/1",)))
    assert len(answering.directory.hints) == PROVIDERS_PER_KEY_AND_NETWORK_MAX + 1


async def test_naming_a_relay_or_a_friend_as_holder_does_not_have_it_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(under_test, "LINGER_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        ana, ben, eva, dan = [await member(stack, number) for number in range(1, 5)]
        await ana.host.dial(ben.host.peer_id, ben.host.addresses())
        for named in (ben, eva):
            ana.directory.about_to_visit(named.host.peer_id)
        for other in (eva, dan):
            await ana.directory.ask(other.contact, Kind.PING, b"")
        ana.host.keep(dan.host.peer_id)  # it gave us a place
        await ana.directory.let_go()
        assert set(ana.host.connected_peers()) == {ben.host.peer_id, dan.host.peer_id}


async def test_nobody_speaks_for_another() -> None:
    answering = Answering(WAN)
    mallory = "12D3KooWQYV9dGMFoRzNStwpXztXaBUjtPqi6aU76ZgUriHhKust"
    claimed = (Contact(OTHER, (WAN,)),)
    answering.directory.reply(mallory, Message(Kind.ADD_PROVIDER, KEY, claimed, claimed))
    assert len(answering.directory.hints) == 0
    assert len(answering.directory.table) == 0


async def test_what_is_held_is_said_to_whoever_asks_for_it_and_nothing_else_is() -> None:
    answering = Answering(WAN)
    answering.directory.held = frozenset({KEY})
    for key, named in ((KEY, 1), (provider_key(b"x" * 32), 0)):
        answer = answering.directory.reply(OTHER, Message(Kind.GET_PROVIDERS, key))
        assert answer is not None
        assert len(answer.providers) == named
    with pytest.raises(RejectedError):
        answering.directory.reply(OTHER, Message(Kind.GET_PROVIDERS))


async def test_another_libp2p_program_finds_a_holder_by_the_cid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (common, kad_dht, peer_routing, provider_store, value_store):
        monkeypatch.setattr(module, "PROTOCOL_ID", KAD_PROTOCOL)
    async with AsyncExitStack() as stack:
        ana, ben = await member(stack, 1), await member(stack, 2)
        await ben.directory.ask(ana.contact, Kind.FIND_NODE, ben.directory.own_key)
        await say(ben)
        theirs = new_host()
        async with theirs.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
            dht = kad_dht.KadDHT(theirs, kad_dht.DHTMode.CLIENT)
            async with background_trio_service(dht):
                known = info_from_p2p_addr(Multiaddr(ana.host.addresses()[0]))
                await theirs.connect(known)
                assert await dht.add_peer(known.peer_id)
                with trio.fail_after(20):
                    found = await dht.find_providers(provider_cid(bytes(32)))
            await theirs.close()
        named = {(str(each.peer_id), tuple(str(where) for where in each.addrs)) for each in found}
        assert named == {(ben.host.peer_id, ben.contact.addresses)}
        assert not ana.blamed


async def test_one_search_does_not_let_go_of_those_whom_another_is_asking() -> None:
    async with AsyncExitStack() as stack:
        ana, ben, eva = [await member(stack, number) for number in range(1, 4)]
        for other in (ben, eva):
            await ana.directory.ask(other.contact, Kind.PING, b"")
        ana.directory.visited[ben.host.peer_id] -= under_test.LINGER_SECONDS
        await ana.directory.let_go()
        assert ana.host.connected_peers() == (eva.host.peer_id,)
        ana.directory.visited[eva.host.peer_id] -= under_test.LINGER_SECONDS
        await ana.directory.ask(eva.contact, Kind.PING, b"")
        await ana.directory.let_go()
        assert ana.host.connected_peers() == (eva.host.peer_id,)


async def test_who_is_asked_again_while_another_is_let_go_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with AsyncExitStack() as stack:
        ana, ben, eva = [await member(stack, number) for number in range(1, 4)]
        for other in (ben, eva):
            await ana.directory.ask(other.contact, Kind.PING, b"")
            ana.directory.visited[other.host.peer_id] -= under_test.LINGER_SECONDS
        disconnect = ana.host.disconnect

        async def disconnect_slowly(peer_id: str) -> None:
            await ana.directory.ask(eva.contact, Kind.PING, b"")
            await disconnect(peer_id)

        monkeypatch.setattr(ana.host, "disconnect", disconnect_slowly)
        await ana.directory.let_go()
        assert ana.host.connected_peers() == (eva.host.peer_id,)


async def test_who_is_met_over_a_relay_alone_holds_things_and_is_not_asked() -> None:
    answering = Answering(WAN)
    circuit = f"{WAN}/p2p/{answering.own}/p2p-circuit"
    holder = Contact(OTHER, (circuit,))
    told = Message(Kind.ADD_PROVIDER, KEY, (holder,), (holder,))
    answering.directory.reply(OTHER, told)
    assert answering.directory.hints.providers(KEY, trio.current_time()) == [holder]
    assert len(answering.directory.table) == 0
