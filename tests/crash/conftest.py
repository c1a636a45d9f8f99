"""The histories that the folds are tested with are those that crashes have to leave whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.crash.damaging import Kept

sys.path.insert(0, str(Path(__file__).parents[1] / "views"))


@pytest.fixture(scope="session")
def kept() -> Iterator[Kept]:
    """A store of some days, and what a peer would send of it; copied before it is damaged."""
    from tests.crash.damaging import Kept

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder:
        yield Kept(Path(folder))


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, in memory where there is one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as found:
        yield Path(found)
