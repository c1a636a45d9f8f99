"""Feed every decoder random bytes and mutated valid bytes; nothing may leave but the rejection.

Usage: python bench/fuzz_decoders.py [CASES] [--seed N]

Half of the cases are random bytes, half are valid bytes with one to four mutations. Prints how
many were accepted and rejected by each decoder, and the case that broke one, if any did.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import base58

from p2pcommons.errors import RejectedError, UserError
from p2pcommons.model import codec, contribution, keys, kinds
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.protocol import messages
from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.gossip import decode_gossip, encode_gossip
from p2pcommons.protocol.invite import Invite, decode_invite, encode_invite
from p2pcommons.protocol.items import ItemSet
from p2pcommons.protocol.negentropy import Negentropy
from p2pcommons.protocol.topic import gossip_topic

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = 100_000
RANDOM_BYTES_MAX = 300
ALLOWED = (RejectedError, UserError)


class Target(NamedTuple):
    """A decoder, and bytes that it accepts."""

    name: str
    decode: Callable[[bytes], object]
    valid: list[bytes]


def sample_contributions(chance: random.Random) -> list[contribution.Contribution]:
    """Return a commons and contributions of several kinds by two people."""
    signers = [keys.grant_device(chance.randbytes(32), chance.randbytes(32)) for _ in range(2)]
    salt = chance.randbytes(16)
    title = kinds.encode_body(kinds.CommonsBody(title="Bread"), salt)
    first = contribution.sign(
        signers[0], kinds.COMMONS, commons=ZERO_ID, body=title, claimed_at=1_700_000_000
    )
    made = [first]
    for number in range(12):
        tags = kinds.encode_body(kinds.TagBody(tags=("rye", f"n{number}")), salt)
        body = kinds.encode_body(
            kinds.EntryBody(form="note", title=f"Loaf {number}", text="flour " * number), salt
        )
        signer = signers[number % 2]
        when = 1_700_000_000 + number
        entry = contribution.sign(signer, kinds.ENTRY, commons=first.id, body=body, claimed_at=when)
        made.append(entry)
        made.append(
            contribution.sign(
                signer,
                kinds.TAG,
                commons=first.id,
                body=tags,
                claimed_at=when,
                target=entry.id,
                parents=[first.id],
            )
        )
    return made


def sample_frames(made: list[contribution.Contribution]) -> list[bytes]:
    """Return one valid frame of every session message."""
    ids = tuple(item.id for item in made)
    envelopes = tuple(item.envelope() for item in made[:4])
    blinded = tuple(sorted(identifier[:16] for identifier in ids[:5]))
    samples: list[messages.Message] = [
        messages.Hello(bytes(32), 1_700_000_000),
        messages.Commons(blinded, tuple(sorted(ids[:2]))),
        messages.Open(0, ids[0], 5, {"tag": ["rye"]}),
        messages.Neg(0, b"\x61\x00\x00\x02\x00"),
        messages.Want(1, ids, 65_536, 3),
        messages.Have(1, ids),
        messages.Put(2, envelopes),
        messages.Absent(2, ids[:3]),
        messages.Bodies(3, ids[:3]),
        messages.Done(3, 25, bytes(16), 25, 0),
        messages.Unsupported(255, "scope"),
    ]
    return [messages.encode_message(sample) for sample in samples]


def make_targets(chance: random.Random) -> list[Target]:
    """Return every decoder that a peer or a stranger's text can reach."""
    made = sample_contributions(chance)
    topic = gossip_topic(made[0].id)
    items = [(item.header.claimed_at, item.id) for item in made]
    others = items[::2] + [(1_700_000_500 + n, chance.randbytes(32)) for n in range(60)]
    mine, theirs = ItemSet(items).snapshot(), ItemSet(others).snapshot()
    first = Negentropy(mine).initiate()
    second = Negentropy(theirs).reconcile(first).message or b""
    invite = Invite(
        made[0].id,
        "Bread",
        base58.b58encode(PEER_ID_PREFIX + bytes(32)).decode(),
        ("/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/tcp/1", "/dns/example.org/tcp/1"),
    )

    def verify(data: bytes) -> object:
        return contribution.verify(contribution.decode_envelope(data))

    def parse_bodies(data: bytes) -> object:
        return [kinds.parse_body(item.header.kind, data) for item in made[:3]]

    def read_gossip(data: bytes) -> object:
        return decode_gossip(topic, data)

    def read_invite(data: bytes) -> object:
        return decode_invite(data.decode("utf-8", errors="replace"))

    def answer(data: bytes) -> object:
        return Negentropy(theirs, frame_bytes_max=4_096).reconcile(data)

    def conclude(data: bytes) -> object:
        opener = Negentropy(mine, frame_bytes_max=4_096)
        opener.initiate()
        return opener.reconcile(data)

    return [
        Target("codec", codec.decode, [codec.encode([1, "a", {"k": [b"x", None, True]}])]),
        Target("header", contribution.decode_header, [item.header_bytes for item in made]),
        Target(
            "envelope",
            verify,
            [contribution.encode_envelope(item.envelope()) for item in made],
        ),
        Target(
            "body",
            parse_bodies,
            [item.body or b"" for item in made],
        ),
        Target("gossip", read_gossip, encode_gossip(made)),
        Target("session frame", messages.decode_message, sample_frames(made)),
        Target("negentropy, asked", answer, [first]),
        Target("negentropy, answered", conclude, [second]),
        Target(
            "invite",
            read_invite,
            [encode_invite(invite).encode()],
        ),
    ]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with one to four changes: flipped, cut, inserted, repeated, overwritten."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + chance.randrange(1, 40)]
            case 2:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                changed[at:at] = changed[at : at + chance.randrange(1, 40)]
            case 4:
                del changed[at:]
            case _:
                # Lengths and types are where decoders break: write the marks of msgpack.
                marks = b"\x00\x7f\x80\x90\xa0\xc0\xc1\xc4\xc6\xca\xcf\xd3\xd9\xdb\xdd\xdf\xff"
                changed[at : at + 1] = bytes([chance.choice(marks)])
    return bytes(changed)


def random_bytes(chance: random.Random) -> bytes:
    """Return random bytes, or letters, sometimes behind a valid beginning."""
    size = chance.randrange(RANDOM_BYTES_MAX)
    if chance.random() < 0.2:
        return bytes(chance.choices(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=size))
    return chance.choice([b"", b"", b"\x61", b"\x94", b"P"]) + chance.randbytes(size)


def fuzz(cases: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Run the cases; return counts by (decoder, verdict) and a description of every escape."""
    chance = random.Random(seed)
    targets = make_targets(chance)
    counts: Counter[tuple[str, str]] = Counter()
    escapes: list[str] = []
    for number in range(cases):
        target = targets[number % len(targets)]
        is_mutation = number // len(targets) % 2 == 0
        data = mutate(chance.choice(target.valid), chance) if is_mutation else random_bytes(chance)
        try:
            target.decode(data)
            counts[target.name, "accepted"] += 1
        except ALLOWED:
            counts[target.name, "rejected"] += 1
        except BaseException as error:  # noqa: BLE001  the very thing that is looked for
            counts[target.name, "ESCAPED"] += 1
            escapes.append(f"{target.name}: {type(error).__name__}: {error} from {data.hex()}")
    return counts, escapes


def main() -> int:
    """Run from the shell; exit code 1 if anything escaped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="?", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    counts, escapes = fuzz(arguments.cases, arguments.seed)
    print(f"{'decoder':24}{'accepted':>10}{'rejected':>10}{'escaped':>10}")
    for name in dict.fromkeys(name for name, _ in counts):
        row = [counts[name, verdict] for verdict in ("accepted", "rejected", "ESCAPED")]
        print(f"{name:24}" + "".join(f"{count:10,}" for count in row))
    checked = hashlib.sha256(repr(sorted(counts.items())).encode()).hexdigest()[:8]
    print(
        f"{sum(counts.values()):,} cases, seed {arguments.seed}, {len(escapes)} escaped, "
        f"{time.perf_counter() - began:.0f} s, run {checked}"
    )
    for escape in escapes[:10]:
        print(escape)
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.exit(main())
