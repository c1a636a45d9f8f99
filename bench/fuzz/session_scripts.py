"""The scripts of fuzzed sessions: their bytes, and what is changed in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frames import frame_pool, mutate_frame
from memory_node import COMMONS, FOUNDING, NOW_S, entries
from negentropy_messages import mutate as mutate_negentropy
from target import scratch

from p2pcommons.errors import RejectedError
from p2pcommons.model.contribution import envelope_to_array
from p2pcommons.protocol import messages as ms

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

FRAME, WORK, WORK_ALL, TICK, LONG_TICK, ENDED, ARRIVED, REFUSE = range(8)
STEPS_MAX = 40

Step = tuple[int, bytes]


def parse(data: bytes) -> tuple[int, list[Step]]:
    """Return the circumstances and the steps; every bytes are a script."""
    steps: list[Step] = []
    at = 1
    while at < len(data) and len(steps) < STEPS_MAX:
        operation = data[at] % 8
        at += 1
        content = b""
        if operation == FRAME:
            size = int.from_bytes(data[at : at + 3], "big")
            content = data[at + 3 : at + 3 + size]
            at += 3 + size
        elif operation == ARRIVED:
            content = data[at : at + 1]
            at += 1
        steps.append((operation, content))
    return (data[0] if data else 0), steps


def script(first: int, steps: Sequence[Step]) -> bytes:
    """Return the bytes of a script."""
    made = bytearray([first])
    for operation, content in steps:
        made.append(operation)
        if operation == FRAME:
            made += len(content).to_bytes(3, "big")
        made += content
    return bytes(made)


def mutate_script(
    data: bytes, chance: random.Random, pool: list[object], spare: Sequence[Step]
) -> bytes:
    """Change one to four steps, mostly inside of a frame."""
    first, steps = parse(data)
    if chance.random() < 0.1:
        first ^= 1 << chance.randrange(8)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(steps) + 1)
        match chance.randrange(9):
            case 0 if steps:
                del steps[at : at + chance.choice((1, 1, 3))]
            case 1 if steps:
                steps[at:at] = [steps[at - 1]] * chance.choice((1, 1, 4, 70))
            case 2:
                content = bytes([chance.randrange(256)])
                other = chance.randrange(1, 8)
                steps.insert(at, (other, content if other == ARRIVED else b""))
            case 3:
                steps.insert(at, chance.choice(spare))
            case 4:
                steps.insert(at, (FRAME, made_frame(chance, pool)))
            case _ if steps:
                frames = [index for index, step in enumerate(steps) if step[0] == FRAME]
                if frames:
                    chosen = chance.choice(frames)
                    steps[chosen] = (FRAME, changed_frame(steps[chosen][1], chance, pool))
            case _:
                pass
    return script(first, steps[:STEPS_MAX])


def changed_frame(frame: bytes, chance: random.Random, pool: list[object]) -> bytes:
    """Return a frame with one place changed; a Negentropy message inside of it by its own rules."""
    try:
        message = ms.decode_message(frame)
    except RejectedError:
        message = None
    if isinstance(message, ms.Neg) and chance.random() < 0.7:
        changed = mutate_negentropy(b"\x03" + message.data, chance)[1:]
        return ms.encode_message(ms.Neg(message.channel, changed))
    return mutate_frame(frame, chance, pool) or scratch(frame, chance)


def made_frame(chance: random.Random, pool: list[object]) -> bytes:
    """Return a message that is well-formed and says something the other side did not expect."""
    channel = chance.choice((0, 0, 0, 1, 1, 2, 3, 255))
    ids = tuple(
        one for one in chance.choices(pool, k=6) if isinstance(one, bytes) and len(one) == 32
    )
    ids *= chance.choice((1, 1, 0, 40, 700))
    commons = chance.choice(COMMONS)
    parts: tuple[ms.Message, ...] = (
        ms.Open(channel, commons, chance.choice((0, 0, NOW_S - 300, 2**32 - 1))),
        ms.Open(channel, commons, 0, {"tag": ["rye"]}),
        ms.Want(channel, ids[:4_096], chance.choice((65_536, 10)), chance.choice((0, 1, 5, 40))),
        ms.Have(channel, ids[:4_096]),
        ms.Absent(channel, ids[:8]),
        ms.Bodies(channel, ids[:900]),
        ms.Neg(channel, b"\x61"),
        ms.Neg(channel, b"\x61\x00\x00\x02\x00"),
        ms.Done(channel, len(ids), bytes(chance.choice((16, 32))), 3, 0),
        ms.Unsupported(channel, "scope"),
        ms.Put(channel, tuple(one.envelope() for one in chance.sample(entries(), 3))),
    )
    return ms.encode_message(chance.choice(parts))


def session_pool() -> list[object]:
    """Values that mean something to the node."""
    pool = frame_pool()
    for item in (*entries(), *FOUNDING):
        pool += [item.id, item.id, item.id, envelope_to_array(item.envelope())]
    return pool
