"""Fuzz one target with coverage feedback; started by `python bench/fuzz`, which says how.

python bench/fuzz/one.py TARGET TALLY-FILE [libFuzzer options] CORPUS
"""

from __future__ import annotations

import importlib
import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS_MAX = 2.0
"""Processor time of one case. The largest message takes 0.1 s without the instrumentation."""
GROWTH_MIB_MAX = 96
"""What one case may add to the largest memory the process ever had."""
NOT_WATCHED = {
    "sessions": [
        *(f"p2pcommons.model.{name}" for name in ("codec", "contribution", "ed25519", "keys")),
        *(f"p2pcommons.protocol.{name}" for name in ("messages", "items", "blocks", "varint")),
    ],
}
"""What is left out of the coverage of a target because another one is about it."""
TALLY_EVERY = 1_000


class Tally:
    """Counts the verdicts, and holds every case to its bounds."""

    def __init__(self, path: Path, check: Any) -> None:
        self._path = path
        self._check = check
        self._verdicts: Counter[str] = Counter()
        self._slowest = 0.0
        self._cases = 0
        self._began = time.monotonic()

    def __call__(self, data: bytes) -> None:
        """Run one case. Raises what the check raises, or MemoryError, TimeoutError."""
        memory = _memory_mib()
        before = time.process_time()
        verdict = self._check(data)
        seconds = time.process_time() - before
        self._verdicts[verdict] += 1
        self._cases += 1
        self._slowest = max(self._slowest, seconds)
        if seconds > SECONDS_MAX:
            raise TimeoutError(f"{seconds:.1f} s for {len(data)} bytes")
        if _memory_mib() - memory > GROWTH_MIB_MAX:
            raise MemoryError(f"{_memory_mib() - memory:.0f} MiB for {len(data)} bytes")
        if self._cases % TALLY_EVERY == 0:
            self.write()

    def write(self) -> None:
        """Write what was counted so far for the process that prints it."""
        counted = {
            "cases": self._cases,
            "verdicts": dict(self._verdicts.most_common()),
            "slowest_s": self._slowest,
            "seconds": time.monotonic() - self._began,
            "memory_mib": _memory_mib(),
        }
        self._path.write_text(json.dumps(counted), encoding="utf-8")


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    name, tally_path, *options = sys.argv[1:]
    sys.path.insert(0, str(HERE.parents[1]))
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(["p2pcommons"], NOT_WATCHED.get(name, [])):
        target: Any = importlib.import_module(name).make_target()
    corpus = Path(options[-1])
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number:04}").write_bytes(seed)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < target.blind:
            return atheris.Mutate(data, max_size)
        return target.mutate(data, chance)[:max_size]

    tally = Tally(Path(tally_path), target.check)
    options = [f"-max_len={target.bytes_max}", *options]
    atheris.Setup([sys.argv[0], *options], tally, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
