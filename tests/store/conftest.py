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
