"""A slice of a real history in a thousand orders: every one gives the same views and digest.

    python bench/permutations.py tldr-history.jsonl[.gz] [--events 300] [--from 0] [--orders 1000]

The events are signed once (see `replay_tldr.py`). Each order is a permutation in batches of many
sizes, with some things twice and some headers long before their bodies; every byte that the
replica tells of its entries, versions, tags, names and figures is compared. Exit code 1 when an
order tells something else.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sim.orders import in_any_order, replica_of, told

from p2pcommons.model.kinds import ProfileBody
from p2pcommons.replica import open_replica
from replay_tldr import Replay, events

if TYPE_CHECKING:
    from p2pcommons.model.contribution import Contribution

SAY_SECONDS = 30.0
LATER = 2_000_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--events", type=int, default=300, help="how many events of the history")
    parser.add_argument("--from", type=int, default=0, dest="first", help="events left out before")
    parser.add_argument("--orders", type=int, default=1_000, help="how many permutations")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    held, commons = signed(chosen.source, chosen.first, chosen.events)
    kinds = Counter(each.header.kind for each in held)
    print(f"{len(held)} contributions: {dict(kinds)}", flush=True)
    began = said = time.monotonic()
    outcomes: Counter[str] = Counter()
    for number in range(chosen.orders):
        chance = Random(f"{chosen.seed}/{number}")
        with replica_of(in_any_order(held, chance), commons, LATER) as store:
            outcomes[hashlib.sha256(told(store)).hexdigest()] += 1
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            print(f"{number + 1} orders, {len(outcomes)} outcomes", flush=True)
    with replica_of([held], commons, LATER) as store:
        size = len(told(store))
        differences = store.views_differences()
    print(f"| contributions       | {len(held):>10} |")
    print(f"| orders              | {chosen.orders:>10} |")
    print(f"| bytes compared each | {size:>10} |")
    print(f"| different outcomes  | {len(outcomes):>10} |")
    print(f"| seconds             | {time.monotonic() - began:>10.1f} |")
    return 0 if len(outcomes) == 1 and not differences else 1


def signed(source: Path, first: int, count: int) -> tuple[list[Contribution], bytes]:
    """Return a slice of the history as contributions, with a name for each contributor."""
    with tempfile.TemporaryDirectory() as folder, open_replica(Path(folder)) as replica:
        replica.create_identity("replay")
        commons = replica.create_commons("Practice notes of many").id
        replay = Replay(replica, commons)
        with replica.batch():
            for event in itertools.islice(events(source), first, first + count):
                replay.take(event)
            for who, signer in replay.signers.items():
                replica.contribute(ProfileBody(who[:80]), commons=commons, identity=signer)
        rows = replica.store.contributions_after(commons, 0, limit=10**6)
        return [contribution for _, contribution in rows], commons


if __name__ == "__main__":
    raise SystemExit(main())
