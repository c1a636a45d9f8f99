"""What peers say about meeting each other: relays, dial-backs, hole punching, holders, offers.

The first byte of a case chooses the decoder, the rest is what a peer sent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

from target import Target, must, scratch, vectors

from p2pcommons.errors import NetworkError, RejectedError
from p2pcommons.model.kinds import PLEDGE, PledgeBody, parse_body
from p2pcommons.model.limits import TITLE_CHARS_MAX
from p2pcommons.net import nat_messages, relay_messages
from p2pcommons.net.relay_messages import Granted, Status
from p2pcommons.protocol import identify, kademlia_messages, offers, peer_records
from p2pcommons.protocol.kademlia_messages import Contact, Kind, Message

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
WHERE = ("/ip4/192.0.2.7/tcp/4001", "/ip6/2001:db8::7/tcp/1", "/dns4/example.org/tcp/4001")
COMMONS = hashlib.sha256(b"a commons").digest()


def _kademlia(data: bytes) -> object:
    message = kademlia_messages.decode_message(data)
    for contact in (*message.closer, *message.providers):
        must(len(contact.addresses) <= kademlia_messages.ADDRESSES_MAX, "too many addresses")
    must(len(message.closer) <= kademlia_messages.CONTACTS_MAX, "too many peers")
    again = kademlia_messages.encode_message(message)
    must(kademlia_messages.decode_message(again) == message, "reads back otherwise")
    return message


def _status(data: bytes) -> object:
    granted = relay_messages.decode_status(data)
    must(len(granted.addresses) <= relay_messages.ADDRESSES_MAX, "too many addresses")
    return granted


def _offer(data: bytes) -> object:
    title = offers.read_offer(COMMONS, data)
    must(title is None or len(title) <= TITLE_CHARS_MAX, "a title too long")
    return title


def _pledge(data: bytes) -> object:
    said = parse_body(PLEDGE, data)
    must(said is None or isinstance(said, PledgeBody), "another kind of body")
    must(said is None or cast("PledgeBody", said).files >= 0, "less than nothing")
    return said


DECODERS: tuple[Callable[[bytes], object], ...] = (
    relay_messages.decode_ask,
    _status,
    relay_messages.decode_stop,
    relay_messages.decode_stop_status,
    lambda data: nat_messages.decode_dial(data, PEER),
    nat_messages.decode_dial_answer,
    nat_messages.decode_punch,
    nat_messages.observed_address,
    _kademlia,
    lambda data: identify.listen_addresses(data, PEER),
    offers.decode_question,
    _offer,
    lambda data: list(peer_records.decode_records(data)),
    _pledge,
)


def make_target() -> Target:
    """Return the target."""
    contact = Contact(PEER, WHERE)
    said: list[bytes] = [
        relay_messages.encode_connect(PEER),
        relay_messages.encode_status(Status.OK, Granted(2**31, WHERE, 7_200, 2**27)),
        relay_messages.encode_stop(PEER, 7_200, 2**27),
        relay_messages.encode_stop_status(Status.OK),
        nat_messages.encode_dial(PEER, list(WHERE)),
        nat_messages.encode_dial_answer(nat_messages.DialStatus.OK, address=WHERE[0]),
        nat_messages.encode_punch(nat_messages.PunchMessage(False, WHERE)),
        kademlia_messages.encode_message(
            Message(Kind.GET_PROVIDERS, COMMONS, (contact,), (contact, contact))
        ),
        offers.encode_question([COMMONS, bytes(32)]),
    ]
    later: list[dict[str, Any]] = vectors("later-kinds-v1.json")["contributions"]
    pledges = [bytes.fromhex(each["body"]) for each in later if "pledge" in each["name"]]
    places = (0, 1, 2, 3, 4, 5, 6, 8, 10)
    seeds = [bytes([place]) + data for place, data in zip(places, said, strict=True)]
    # The messages of one protocol are what another one must not stumble over.
    seeds += [bytes([place]) + said[0] for place in range(len(DECODERS))]
    seeds += [bytes([len(DECODERS) - 1]) + body for body in pledges]
    return Target("neighbours", seeds, mutate, check, bytes_max=20_000)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change what is said; now and then say it to another decoder."""
    head = data[:1] or b"\x00"
    if chance.random() < 0.05:
        head = bytes([chance.randrange(len(DECODERS))])
    return head + scratch(data[1:], chance)


def check(data: bytes) -> str:
    """Return the verdict on what was said."""
    decode = DECODERS[(data[0] if data else 0) % len(DECODERS)]
    verdict = _verdict(decode, data[1:])
    must(_verdict(decode, data[1:]) == verdict, "the second verdict differs")
    return verdict


def _verdict(decode: Callable[[bytes], object], data: bytes) -> str:
    try:
        found = decode(data)
    except RejectedError as error:
        return error.reason.name
    except relay_messages.RelayRefusal:
        return "the relay refuses"
    except NetworkError as error:
        return f"not a refusal: {error}"
    return "nothing" if found is None else "accepted"
