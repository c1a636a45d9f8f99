"""Stores in temporary folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

# The histories that the folds are tested with are those that stores have to agree on.
sys.path.insert(0, str(Path(__file__).parents[1] / "views"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "replica.db") as opened:
        yield opened


@pytest.fixture
def garden(store: Store) -> Store:
    """A store that has joined the garden of the histories, and has founded it."""
    from histories import GARDEN, NOW

    from tests.store.beds import LATER

    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([GARDEN], received_at=LATER, own=True)
    return store
