"""Members in mode `open` find each other through a member that both know."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from tests.node.nodes import Node, equal, running, until

from p2pcommons.config import Mode

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def connected_to(node: Node) -> set[str]:
    return {peer["peer_id"] for peer in (await node.now())["peers"] if peer["connected"]}


async def open_nodes(stack: AsyncExitStack, folder: Path, modes: dict[str, Mode]) -> list[Node]:
    return [
        await stack.enter_async_context(running(folder / name, mode=mode))
        for name, mode in modes.items()
    ]


async def test_two_who_know_a_third_are_connected_and_go_on_without_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ben, eva = await open_nodes(stack, tmp_path, {"ben": Mode.OPEN, "eva": Mode.OPEN})
        async with running(tmp_path / "ana", mode=Mode.OPEN) as ana:
            garden = ana.replica.create_commons("Garden").id
            for node in (ben, eva):
                node.replica.join(ana.invite(garden))
                await until(lambda node=node: equal(garden, ana, node))
            with trio.fail_after(30):
                while eva.status["peer_id"] not in await connected_to(ben):
                    await trio.sleep(0.05)
        ben.replica.add_entry(garden, title="Without ana")
        await until(lambda: equal(garden, ben, eva))


async def test_who_is_not_in_mode_open_is_named_to_nobody(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana, ben, eva = await open_nodes(
            stack, tmp_path, {"ana": Mode.OPEN, "ben": Mode.FRIENDS, "eva": Mode.OPEN}
        )
        garden = ana.replica.create_commons("Garden").id
        for node in (ben, eva):
            node.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben, eva))
        ana.replica.add_entry(garden, title="One more round of sessions")
        await until(lambda: equal(garden, ana, ben, eva))
        # Ana's own record has come to eva, so the exchange was made; ben is in nobody's book.
        await until(lambda: any(row.source == "invite" for row in eva.replica.peers()))
        named = {row.peer_id for row in eva.replica.peers()}
        assert named == {ana.status["peer_id"]}


async def test_members_of_different_commons_are_not_named_to_each_other(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana, ben, eva = await open_nodes(
            stack, tmp_path, {"ana": Mode.OPEN, "ben": Mode.OPEN, "eva": Mode.OPEN}
        )
        garden = ana.replica.create_commons("Garden").id
        kitchen = ana.replica.create_commons("Kitchen").id
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        eva.replica.join(ana.invite(kitchen))
        await until(lambda: equal(kitchen, ana, eva))
        await trio.sleep(2)
        assert {row.peer_id for row in eva.replica.peers()} == {ana.status["peer_id"]}
        assert {row.peer_id for row in ben.replica.peers()} == {ana.status["peer_id"]}
