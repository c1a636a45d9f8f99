"""Two people, two nodes: what one writes the other reads, whatever happens in between."""

from __future__ import annotations

import itertools
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from tests.node.nodes import all_have, equal, running, titles, until

from p2pcommons.config import Mode

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def test_newcomer_gets_everything_by_invite_and_both_know_that_they_are_equal(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        for number in range(40):
            ana.replica.add_entry(garden, title=f"Note {number}", tags=["soil"])
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        assert ben.replica.commons_row(garden).title == "Garden"
        assert ana.replica.four_words(garden) == ben.replica.four_words(garden)
        await until(lambda: ana.replica.only_here() == 0)
        reply = await ana.ask("sync", timeout=10)
        assert reply["equal"] is True


async def test_entry_travels_by_gossip_while_both_are_connected(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        ben.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, ben))
        entry = ben.replica.add_entry(garden, title="From Ben").id
        await until(lambda: all_have("From Ben", garden, ana, ben))
        ana.replica.tag_entry(garden, entry, add=["seen"])
        await until(lambda: bool(ben.replica.entries(commons=[garden], tags=["seen"])))
        assert ben.replica.entry(garden, entry).taggers[0][1][0].name == "ana"


async def test_what_was_written_apart_is_on_both_after_reconnecting(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        garden = ana.replica.create_commons("Garden").id
        async with running(tmp_path / "ben") as ben:
            ben.replica.join(ana.invite(garden))
            await until(lambda: equal(garden, ana, ben) and ana.replica.only_here() == 0)
        entry = ana.replica.add_entry(garden, title="While Ben was away").id
        assert ana.replica.only_here() == 1
        async with running(tmp_path / "ben", mode=Mode.OFF) as ben:
            ben.replica.add_entry(garden, title="While off")
        async with running(tmp_path / "ben") as ben:
            # No address is typed: the invite's is in the address book.
            await until(lambda: equal(garden, ana, ben))
            assert titles(ben, garden) == {"While Ben was away", "While off"}
            await until(lambda: ana.replica.entry(garden, entry).holders == 1)


async def test_gossip_goes_on_over_nodes_in_between(tmp_path: Path):
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running(tmp_path / name))
            for name in ("ana", "ben", "cleo", "dora")
        ]
        garden = nodes[0].replica.create_commons("Garden").id
        for before, after in itertools.pairwise(nodes):
            after.replica.join(before.invite(garden))
            await until(lambda before=before, after=after: equal(garden, before, after))
        nodes[0].replica.add_entry(garden, title="Down the line")
        await until(lambda: all_have("Down the line", garden, *nodes))
        nodes[3].replica.add_entry(garden, title="Up the line")
        await until(lambda: all_have("Up the line", garden, *nodes))


async def test_what_reconciliation_brought_is_passed_on_to_other_peers(tmp_path: Path):
    """Ben holds much that Ana does not; Ana's other peer must not wait for the next interval."""
    async with running(tmp_path / "ana") as ana, running(tmp_path / "cleo") as cleo:
        garden = ana.replica.create_commons("Garden").id
        cleo.replica.join(ana.invite(garden))
        await until(lambda: equal(garden, ana, cleo))
        async with running(tmp_path / "ben", mode=Mode.OFF) as ben:
            ben.replica.join(ana.invite(garden))
            for number in range(30):
                ben.replica.add_entry(garden, title=f"Offline {number}")
        async with running(tmp_path / "ben") as ben:
            await until(lambda: equal(garden, ana, ben, cleo) and len(titles(cleo, garden)) == 30)


async def test_commons_that_was_left_is_exchanged_no_more(tmp_path: Path):
    async with running(tmp_path / "ana") as ana, running(tmp_path / "ben") as ben:
        garden = ana.replica.create_commons("Garden").id
        invite = ana.invite(garden)
        ben.replica.join(invite)
        await until(lambda: equal(garden, ana, ben))
        ben.replica.leave_commons(garden)
        await trio.sleep(0.3)
        ana.replica.add_entry(garden, title="After Ben left")
        await trio.sleep(0.5)
        assert not equal(garden, ana, ben)
        ben.replica.join(invite)
        await until(lambda: all_have("After Ben left", garden, ben))


async def test_sync_without_any_peer_says_so_at_once(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        ana.replica.create_commons("Garden")
        with trio.fail_after(5):
            reply = await ana.ask("sync", timeout=30)
        assert reply == {"items": [], "peers": 0, "equal": False, "paused": None}


async def test_unreachable_inviter_is_named_with_what_was_tried_and_when_next(tmp_path: Path):
    async with running(tmp_path / "ana") as ana:
        garden = ana.replica.create_commons("Garden").id
        invite = ana.invite(garden)
    async with running(tmp_path / "ben") as ben:
        ben.replica.join(invite)

        async def tried() -> list[dict[str, object]]:
            status = await ben.now()
            return [peer for peer in status["peers"] if peer["tried"]]

        with trio.fail_after(20):
            while not (peers := await tried()):
                await trio.sleep(0.05)
        assert peers[0]["connected"] is False
        assert peers[0]["next_try"]
        assert "nobody listens there" in str(peers[0]["tried"])
