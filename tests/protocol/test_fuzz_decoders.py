"""The short form of bench/fuzz_decoders.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "bench" / "fuzz_decoders.py"


def test_nothing_but_the_declared_rejection_leaves_a_decoder() -> None:
    spec = importlib.util.spec_from_file_location("fuzz_decoders", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    counts, escapes = script.fuzz(4_000, seed=20)
    assert escapes == []
    rejected = {name for name, verdict in counts if verdict == "rejected"}
    assert len(rejected) == 8, "all but bodies, which say nothing instead of being rejected"
