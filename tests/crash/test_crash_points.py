"""The program is killed or the power fails before any change of any file: nothing promised is lost.

A day of a store is recorded change by change, and crashes are made from the record. A failing
run prints its seed; `bench/crash_points.py` tries every point.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory

import pytest
from histories import ANA, GARDEN, NOW, Writer

from p2pcommons.errors import StoreError
from p2pcommons.store import Store
from p2pcommons.store.base import StorePart
from tests.crash.checking import Checker
from tests.crash.disk import SQLITE_FULL, Op, watched, why_not
from tests.crash.points import LOST, SHUFFLED, Point, points
from tests.crash.session import (
    DB,
    THURSDAY,
    History,
    record_day,
    record_first_schema,
    record_migration,
)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be watched")

POINTS_MIN = 1_000


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: syncing thousands of times to a disk takes long."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm", prefix="p2pc-crash-") as folder:
        yield Path(folder)


def test_a_crash_anywhere_in_a_day_loses_nothing_that_was_promised(memory: Path):
    seed = SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    history = record_day(_folder(memory, "day"), foreign=96)
    checker = Checker(_folder(memory, "left"), history)
    share = 1.15 * POINTS_MIN / (3 * len(history.ops))
    for point in points(history.before, history.ops, Random(seed), share=share):
        checker.check(point)
    assert checker.checked >= POINTS_MIN
    assert len(checker.states) > 20


def test_a_crash_anywhere_in_a_migration_loses_nothing(memory: Path):
    history = record_migration(_folder(memory, "old"))
    checker = Checker(_folder(memory, "left"), history)
    for point in points(history.before, history.ops, Random(1)):
        checker.check(point)
    assert checker.checked > 3 * len(history.ops)


def test_a_crash_anywhere_on_the_way_from_the_first_schema_loses_nothing(memory: Path):
    history = record_first_schema(_folder(memory, "old"))
    checker = Checker(_folder(memory, "left"), history)
    for point in points(history.before, history.ops, Random(1), share=0.3):
        checker.check(point)
    assert checker.checked > 50


def test_a_missing_sync_would_be_found(memory: Path, monkeypatch: pytest.MonkeyPatch):
    """What the tests above rely on: without `durable`, the same crashes lose what was promised."""
    honest = StorePart._writing

    @contextmanager
    def careless(store: StorePart, *, durable: bool = False):
        with honest(store, durable=False) as connection:
            yield connection

    monkeypatch.setattr(StorePart, "_writing", careless)
    history = record_day(_folder(memory, "day"), foreign=8)
    monkeypatch.undo()
    checker = Checker(_folder(memory, "left"), history)
    crashes = points(history.before, history.ops, Random(1), share=0.03)
    with pytest.raises(AssertionError, match="acknowledged are missing"):
        _check_all(checker, [point for point in crashes if point.way == LOST])


def test_a_page_that_is_lost_would_be_found(memory: Path):
    """What the tests above rely on: a file that lacks a page does not pass the checks."""
    history = record_day(_folder(memory, "day"), foreign=8)
    content = bytearray((memory / "day" / DB).read_bytes())
    page = 4_096 * 8
    content[page : page + 4_096] = bytes(4_096)
    checker = Checker(_folder(memory, "left"), history)
    with pytest.raises((AssertionError, StoreError)):
        checker.check(Point(len(history.ops), SHUFFLED, {DB: bytes(content)}))


@pytest.mark.parametrize("part", range(6))
def test_a_disk_that_fills_up_at_any_change_costs_nothing_but_that_write(memory: Path, part: int):
    """From some change on nothing more fits; later there is room again."""
    writer = Writer()
    entries = [writer.entry(ANA, f"Number {n}", "soil", text="words " * 80) for n in range(8)]
    with watched(memory) as disk:
        with Store.open(memory / DB) as store:
            store.ingest([GARDEN], received_at=THURSDAY, own=True)
            first = len(disk.ops)
            store.ingest(entries[:1], received_at=THURSDAY, own=True)
            span = len(disk.ops) - first
            for number, entry in enumerate(entries[1:]):
                limit = len(disk.ops) + (part * 7 + number) * span // 100

                def refuse(op: Op, limit: int = limit) -> int:
                    grows = op.kind in ("write", "create")
                    return SQLITE_FULL if grows and len(disk.ops) >= limit else 0

                disk.refuse = refuse
                with pytest.raises(StoreError, match="the disk is full") as caught:
                    store.ingest([entry], received_at=THURSDAY, own=True)
                assert str(memory / DB) in caught.value.message
                assert store.known([entry.id]) == set()
                assert store.digest(GARDEN.id).count == number + 2
                disk.refuse = lambda _op: 0
                store.ingest([entry], received_at=THURSDAY, own=True)
            assert store.integrity_check() == []
            assert store.views_differences() == []
        with Store.open(memory / DB) as store:
            assert store.known([entry.id for entry in entries]) == {e.id for e in entries}


def _check_all(checker: Checker, crashes: list[Point]) -> None:
    for point in crashes:
        checker.check(point)


def _folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def test_history_covers_what_it_says(memory: Path):
    history: History = record_day(_folder(memory, "day"), foreign=96)
    kinds = {(op.kind, op.file) for op in history.ops}
    assert {("sync", DB), ("truncate", f"{DB}-wal"), ("delete", f"{DB}-wal")} <= kinds
    assert len(history.promises.kept) > 40
    assert history.promises.dropped
    assert NOW < THURSDAY
