"""Mode `open`: who holds a commons is found through others, when its known addresses are dead."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.node.nodes import Node, equal, running, until

from p2pcommons.config import Config, Mode
from p2pcommons.paths import find_paths

pytestmark = [pytest.mark.trio, pytest.mark.network]

DEAD = "/ip4/127.0.0.1/tcp/1"


def begin_with(home: Path, *addresses: str) -> Path:
    paths = find_paths(home)
    paths.make()
    Config.load(paths.config_file).set("network.bootstrap", list(addresses))
    return home


def invite_to_nowhere(node: Node, commons: bytes) -> str:
    return node.replica.make_invite(commons, addresses=[DEAD]).text


async def test_a_holder_is_found_through_a_peer_of_a_peer_when_the_invite_leads_nowhere(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        ben = await stack.enter_async_context(running(tmp_path / "ben", mode=Mode.OPEN))
        async with running(tmp_path / "ana", mode=Mode.OPEN) as ana:
            garden = ana.replica.create_commons("Garden").id
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben))
            invite = invite_to_nowhere(ana, garden)
        dan = await stack.enter_async_context(running(tmp_path / "dan", mode=Mode.OPEN))
        ben.replica.add_peer(dan.addresses[0])
        await ben.ask("dial")
        cyd_home = begin_with(tmp_path / "cyd", dan.addresses[0])
        cyd = await stack.enter_async_context(running(cyd_home, mode=Mode.OPEN))
        cyd.replica.join(invite)
        await until(lambda: equal(garden, ben, cyd))
        await until(lambda: cyd.runtime._context.state.finding.found == 1)
        finding = (await cyd.now())["finding"]
        assert finding["looked_up"] == 1
        assert finding["words"] == "found somebody else who holds it"
        assert ben.status["peer_id"] in {row.peer_id for row in cyd.replica.peers()}
        assert dan.replica.commons() == []
