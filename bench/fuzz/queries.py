"""Searches: what a person or a script types, and what a store makes of it."""

from __future__ import annotations

import atexit
import itertools
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from target import Target, must, scratch

from p2pcommons.errors import UserError
from p2pcommons.replica import open_replica
from p2pcommons.store import Order

if TYPE_CHECKING:
    import random

    from p2pcommons.replica import Replica

ENTRIES = 24
PARTS = (
    *("rye", "bread", '"rye bread"', "#rye", "tag:rye", "by:ana", "-rye", "-#rye", "-by:ana", '"'),
    *("before:2020", "after:2019-02-30", "on:2020-01", "on:today", "before:", "NEAR(", "AND", "*"),
    *("{title}:", "^", "rye*", "面包", "a\u0301", "\u202e", "\x00", "-", "--", "#", "by:", '""'),
    *("(", ")", "OR", "NOT", "after:99999999", "on:-1", "\U0001f35e", "\ud7ff", "%", "_", "\\"),
)


def make_target() -> Target:
    """Return the target; its store is in a temporary folder."""
    folder = tempfile.TemporaryDirectory(prefix="p2pc-fuzz-")
    replica = open_replica(folder.name)
    replica.create_identity("ana")
    commons = replica.create_commons("Bread").id
    with replica.batch():
        for number in range(ENTRIES):
            text = f"flour water salt {number} " + ("rye bread" if number % 3 else "wheat")
            replica.add_entry(commons, title=f"Loaf {number}", text=text, tags=["rye", "bread"])
    # The loop of the fuzzer leaves without a word: what can be tidied is tidied.
    atexit.register(folder.cleanup)
    seeds = [f"{one} {other}".encode() for one, other in itertools.pairwise(PARTS)]
    return Target("queries", seeds, mutate, partial(check, replica), bytes_max=400)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Put a part of the language somewhere, take one away, or change blindly."""
    words = data.split(b" ")
    match chance.randrange(4):
        case 0:
            return scratch(data, chance)
        case 1:
            del words[chance.randrange(len(words))]
        case _:
            words.insert(chance.randrange(len(words) + 1), chance.choice(PARTS).encode())
    return chance.choice((b" ", b" ", b" ", b"", b'"')).join(words)


def check(replica: Replica, data: bytes) -> str:
    """Return what a query finds."""
    text = data.decode(errors="replace")
    typing = bool(data) and data[0] & 1 == 0
    problems = replica.query_problems(text)
    try:
        found = replica.search(text, typing=typing)
    except UserError as error:
        must(problems, f"refused without a problem: {error}")
        return "refused"
    selection = replica.select(text, typing=typing)
    must(selection.total == len(found), "a list and a search differ")
    ranked = replica.search(text, typing=typing, order=Order.RELEVANCE)
    must(sorted(row.id for row in ranked) == sorted(row.id for row in found), "order loses entries")
    times = [min(row.claimed_at, row.received_at) for row in found]
    must(times == sorted(times, reverse=True), "not the newest first")
    facets = replica.facets(text, typing=typing)
    must(all(count.count <= len(found) for count in facets.tags), "more with a tag than there are")
    return "nothing" if not found else "all" if len(found) == ENTRIES else "some"
