"""Mode `open`: who holds a commons is found through others, when its known addresses are dead."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from tests.node.nodes import Node, equal, running, until

from p2pcommons.config import Config, Mode
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CIRCLE, CommonsBody
from p2pcommons.node.finding import (
    CONTACTS_META,
    GRACE_SECONDS,
    GREETING_SECONDS,
    PAUSE_SECONDS,
    Finding,
    read_contacts,
)
from p2pcommons.paths import find_paths
from p2pcommons.protocol.kademlia import provider_key

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
        await until(lambda: ben.status["peer_id"] in {row.peer_id for row in cyd.replica.peers()})
        assert dan.replica.commons() == []


async def test_who_is_not_in_mode_open_is_told_nothing_and_asks_nobody(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ana = await stack.enter_async_context(running(tmp_path / "ana", mode=Mode.OPEN))
        ana.replica.create_commons("Garden")
        home = begin_with(tmp_path / "ben", ana.addresses[0])
        ben = await stack.enter_async_context(running(home, mode=Mode.FRIENDS))
        ben.replica.create_commons("Kitchen")
        await until(lambda: ana.runtime._context.state.connected() != [])
        await trio.sleep(GREETING_SECONDS + 1)
        for node in (ana, ben):
            finding = (await node.now())["finding"]
            assert (finding["dht_peers"], finding["looked_up"]) == (0, 0)


async def test_of_a_circle_nothing_is_said(tmp_path: Path) -> None:
    async with running(tmp_path / "ana", mode=Mode.OPEN) as ana:
        body = CommonsBody("Ours", visibility=CIRCLE, why_private="family")
        ana.replica.contribute(body, commons=ZERO_ID)
        garden = ana.replica.create_commons("Garden").id
        finding = ana.runtime._network._finding
        await until(lambda: finding.directory.held == {provider_key(garden)})
        assert len(ana.replica.commons()) == 2
        assert finding._lacking() == {garden}


async def test_whom_a_node_met_in_the_directory_it_asks_again_after_its_next_start(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        dan = await stack.enter_async_context(running(tmp_path / "dan", mode=Mode.OPEN))
        home = begin_with(tmp_path / "cyd", dan.addresses[0])
        async with running(home, mode=Mode.OPEN) as cyd:
            await until(lambda: cyd.replica.store.meta(CONTACTS_META) not in (None, "{}"))
        begin_with(home)
        ben = await stack.enter_async_context(running(tmp_path / "ben", mode=Mode.OPEN))
        garden = ben.replica.create_commons("Garden").id
        ben.replica.add_peer(dan.addresses[0])
        await ben.ask("dial")
        cyd = await stack.enter_async_context(running(home, mode=Mode.OPEN))
        assert cyd.replica.peers() == []
        cyd.replica.join(invite_to_nowhere(ben, garden))
        await until(lambda: equal(garden, ben, cyd))


async def test_a_wrong_entry_among_the_peers_to_begin_with_stops_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "ana") as ana:
        home = begin_with(tmp_path / "ben", "nonsense", ana.addresses[0])
        async with running(home) as ben:
            await until(lambda: ben.runtime._context.state.connected() != [])
            await ben.runtime._network._host.disconnect(ana.status["peer_id"])
            await until(lambda: ben.runtime._context.state.connected() == [])
            await until(lambda: ben.runtime._context.state.connected() != [])


def planned(searches: Finding, now: float, *, lacking: bool) -> float:
    """When the only commons is searched for next, of a node that has a holder or lacks one."""
    searches._lacking = lambda: {GARDEN} if lacking else set()
    searches._plan(now)
    return searches._searches[GARDEN].due


GARDEN = bytes(32)


async def test_a_holder_that_comes_and_goes_causes_no_more_searches_than_none(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "ana", mode=Mode.OPEN) as ana:
        ana.runtime._context.joined = (GARDEN,)
        searches = Finding(ana.runtime._context, ana.runtime._network._host, lambda *_: None)
        assert planned(searches, 100, lacking=True) == 100 + GRACE_SECONDS
        searches._searches[GARDEN].began = 102
        for now in range(103, 160, 10):
            assert planned(searches, now, lacking=False) == float("inf")
            assert planned(searches, now + 1, lacking=True) == 102 + PAUSE_SECONDS
        searches._bring_forward()
        assert searches._searches[GARDEN].due <= 102 + PAUSE_SECONDS


async def test_a_stranger_who_may_share_what_was_just_joined_is_not_kept_waiting(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "ana") as ana:
        garden = ana.replica.create_commons("Garden").id
        async with running(begin_with(tmp_path / "ben", ana.addresses[0])) as ben:
            told = ben.runtime._context.state.peer(ana.status["peer_id"])
            await until(lambda: told.shared == frozenset())
            # Whoever hangs up now must not be taken for a stranger that is tried in ten minutes.
            ben.runtime._network.hurry()
            assert told.shared is None
            ben.replica.join(ana.invite(garden))
            await ana.runtime._network._host.disconnect(ben.status["peer_id"])
            await until(lambda: equal(garden, ana, ben))


@pytest.mark.parametrize("kept", [None, "", "{", "[1]", "7", '{"eve": 7, "ana": ["/ip4/9", 8]}'])
async def test_what_the_store_kept_of_peers_and_is_not_understood_ends_nothing(
    kept: str | None,
) -> None:
    await trio.lowlevel.checkpoint()
    assert [each.addresses for each in read_contacts(kept)] in ([], [("/ip4/9",)])
