"""A commons is offered to whoever is met only where its person said so, and joined by its title."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.net.hosts import LOOPBACK, seed
from tests.node.nodes import Node, all_have, equal, in_thread, running, until

from p2pcommons.cli.invocation import Invocation
from p2pcommons.cli.output import Reply
from p2pcommons.cli.root import root
from p2pcommons.errors import ErrorCode, NetworkError, UserError
from p2pcommons.model import codec
from p2pcommons.model.contribution import encode_envelope
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CommonsBody
from p2pcommons.net.frames import FrameStream
from p2pcommons.net.host import open_host
from p2pcommons.node.nearby import QUESTIONS_BURST
from p2pcommons.protocol.offers import OFFER_BYTES_MAX, OFFERS_PROTOCOL, encode_question
from p2pcommons.replica import Replica, open_replica

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def offers_of(node: Node, other: Node) -> list[dict[str, Any]]:
    (found,) = [
        peer["offers"]
        for peer in (await node.now())["peers"]
        if peer["peer_id"] == other.status["peer_id"]
    ] or [[]]
    return found


async def until_offered(node: Node, other: Node, *titles: str) -> None:
    with trio.fail_after(10):
        while {each["title"] for each in await offers_of(node, other)} != set(titles):
            await trio.sleep(0.02)


async def strangers(stack: AsyncExitStack, folder: Path) -> tuple[Node, Node]:
    """Two connected nodes that share nothing."""
    ana = await stack.enter_async_context(running(folder / "ana"))
    bob = await stack.enter_async_context(running(folder / "bob"))
    bob.replica.add_peer(ana.addresses[0])
    return ana, bob


async def met(node: Node, other: Node) -> None:
    with trio.fail_after(10):
        while True:
            for peer in (await node.now())["peers"]:
                if peer["peer_id"] == other.status["peer_id"] and peer["shared"] is not None:
                    return
            await trio.sleep(0.02)


async def as_person(node: Node, call: Callable[[Replica], Any]) -> Any:
    """Call from a thread, as commands do: what is asked of the node is answered meanwhile."""

    def opened() -> Any:
        with open_replica(node.replica.paths) as replica:
            return call(replica)

    return await in_thread(opened)


async def test_an_offered_commons_is_shown_and_joined_by_its_title(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana, bob = await strangers(stack, tmp_path)
        garden = ana.replica.create_commons("Garden of all").id
        ana.replica.add_entry(garden, title="Compost")
        ana.replica.create_commons("Diary")
        await met(bob, ana)
        assert await offers_of(bob, ana) == []
        ana.replica.offer_commons(garden)
        await until_offered(bob, ana, "Garden of all")
        with pytest.raises(UserError) as failed:
            await as_person(bob, lambda replica: replica.join_offered("Diary"))
        assert failed.value.code is ErrorCode.NOT_FOUND
        near = await as_person(bob, lambda replica: replica.nearby())
        assert [(each.peer_id, each.connected) for each in near] == [(ana.status["peer_id"], True)]
        title = near[0].offers[0].title
        result = await as_person(bob, lambda replica: replica.join_offered(title))
        assert (result.commons.id, result.commons.title_hint) == (garden, title)
        assert (result.already, result.inviter) == (False, ana.status["peer_id"])
        await until(lambda: all_have("Compost", garden, bob))
        assert await offers_of(bob, ana) == []


async def test_nearby_and_join_on_the_command_line(tmp_path: Path) -> None:
    async def typed(node: Node, *words: str) -> tuple[int, Mapping[str, Any]]:
        def run() -> tuple[int, Mapping[str, Any]]:
            line = [*words, "--home", str(node.replica.paths.home), "--json"]
            with root.make_context("p2pcommons", line, obj=Invocation()) as context:
                reply: Reply = root.invoke(context)
                assert all(isinstance(each, str) for each in reply.lines)
                return reply.exit_code, reply.fields

        return await in_thread(run)

    async with AsyncExitStack() as stack:
        ana, bob = await strangers(stack, tmp_path)
        garden = ana.replica.create_commons("Garden").id
        assert (await typed(ana, "commons", "offer", "Garden"))[1]["offered"] is True
        await until_offered(bob, ana, "Garden")
        code, near = await typed(bob, "nearby")
        assert code == 0
        assert near["items"][0]["offers"] == [{"id": garden.hex(), "title": "Garden"}]
        with pytest.raises(UserError, match="nobody nearby offers 'Moon garden'"):
            await typed(bob, "join", "Moon garden")
        code, joined = await typed(bob, "join", garden.hex()[:8])
        assert (code, joined["commons"], joined["title"]) == (0, garden.hex(), "Garden")
        await until(lambda: equal(garden, ana, bob))
        code, paused = await typed(bob, "pause", "--for", "2h")
        assert (code, paused["running"], paused["paused"]["reason"]) == (0, True, "person")
        code, synced = await typed(bob, "sync")
        assert (code, synced["paused"]) == (6, paused["paused"])
        assert (await typed(bob, "nearby"))[1]["items"] == []
        with pytest.raises(UserError, match="the network is paused"):
            await typed(bob, "join", "Moon garden")
        code, resumed = await typed(bob, "resume")
        assert (code, resumed["was_paused"], resumed["paused"]) == (0, True, None)


async def test_what_is_no_longer_offered_or_was_left_is_named_to_nobody(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana, bob = await strangers(stack, tmp_path)
        garden, kitchen = (ana.replica.create_commons(title).id for title in ("Garden", "Kitchen"))
        for commons in (garden, kitchen):
            ana.replica.offer_commons(commons)
        await until_offered(bob, ana, "Garden", "Kitchen")
        ana.replica.stop_offering(kitchen)
        await until_offered(bob, ana, "Garden")
        ana.replica.leave_commons(garden)
        await until_offered(bob, ana)
        assert ana.replica.offered() == ()
        ana.replica.store.join_commons(garden, now=ana.replica.now())
        assert ana.replica.offered() == ()  # coming back is not offering it again


async def test_a_circle_cannot_be_offered(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        body = CommonsBody("Us", "", visibility="circle", why_private="names of people")
        circle = ana.replica.contribute(body, commons=ZERO_ID)
        with pytest.raises(UserError, match="not public") as refused:
            ana.replica.offer_commons(circle)
        assert refused.value.code is ErrorCode.REFUSED
        ana.replica.join(ana.invite(ana.replica.create_commons("Garden").id))
        unheard = bytes(range(32))
        ana.replica.store.join_commons(unheard, now=1, title_hint="Later")
        with pytest.raises(UserError, match="not been received"):
            ana.replica.offer_commons(unheard)
        assert ana.replica.offered() == ()


async def test_nothing_is_told_of_what_is_not_offered_nor_to_whoever_asks_on_and_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "ana") as ana, open_host(seed("mallory"), (LOOPBACK,)) as mallory:
        garden = ana.replica.create_commons("Garden").id
        diary = ana.replica.create_commons("Diary").id
        ana.replica.offer_commons(garden)
        await ana.runtime._engine.look()
        await mallory.dial(ana.status["peer_id"], ana.addresses)
        answers: list[bytes | None] = []
        for _ in range(QUESTIONS_BURST + 1):
            stream = await mallory.open_stream(ana.status["peer_id"], OFFERS_PROTOCOL)
            with suppress(NetworkError):
                await stream.write_frame(encode_question(sorted([garden, diary])))
            told = {
                each: await stream.read_frame(OFFER_BYTES_MAX) for each in sorted([garden, diary])
            }
            assert not told[diary]
            answers.append(told[garden])
            await stream.reset()
        assert all(answers[:QUESTIONS_BURST])
        assert answers[-1] is None
        (peer,) = (await ana.now())["peers"]
        assert "asks again and again" in peer["slowed"]
        assert peer["connected"]


async def test_a_title_that_is_not_the_founders_is_blamed_on_the_liar(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, open_host(seed("mallory"), (LOOPBACK,)) as mallory:
        bank = ana.replica.create_commons("Bank").id
        envelope = ana.replica.store.envelopes(bank, [bank])[bank]

        async def lie(stream: FrameStream) -> None:
            await stream.read_frame(1 << 16)
            await stream.write_frame(encode_envelope(envelope))

        mallory.set_stream_handler(OFFERS_PROTOCOL, lie)
        await mallory.dial(ana.status["peer_id"], ana.addresses)
        await until(lambda: bool(ana.runtime._context.state.connected()))
        nearby = ana.runtime._network._nearby  # pyright: ignore[reportOptionalMemberAccess]
        ana.runtime._context.state.peer(mallory.peer_id).offer([bytes(range(32))])
        await nearby.learn(mallory.peer_id)
        (peer,) = (await ana.now())["peers"]
        assert peer["reason"] == "contribution of another commons: an offer"
        assert peer["blocked_until"]
        await until(lambda: not ana.runtime._context.state.connected())


async def test_a_malformed_question_is_blamed_and_hurts_nobody(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana, open_host(seed("mallory"), (LOOPBACK,)) as mallory:
        await mallory.dial(ana.status["peer_id"], ana.addresses)
        stream = await mallory.open_stream(ana.status["peer_id"], OFFERS_PROTOCOL)
        await stream.write_frame(codec.encode(["everything"]))
        assert await stream.read_frame(OFFER_BYTES_MAX) is None
        await until(lambda: not ana.runtime._context.state.connected())
        (peer,) = (await ana.now())["peers"]
        assert peer["reason"] == "malformed message: a question about offers"
