"""A flood of valid contributions by fresh authors, against the pool that strangers share.

    python bench/strangers.py [--authors 10000] [--each 10] [--megabytes 20] [--known 1000]

Contributions of authors whom nobody knows come at a store as a node takes them in, newest first
and in between those of the founder. Printed: what was offered, kept, let go and declined, what
the disk holds against what is allowed, and what taking it cost. Ends with 1 when the disk goes
beyond the pool and what comes besides it, or anything of the founder is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import CommonsBody, EntryBody, encode_body
from p2pcommons.node.admission import LET_GO_MAX, StrangersPool
from p2pcommons.store import PoolLimits, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW = 1_790_000_000
GROUP = 450
TEXT_WORDS = 70
LET_GO_BYTES = 350
"""What the id of a contribution that was let go may keep, with its author's key and grant."""
OVERHEAD_BYTES = 12_000_000
"""An empty store, its log of up to 10 MB, and one group more than the pool allows."""
HALF_EMPTY = 2
"""Pages out of which the oldest went stay half empty until the store is compacted."""
TEXT_BYTES = 2_500
"""What the full text may keep of an entry that went, until the next sweep merges it."""


def main() -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--authors", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=10, help="contributions of each author")
    parser.add_argument("--megabytes", type=int, default=20, help="room for strangers")
    parser.add_argument("--known", type=int, default=1_000, help="contributions of the founder")
    args = parser.parse_args()
    founder = signer(b"founder")
    garden = sign(
        founder,
        "commons",
        commons=ZERO_ID,
        body=encode_body(CommonsBody("Garden"), bytes(16)),
        claimed_at=NOW - 10**7,
    )
    limits = PoolLimits(args.megabytes * 1_000_000, 1_000_000, LET_GO_MAX)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "replica.db") as store:
        store.join_commons(garden.id, now=NOW)
        store.ingest([garden], received_at=NOW)
        return flood(store, garden.id, founder, limits, args)


def flood(
    store: Store, commons: bytes, founder: Signer, limits: PoolLimits, args: argparse.Namespace
) -> int:
    """Offer everything, print what came of it and return the exit code."""
    pool = StrangersPool(lambda: limits, lambda: NOW)
    known = [entry(founder, commons, number, NOW - 10**6 - number) for number in range(args.known)]
    spent, offered, largest = 0.0, 0, 0
    declined: set[bytes] = set()
    for group in groups(commons, known, args):
        began = time.perf_counter()
        admitted = pool.admit(store, group, "bench")
        store.ingest(admitted, received_at=NOW, source="bench")
        spent += time.perf_counter() - began
        offered += len(group)
        declined.update({each.id for each in group} - {each.id for each in admitted})
        largest = max(largest, store.disk_state().total)
    use = store.space_use(commons)
    assert use is not None
    held = store.envelopes(commons, [each.id for each in known])
    store.sweep(NOW)
    swept = store.disk_state()
    content = HALF_EMPTY * (limits.bytes_max + args.known * 1_300) + use.let_go * LET_GO_BYTES
    room = content + use.let_go * TEXT_BYTES + OVERHEAD_BYTES
    rows = (
        ("offered", f"{offered:,} contributions of {args.authors + 1:,} authors"),
        ("of strangers held", f"{use.strangers_contributions:,}, let go {use.let_go:,}"),
        ("declined", f"{len(declined):,}"),
        ("of the founder held", f"{len(held):,} of {len(known):,}"),
        ("disk, at most", f"{largest / 1e6:.1f} MB; allowed {room / 1e6:.1f} MB"),
        (
            "disk after a sweep",
            f"{(swept.file - swept.empty) / 1e6:.1f} MB in use; allowed {content / 1e6:.1f} MB",
        ),
        ("taken", f"{offered / spent:,.0f} contributions a second, verification apart"),
        ("views", "equal a fold" if not store.views_differences() else "DIFFER"),
    )
    for name, value in rows:
        print(f"{name:22}{value}")
    wrong = (
        largest > room
        or swept.file - swept.empty > content
        or len(held) != len(known)
        or store.views_differences()
    )
    print("FAILED" if wrong else "as stated")
    return 1 if wrong else 0


def groups(
    commons: bytes, known: Sequence[Contribution], args: argparse.Namespace
) -> Iterator[list[Contribution]]:
    """Yield what comes in, in groups; each has some of the founder's."""
    chance = random.Random(1)  # the same in every run
    left = list(known)
    people = [signer(b"stranger %d" % number) for number in range(args.authors)]
    count = args.authors * args.each
    share = max(1, len(left) * GROUP // count + 1)
    made: list[Contribution] = []
    for number in range(count):
        # Half come newest first, as a session brings them; half are written while it goes on.
        when = NOW - number if number < count // 2 else NOW + number - count
        made.append(entry(chance.choice(people), commons, number, when))
        if len(made) == GROUP - share or number == count - 1:
            group, made = [*made, *left[:share]], []
            del left[:share]
            yield group
    while left:
        yield left[:GROUP]
        del left[:GROUP]


def signer(name: bytes) -> Signer:
    """Return a device of a person made up for this."""
    return grant_device(hashlib.sha256(name).digest(), hashlib.sha256(b"device " + name).digest())


def entry(who: Signer, commons: bytes, number: int, claimed_at: int) -> Contribution:
    """Return an ordinary entry of about 500 bytes."""
    text = " ".join(f"{number:x}w{each}" for each in range(TEXT_WORDS))
    body = encode_body(EntryBody("note", f"Entry {number}", text=text), number.to_bytes(16, "big"))
    return sign(who, "entry", commons=commons, body=body, claimed_at=claimed_at)


if __name__ == "__main__":
    sys.exit(main())
