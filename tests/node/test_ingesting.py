"""What comes from peers: verified, decided upon, written in groups, told after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from p2pcommons.errors import RejectReason, StoreError
from p2pcommons.model.contribution import Contribution, Envelope, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import grant_device
from p2pcommons.model.kinds import COMMONS, ENTRY, CommonsBody, EntryBody, encode_body
from p2pcommons.node.ingesting import Ingest
from p2pcommons.node.storage import Storage
from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNER = grant_device(b"r" * 32, b"d" * 32)
FOUNDING = sign(
    SIGNER,
    COMMONS,
    commons=ZERO_ID,
    body=encode_body(CommonsBody("Garden", "Grow"), b"s" * 16),
    claimed_at=1_000,
)
COMMONS_ID = FOUNDING.id


def entries(count: int, start: int = 0) -> list[Contribution]:
    return [
        sign(
            SIGNER,
            ENTRY,
            commons=COMMONS_ID,
            body=encode_body(EntryBody("note", f"Number {number}", ""), b"s" * 16),
            claimed_at=2_000 + number,
        )
        for number in range(start, start + count)
    ]


class StepLanes:
    """Lanes that do what is queued when they are told to, in this thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.verifying: list[Callable[[], None]] = []
        self.writing: list[Callable[[Store], None]] = []

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    def verify(self, work: Callable[[], None]) -> None:
        self.verifying.append(work)

    def write(self, work: Callable[[Store], None]) -> None:
        self.writing.append(work)

    def read(self, work: Callable[[Store], None]) -> None:
        work(self._store)

    def answer(self, call: Callable[[], None]) -> None:
        call()

    def verify_all(self) -> None:
        while self.verifying:
            self.verifying.pop(0)()

    def write_once(self) -> None:
        self.writing.pop(0)(self._store)

    def do_all(self) -> None:
        self.verify_all()
        while self.writing:
            self.write_once()


class World:
    """An Ingest over step lanes, and what it said."""

    def __init__(self, path, **options) -> None:
        self.store = Store.open(path)
        self.lanes = StepLanes(self.store)
        self.ingest = Ingest(Storage(path, self.lanes), lambda: 10_000, 0, **options)
        self.told: list[tuple[str, int]] = []
        self.ingest.on_new = lambda _commons, ids, source: self.told.append((source, len(ids)))
        self.results: dict[str, object] = {}

    async def run(self, offers: dict[str, tuple[list[Envelope], str]]) -> None:
        async with trio.open_nursery() as nursery:
            for name, (envelopes, source) in offers.items():
                nursery.start_soon(self._take, name, envelopes, source)
                await trio.testing.wait_all_tasks_blocked()
            self.lanes.do_all()

    async def _take(self, name: str, envelopes: list[Envelope], source: str) -> None:
        try:
            self.results[name] = await self.ingest.take(envelopes, COMMONS_ID, source)
        except StoreError as error:
            self.results[name] = error


@pytest.fixture
def transactions(monkeypatch):
    """The numbers of rows of each transaction, as they are taken in."""
    sizes: list[int] = []
    inner = Store.ingest

    def noted(store, contributions, **named):
        sizes.append(len(contributions))
        return inner(store, contributions, **named)

    monkeypatch.setattr(Store, "ingest", noted)
    return sizes


def envelopes(items: list[Contribution]) -> list[Envelope]:
    return [item.envelope() for item in items]


@pytest.mark.trio
async def test_what_waits_is_one_transaction(tmp_path, transactions):
    world = World(tmp_path / "r.db")
    made = entries(6)
    await world.run({str(n): (envelopes(made[n * 2 : n * 2 + 2]), "ana") for n in range(3)})
    assert transactions == [6]
    assert [world.results[str(n)].new for n in range(3)] == [
        tuple(item.id for item in made[n * 2 : n * 2 + 2]) for n in range(3)
    ]
    assert world.told == [("ana", 2)] * 3


@pytest.mark.trio
async def test_large_group_is_written_in_several_transactions(tmp_path, transactions):
    world = World(tmp_path / "r.db", rows_max=lambda: 4)
    made = entries(9)
    await world.run({"a": (envelopes(made[:6]), "ana"), "b": (envelopes(made[6:]), "ana")})
    assert transactions == [4, 4, 1]
    assert len(world.results["a"].new) == 6
    assert len(world.results["b"].new) == 3


@pytest.mark.trio
async def test_groups_of_two_peers_do_not_mix(tmp_path, transactions):
    world = World(tmp_path / "r.db")
    made = entries(4)
    await world.run({"a": (envelopes(made[:2]), "ana"), "b": (envelopes(made[2:]), "rui")})
    assert transactions == [2, 2]
    assert world.told == [("ana", 2), ("rui", 2)]


@pytest.mark.trio
async def test_same_entry_from_two_groups_is_new_once(tmp_path, transactions):
    world = World(tmp_path / "r.db")
    made = entries(2)
    await world.run({"a": (envelopes(made), "ana"), "b": (envelopes(made), "ana")})
    assert len(world.results["a"].new) == 2
    assert world.results["b"].new == ()
    assert set(world.results["b"].known) == {item.id for item in made}


@pytest.mark.trio
async def test_what_comes_before_an_invalid_one_is_kept(tmp_path):
    world = World(tmp_path / "r.db")
    good, bad = entries(2)
    forged = Envelope(bad.header_bytes, b"\0" * 64, bad.grant, bad.body)
    await world.run({"a": ([*envelopes([good]), forged], "ana")})
    taken = world.results["a"]
    assert taken.new == (good.id,)
    assert taken.rejected is RejectReason.BAD_SIGNATURE


@pytest.mark.trio
async def test_group_with_nothing_valid_is_answered_too(tmp_path):
    world = World(tmp_path / "r.db")
    (bad,) = entries(1)
    await world.run({"a": ([Envelope(bad.header_bytes, b"\0" * 64, bad.grant, None)], "ana")})
    assert world.results["a"].rejected is RejectReason.BAD_SIGNATURE
    assert world.told == []


@pytest.mark.trio
async def test_what_is_not_admitted_is_declined_and_stays_unknown(tmp_path):
    class Few:
        def admit(self, _store, contributions, _source):
            return contributions[:1]

    world = World(tmp_path / "r.db", admission=Few())
    made = entries(3)
    await world.run({"a": (envelopes(made), "ana")})
    taken = world.results["a"]
    assert (taken.new, taken.known) == ((made[0].id,), ())
    assert taken.declined == (made[1].id, made[2].id)
    assert world.store.known([item.id for item in made]) == {made[0].id}


@pytest.mark.trio
async def test_store_that_fails_is_told_to_everybody_who_waits_and_the_next_group_is_taken(
    tmp_path,
):
    world = World(tmp_path / "r.db", rows_max=lambda: 2)
    made = entries(4)
    world.ingest._free_bytes_min = 2**62
    await world.run({"a": (envelopes(made[:3]), "ana")})
    assert isinstance(world.results["a"], StoreError)
    world.ingest._free_bytes_min = 0
    await world.run({"b": (envelopes(made[3:]), "ana")})
    assert world.results["b"].new == (made[3].id,)


@pytest.mark.trio
async def test_commit_is_told_also_when_nobody_waits_for_it_any_more(tmp_path):
    world = World(tmp_path / "r.db")
    made = entries(1)
    with trio.move_on_after(0):
        await world.ingest.take(envelopes(made), COMMONS_ID, "ana")
    world.lanes.do_all()
    assert world.told == [("ana", 1)]
