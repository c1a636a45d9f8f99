"""Many signed entries, always the same ones, and stores that hold them, kept for the next run.

    python bench/corpus.py HOME [--entries 100000] [--newest-first]

Entry number n is the same contribution in every run and in a corpus of any size: a larger one
begins with all of a smaller one, so two stores can differ by exactly the newest few. Words are
drawn by Zipf's law from 60,000, tags from 2,000, authors from 120 of whom one writes every second
entry. An envelope has about 500 bytes. Everything goes through the store's `ingest`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import COMMONS, ENTRY, PROFILE, CommonsBody, EntryBody, ProfileBody
from p2pcommons.model.kinds import encode_body as encoded
from p2pcommons.paths import find_paths
from p2pcommons.store import Store

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

AUTHORS = 120
WORDS = 60_000
TAGS = 2_000
BLOCK = 1_000
"""Entries drawn from one random source, and signed by one process at a time."""
GROUP = 450
"""Contributions in one transaction, as a node writes them."""
BEGINNING = 1_500_000_000
STEP_SECONDS = 250
"""Between two entries; a million of them take eight years."""
RECEIVED_AT = 1_790_000_000
MARKER = "corpus.json"

NEVER_TOGETHER = ("evenmark", "oddmark")
"""Two words that each stand in a third of the entries, and never in the same one."""
ONLY_OLDEST = "needle"
"""A word, and a tag, that only the oldest entry has."""
ONCE = "wrotesone"
"""Somebody who began one entry, the second oldest."""

_CONSONANTS = "tnsrlmdkpbvgfhjczwxq"
_VOWELS = "aeiou"


@cache
def word(rank: int) -> str:
    """Return the word of a rank, 0 being the most common and short."""
    syllables: list[str] = []
    number = rank
    while True:
        number, rest = divmod(number, 100)
        syllables.append(_CONSONANTS[rest % 20] + _VOWELS[rest // 20])
        if not number:
            return "".join(reversed(syllables))
        number -= 1


def tag(rank: int) -> str:
    """Return the tag of a rank, 0 being the most common."""
    return f"{word(rank + 100)}-{rank % 10}"


@cache
def signer(number: int) -> Signer:
    """Return author `number`; number AUTHORS is the one who began a single entry."""
    seeds = [hashlib.sha256(f"{kind} {number}".encode()).digest() for kind in ("root", "device")]
    return grant_device(*seeds)


def name_of(number: int) -> str:
    """Return what author `number` is called."""
    return ONCE if number == AUTHORS else f"person{number}"


@cache
def founding() -> Contribution:
    """Return the founding contribution of the corpus's commons."""
    body = encoded(CommonsBody("Corpus", "Entries for measurements"), _salt("founding"))
    return sign(signer(0), COMMONS, commons=ZERO_ID, body=body, claimed_at=BEGINNING - STEP_SECONDS)


def beginning() -> list[Contribution]:
    """Return what every corpus has before its entries: the commons and everybody's names."""
    commons = founding()
    return [
        commons,
        *(
            sign(
                signer(number),
                PROFILE,
                commons=commons.id,
                body=encoded(ProfileBody(name_of(number)), _salt(f"profile {number}")),
                claimed_at=BEGINNING - STEP_SECONDS,
            )
            for number in range(AUTHORS + 1)
        ),
    ]


def time_of(number: int) -> int:
    """Return the second that entry `number` claims."""
    return BEGINNING + number * STEP_SECONDS


def entries(start: int, stop: int, *, newest_first: bool = False) -> Iterator[list[Contribution]]:
    """Yield the entries from `start` up to `stop` in blocks, signed on all processors but one."""
    first, last = start // BLOCK, -(-stop // BLOCK)
    pieces = [
        (max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)) for block in range(first, last)
    ]
    if newest_first:
        pieces.reverse()
    with multiprocessing.Pool(max(1, (os.cpu_count() or 2) - 1)) as pool:
        for made in pool.imap(_signed, pieces):
            yield made[::-1] if newest_first else made


def fill(store: Store, start: int, stop: int, *, newest_first: bool = False) -> None:
    """Take the entries from `start` up to `stop` into a store, after commons and names."""
    store.join_commons(founding().id, now=RECEIVED_AT)
    store.ingest(beginning(), received_at=RECEIVED_AT)
    for block in entries(start, stop, newest_first=newest_first):
        for group in _groups(block):
            store.ingest(group, received_at=RECEIVED_AT)


def build(home: Path, count: int, *, newest_first: bool = False) -> Path:
    """Return the store of a home that holds entries 0 to `count`, made if it is not there yet.

    `newest_first` takes them in the order in which a sync brings them. Raises SystemExit if the
    home holds something else.
    """
    paths = find_paths(home)
    marker = home / MARKER
    wanted = {"entries": count, "newest_first": newest_first, "words": WORDS, "version": 1}
    if marker.exists():
        if json.loads(marker.read_text()) == wanted:
            return paths.replica_db
        raise SystemExit(f"{home} holds another corpus: {marker.read_text()}")
    if paths.replica_db.exists():
        raise SystemExit(f"{home} holds a store that is not, or not wholly, a corpus; remove it")
    paths.make()
    began = time.monotonic()
    with Store.open(paths.replica_db) as store:
        fill(store, 0, count, newest_first=newest_first)
    seconds = time.monotonic() - began
    marker.write_text(json.dumps(wanted))
    print(f"{count} entries made in {seconds:.0f} s, {count / seconds:.0f}/s", flush=True)
    return paths.replica_db


def _signed(piece: tuple[int, int]) -> list[Contribution]:
    start, stop = piece
    block = start // BLOCK
    drawn = random.Random(f"block {block}")
    made: list[Contribution] = []
    for number in range(block * BLOCK, stop):
        author, body = _entry(number, drawn)
        if number >= start:
            made.append(
                sign(
                    signer(author),
                    ENTRY,
                    commons=founding().id,
                    body=encoded(body, _salt(f"entry {number}")),
                    claimed_at=time_of(number),
                )
            )
    return made


def _entry(number: int, drawn: random.Random) -> tuple[int, EntryBody]:
    author = 0 if drawn.random() < 0.5 else drawn.randrange(1, AUTHORS)
    ranks = drawn.choices(range(WORDS), cum_weights=_weights(WORDS), k=drawn.randrange(16, 46))
    words = [word(rank) for rank in ranks]
    labels = drawn.choices(range(TAGS), cum_weights=_weights(TAGS), k=3)
    tags = [tag(rank) for rank in labels]
    if number % 3 < len(NEVER_TOGETHER):
        words.append(NEVER_TOGETHER[number % 3])
    if number == 0:
        words.append(ONLY_OLDEST)
        tags[0] = ONLY_OLDEST
    length = drawn.randrange(3, 9)
    title = " ".join(words[:length]).capitalize()
    text = " ".join(words[length:])
    body = EntryBody("practice", title, f"{text}.", tags=tuple(dict.fromkeys(tags)))
    return (AUTHORS if number == 1 else author), body


@cache
def _weights(count: int) -> Sequence[float]:
    return list(itertools.accumulate(1 / (rank + 1.5) for rank in range(count)))


def _salt(what: str) -> bytes:
    return hashlib.sha256(f"salt {what}".encode()).digest()[:16]


def _groups(block: Sequence[Contribution]) -> Generator[Sequence[Contribution]]:
    for start in range(0, len(block), GROUP):
        yield block[start : start + GROUP]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path, metavar="HOME")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--newest-first", action="store_true")
    chosen = parser.parse_args()
    path = build(chosen.home, chosen.entries, newest_first=chosen.newest_first)
    size = sum(file.stat().st_size for file in path.parent.glob("replica.db*"))
    print(f"{path}: {size / chosen.entries:.0f} bytes an entry")
    return 0


if __name__ == "__main__":
    sys.exit(main())
