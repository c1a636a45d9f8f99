"""Stores of the first schema are mended like any other, and brought up to date."""

from __future__ import annotations

import gzip
import os
import sqlite3
from pathlib import Path
from random import Random

import pytest

from p2pcommons.errors import StoreError
from p2pcommons.store import Store
from p2pcommons.store.pages import read_pages
from p2pcommons.store.proof import damaged_contributions
from p2pcommons.store.repair import repair
from tests.crash.damaging import (
    page_of,
    smash,
)
from tests.crash.session import DB, FIRST_STORE, THURSDAY


@pytest.mark.parametrize("name", ["contribution", "author", "commons"])
def test_damaged_store_of_the_first_schema_is_mended_and_brought_up_to_date(
    folder: Path, name: str
):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    connection = sqlite3.connect(path)
    held = {row[0] for row in connection.execute("SELECT id FROM contribution")}
    connection.close()
    smash(path, [page_of(path, name)], Random(1))
    done = repair(path, now=THURSDAY)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(held)
    with Store.open(path) as store:
        assert store.known(list(held)) == held
        assert store.views_differences() == []
    assert damaged_contributions(path, full=True) == 0


def test_header_damaged_in_a_store_of_the_first_schema_is_said_and_mended(folder: Path):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    connection = sqlite3.connect(path)
    headers = [row[0] for row in connection.execute("SELECT header FROM contribution")]
    connection.close()
    content = path.read_bytes()
    victim = next(header for header in headers if content.count(header) == 1)
    path.write_bytes(content.replace(victim, b"\x00" * len(victim)))
    with pytest.raises(StoreError, match=r"is damaged.*doctor --repair"):
        Store.open(path)
    done = repair(path, now=THURSDAY)
    assert done.salvaged is not None
    assert done.salvaged.kept == len(headers) - 1


def test_migration_leaves_nothing_readable_in_empty_pages(folder: Path):
    path = folder / DB
    path.write_bytes(gzip.decompress(FIRST_STORE.read_bytes()))
    with Store.open(path) as store:
        store._database.empty_log()
    descriptor = os.open(path, os.O_RDONLY)
    pages = read_pages(descriptor, folder / "no-log")
    for root in (1, *pages.roots().values()):
        list(pages.walk(root))
    empty = [pages.page(n) or b"" for n in range(1, pages.count + 1) if n not in pages.seen]
    os.close(descriptor)
    # Pages of the free list hold numbers of others, overflow pages what is still there.
    assert not any(page[0] in (2, 5, 10, 13) for page in empty)
