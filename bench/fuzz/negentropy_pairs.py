"""Two honest sets that the bytes describe: reconciled, they know exactly their difference."""

from __future__ import annotations

from negentropy_messages import FRAME_BYTES_MAX, item, read, write
from target import Target, must, scratch

from p2pcommons.protocol.items import ItemSet
from p2pcommons.protocol.negentropy import Negentropy, split_ids

ROUNDS_MAX = 400


def make_target() -> Target:
    """Return the target."""
    seeds = [bytes([0, 1, 2, 3, 9, 9]), bytes([5, *range(200)]), bytes([15]), b""]
    return Target("negentropy_pairs", seeds, scratch, check, bytes_max=200)


def check(data: bytes) -> str:
    """Reconcile two honest sets that the bytes describe, and compare with their difference."""
    crowd = data[0] % 16 * 32 if data else 0
    sets: tuple[set[int], set[int]] = (set(range(crowd)), set(range(crowd)))
    for at, byte in enumerate(data[1:200]):
        number = byte * (at % 7 + 1)
        chosen = sets[at & 1]
        (chosen.discard if number % 3 == 0 else chosen.add)(number)
    first, second = ([item(number) for number in one] for one in sets)
    opener = Negentropy(ItemSet(first).snapshot(), frame_bytes_max=FRAME_BYTES_MAX)
    other = Negentropy(ItemSet(second).snapshot(), frame_bytes_max=FRAME_BYTES_MAX)
    message: bytes | None = opener.initiate()
    have: set[bytes] = set()
    need: set[bytes] = set()
    rounds = 0
    while message is not None:
        rounds += 1
        must(rounds <= ROUNDS_MAX, "does not come to an end")
        must(write(read(message)) == message, "the second reader writes other bytes")
        step = opener.reconcile(other.reconcile(message).message or b"")
        have.update(split_ids(step.have))
        need.update(split_ids(step.need))
        message = step.message
    must(have == {item(number)[1] for number in sets[0] - sets[1]}, "wrong ids to give")
    must(need == {item(number)[1] for number in sets[1] - sets[0]}, "wrong ids to take")
    return f"equal after {rounds} rounds" if rounds < 6 else "equal after more"
