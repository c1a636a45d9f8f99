"""Fixtures of the stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from p2pcommons.tui.screens import browse, compose
from p2pcommons.tui.widgets import preview
from tests.tui import homes

if TYPE_CHECKING:
    from pathlib import Path

    from p2pcommons.paths import Paths


@pytest.fixture
def empty(tmp_path: Path) -> Paths:
    """A folder in which nobody has been yet."""
    return homes.empty_home(tmp_path)


@pytest.fixture
def ana(tmp_path: Path) -> Paths:
    """Ana without a commons."""
    return homes.ana_home(tmp_path)


@pytest.fixture
def garden(tmp_path: Path) -> Paths:
    """Ana with a commons of three people."""
    return homes.garden_home(tmp_path)


@pytest.fixture(autouse=True)
def quick_fingers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for fingers to rest: the pauses are for people."""
    monkeypatch.setattr(browse, "TYPING_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(preview, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(compose, "PREVIEW_PAUSE_SECONDS", 0.001)
