"""Crash a store before every change of its files; nothing that was promised may be missing.

    python bench/crash_points.py [--foreign 400] [--shuffles 5] [--seed N]

A day of a store (own contributions, groups of others, edits, withdrawals, checkpoints, erasing,
deleting a commons, a rebuild) and two migrations are recorded write by write and sync by sync. Then
each is crashed at every change: the program killed with that write half done; the power lost with
all that was not synced; the power lost with any part of it left, in any order, whole or torn. The
real store opens what is left: `integrity_check`, every acknowledged own contribution, views
equal a full fold, count and fingerprint equal a recount, and the store takes something new.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "views")]

from tests.crash.checking import Checker  # noqa: E402
from tests.crash.disk import why_not  # noqa: E402
from tests.crash.points import points  # noqa: E402
from tests.crash.session import History, record_day, record_first_schema, record_migration  # noqa: E402

REPORT_EVERY = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--foreign", type=int, default=400, help="contributions of others")
    parser.add_argument("--shuffles", type=int, default=5, help="of each change")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    chosen = parser.parse_args()
    if why_not():
        print(why_not())
        return 1
    print(f"seed {chosen.seed}")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    rows: list[str] = []
    with tempfile.TemporaryDirectory(dir=memory, prefix="p2pc-crash-") as folder:
        histories: dict[str, Callable[[Path], History]] = {
            "a day": lambda there: record_day(there, foreign=chosen.foreign),
            "a migration": record_migration,
            "from schema 1": record_first_schema,
        }
        for name, record in histories.items():
            there = Path(folder) / name.replace(" ", "-")
            there.mkdir()
            history = record(there)
            rows.append(_crash(name, history, there / "left", chosen.shuffles, chosen.seed))
    print(
        f"{'history':13} {'writes':>7} {'syncs':>6} {'other':>6} {'crashes':>8} {'states':>7} "
        f"{'promised':>9} {'seconds':>8}"
    )
    print("\n".join(rows))
    print("every crash: integrity ok, nothing promised missing, views equal, recount equal")
    return 0


def _crash(name: str, history: History, left: Path, shuffles: int, seed: int) -> str:
    """Crash one history everywhere and return its row of the table. Raises AssertionError."""
    left.mkdir()
    began = time.monotonic()
    checker = Checker(left, history)
    chance = random.Random(seed)
    for point in points(history.before, history.ops, chance, shuffles=shuffles):
        checker.check(point)
        if checker.checked % REPORT_EVERY == 0:
            print(
                f"{name}: {checker.checked} crashes, change {point.number} of {len(history.ops)}",
                flush=True,
            )
    kinds = Counter(op.kind for op in history.ops)
    other = len(history.ops) - kinds["write"] - kinds["sync"]
    return (
        f"{name:13} {kinds['write']:7} {kinds['sync']:6} {other:6} {checker.checked:8} "
        f"{len(checker.states):7} {len(history.promises.kept):9} {time.monotonic() - began:8.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
