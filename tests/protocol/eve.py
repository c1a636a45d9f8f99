"""Eve speaks the protocol up to a point and then says whatever she likes; Bob is honest."""

from __future__ import annotations

from p2pcommons.errors import RejectReason
from p2pcommons.protocol import events as ev
from p2pcommons.protocol.messages import (
    Commons,
    Done,
    Have,
    Hello,
    Message,
    Open,
    encode_message,
)
from p2pcommons.protocol.session import blinded_commons

from .memory import MemoryNode, entry, founding, make_side

COMMONS = founding().id
NONCE = bytes([9]) * 32
NUMBERS = range(30)


def bob() -> MemoryNode:
    node = MemoryNode("bob")
    node.add(founding(), *(entry(number) for number in NUMBERS))
    return node


class Eve:
    """A peer that speaks the protocol up to a point and then says whatever it likes."""

    def __init__(self, *, bob_opens: bool, node: MemoryNode | None = None) -> None:
        self.bob = make_side(node or bob(), is_opener=bob_opens)
        self.bob.handle(ev.Started())
        self.bob_opens = bob_opens

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.raw(encode_message(message))

    def raw(self, frame: bytes) -> None:
        self.bob.handle(ev.FrameReceived(frame))
        while self.bob.work():
            pass

    def shake_hands(self) -> None:
        hello = self.bob.messages()[0]
        assert isinstance(hello, Hello)
        nonces = hello.nonce + NONCE if self.bob_opens else NONCE + hello.nonce
        self.say(Hello(NONCE, 5), Commons((blinded_commons(nonces, COMMONS),)))

    def heard(self) -> list[Message]:
        return self.bob.messages()

    def fault(self) -> RejectReason | None:
        faults = self.bob.faults()
        ended = self.bob.ended()
        assert bool(faults) == (ended is not None and ended.reason is ev.EndReason.FAULT)
        return faults[0].reason if faults else None


def at_bobs_door(*, bob_opens: bool = False) -> Eve:
    eve = Eve(bob_opens=bob_opens)
    eve.shake_hands()
    return eve


def in_a_channel() -> Eve:
    eve = at_bobs_door()
    eve.say(Open(0, COMMONS))
    return eve


UNKNOWN = entry(999).id
FLOOD: list[Message] = [
    Have(0, tuple((4_000 * part + n).to_bytes(32, "big") for n in range(4_000)))
    for part in range(5)
]
DONE = Done(0, 0, bytes(16), 0, 0)
