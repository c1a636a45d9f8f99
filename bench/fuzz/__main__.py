"""Fuzz everything that takes bytes of strangers, with coverage feedback, or quickly without.

    python bench/fuzz [TARGET …] [--runs 1000000] [--corpus FOLDER]
    python bench/fuzz --quick 2000

Targets: envelopes, frames, sessions, negentropy_messages, negentropy_pairs, invites, gossips,
blobs, queries, neighbours. With coverage feedback this needs atheris, which the program itself
never does: install it with `pip install --group fuzz`, or `pip install "atheris>=3.0,<4"`. --quick
needs nothing: it runs every target so many times on changed seeds. Seeds are made from the
conformance vectors and from recorded sessions; a corpus folder keeps what was found interesting for
the next time.

Every case is held to its bounds: nothing but the documented rejection leaves a decoder, the same
bytes get the same verdict twice, what is accepted reads back equal, a second reader agrees, a
session ends or goes on, wants no more than it may and names nothing that it does not hold; two
seconds and 96 MiB a case. The exit code is 1 if any case broke one. A case that did is written to
the folder, to be run again with `python bench/fuzz/one.py TARGET TALLY-FILE CASE-FILE`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGETS = (
    *("envelopes", "frames", "sessions", "negentropy_messages", "negentropy_pairs"),
    *("invites", "gossips", "blobs", "queries", "neighbours"),
)
RUNS = 1_000_000
CASE_SECONDS_MAX = 60
MEMORY_MIB_MAX = 1_500
VERDICTS_SHOWN = 6
SHOWN_MAX = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--quick", type=int, metavar="CASES")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    unknown = sorted({*chosen.targets} - {*TARGETS})
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    names = chosen.targets or list(TARGETS)
    if chosen.quick is not None:
        return quick(names, chosen.quick, chosen.seed)
    if importlib.util.find_spec("atheris") is None:
        print('atheris is missing: pip install "atheris>=3.0,<4", or use --quick', file=sys.stderr)
        return 2
    print(
        f"{'target':21}{'cases':>11}{'a second':>10}{'edges':>7}{'features':>10}  memory  slowest"
    )
    with tempfile.TemporaryDirectory(prefix="p2pc-fuzz-") as temporary:
        folder = chosen.corpus or Path(temporary)
        return max([watched(name, chosen.runs, folder) for name in names], default=0)


def watched(name: str, runs: int, folder: Path) -> int:
    """Fuzz one target in a process of its own; print its row. Returns 1 if a case broke it."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tally, log = folder / f"{name}.json", folder / f"{name}.log"
    tally.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "one.py"), name, str(tally)]
    command += [f"-runs={runs}", "-mutate_depth=3", "-print_final_stats=1"]
    command += [f"-timeout={CASE_SECONDS_MAX}", f"-rss_limit_mb={MEMORY_MIB_MAX}"]
    command += [f"-artifact_prefix={folder / name}-", str(folder / name)]
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=out, check=False).returncode
    said = log.read_text(errors="replace")
    counted: dict[str, Any] = json.loads(tally.read_text()) if tally.exists() else {}
    edges, features = (re.findall(r"cov: (\d+) ft: (\d+)", said) or [("-", "-")])[-1]
    rate = counted.get("cases", 0) / (counted.get("seconds", 0) or 1)
    # The tally is written now and then; the log has the last word.
    executed = re.findall(r"number_of_executed_units: (\d+)", said)
    cases = int(executed[-1]) if executed else counted.get("cases", 0)
    print(
        f"{name:21}{cases:11,}{rate:10,.0f}{edges:>7}{features:>10}"
        f"{counted.get('memory_mib', 0):5.0f} MiB{counted.get('slowest_s', 0) * 1_000:6.0f} ms"
    )
    common = list(counted.get("verdicts", {}).items())[:VERDICTS_SHOWN]
    print("   " + ", ".join(f"{verdict.lower()}: {number:,}" for verdict, number in common))
    if code:
        print(f"   BROKEN, exit code {code}; the end of {log}:\n{said[-3_000:]}")
    return 1 if code else 0


def quick(names: list[str], cases: int, seed: int) -> int:
    """Run targets on changed seeds without coverage. Returns 1 if a case broke one."""
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    broken = 0
    for name in names:
        target: Any = importlib.import_module(name).make_target()
        chance = random.Random(f"{seed} {name}")
        verdicts: Counter[str] = Counter()
        began = time.process_time()
        for _ in range(cases):
            data: bytes = chance.choice(target.seeds)
            for _ in range(chance.choice((1, 1, 2, 4))):
                data = target.mutate(data, chance)
            try:
                verdicts[target.check(data)] += 1
            except Exception as error:  # noqa: BLE001  the very thing that is looked for
                broken += 1
                if broken > SHOWN_MAX:
                    continue
                print(f"{name}: {type(error).__name__}: {error} from {data.hex()[:20_000]}")
        seconds = time.process_time() - began
        common = ", ".join(f"{one.lower()}: {number}" for one, number in verdicts.most_common(4))
        print(f"{name:21}{cases:9,} cases, {cases / max(seconds, 0.001):8,.0f}/s  {common}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
