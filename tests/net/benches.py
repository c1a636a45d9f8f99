"""What tests use of the benches: routers that are only played."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

FOLDER = str(Path(__file__).resolve().parents[2] / "bench")


def bench(name: str) -> Any:
    """A module of the benches."""
    sys.path.insert(0, FOLDER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(FOLDER)
