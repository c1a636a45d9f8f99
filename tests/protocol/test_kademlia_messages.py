"""Messages of the directory: those of libp2p's own Kademlia, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libp2p.kad_dht.pb import kademlia_pb2
from multiaddr import Multiaddr

from p2pcommons.errors import RejectedError
from p2pcommons.protocol.kademlia_messages import (
    ADDRESSES_MAX,
    CONTACTS_MAX,
    KEY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    Contact,
    Kind,
    Message,
    decode_message,
    encode_message,
)
from p2pcommons.protocol.multiaddrs import (
    address_from_bytes,
    address_to_bytes,
    peer_id_from_bytes,
    peer_id_to_bytes,
)

from .contacts import contact, peer_id

ADDRESSES = [
    "/ip4/192.0.2.1/tcp/4001",
    "/ip6/2001:db8::1/tcp/65535",
    "/dns4/example.org/tcp/443",
    "/dns6/example.org/tcp/1",
    "/dns/a.b/tcp/0",
    f"/ip4/198.51.100.4/tcp/4001/p2p/{peer_id(9)}/p2p-circuit",
]

contacts = st.builds(
    lambda number, addresses: Contact(peer_id(number), tuple(dict.fromkeys(addresses))),
    st.integers(0, 2**64),
    st.lists(st.sampled_from(ADDRESSES), max_size=ADDRESSES_MAX),
)
messages = st.builds(
    Message,
    st.sampled_from(Kind),
    st.binary(max_size=KEY_BYTES_MAX),
    st.lists(contacts, max_size=5).map(tuple),
    st.lists(contacts, max_size=5).map(tuple),
)


@given(messages)
@settings(max_examples=100)
def test_a_message_comes_back_and_is_one_of_libp2ps(message: Message) -> None:
    data = encode_message(message)
    assert decode_message(data) == message
    theirs = kademlia_pb2.Message()
    theirs.ParseFromString(data)
    assert theirs.type == message.kind
    assert theirs.key == message.key
    assert [each.id for each in theirs.providerPeers] == [
        peer_id_to_bytes(each.peer_id) for each in message.providers
    ]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_have_the_bytes_that_multiaddr_gives_them(address: str) -> None:
    assert address_to_bytes(address) == Multiaddr(address).to_bytes()
    named = Multiaddr(f"{address}/p2p/{peer_id(7)}").to_bytes()
    assert address_from_bytes(named, peer_id(7)) == address


def test_what_another_program_says_beside_it_is_passed_over() -> None:
    theirs = kademlia_pb2.Message(type=kademlia_pb2.Message.GET_PROVIDERS, key=b"k")
    theirs.clusterLevelRaw = 1
    theirs.senderRecord = b"signed"
    quic = Multiaddr("/ip4/192.0.2.1/udp/4001/quic-v1").to_bytes()
    for number, addresses in [(1, [quic, address_to_bytes(ADDRESSES[0])]), (2, [b"", b"\xff"])]:
        peer = theirs.closerPeers.add()
        peer.id = peer_id_to_bytes(peer_id(number))
        peer.addrs.extend(addresses)
        peer.signedRecord = b"signed"
    theirs.closerPeers.add().id = b"\x12\x20" + bytes(32)
    read = decode_message(theirs.SerializeToString())
    assert read.closer == (Contact(peer_id(1), (ADDRESSES[0],)), Contact(peer_id(2)))


def test_more_peers_and_addresses_than_anybody_needs_are_left_out() -> None:
    many = tuple(contact(number) for number in range(50))
    theirs = kademlia_pb2.Message(type=kademlia_pb2.Message.FIND_NODE, key=b"k")
    for each in many:
        peer = theirs.closerPeers.add()
        peer.id = peer_id_to_bytes(each.peer_id)
        peer.addrs.extend(address_to_bytes(f"/ip4/192.0.2.1/tcp/{port}") for port in range(1, 30))
    read = decode_message(theirs.SerializeToString())
    assert [each.peer_id for each in read.closer] == [each.peer_id for each in many[:CONTACTS_MAX]]
    assert all(len(each.addresses) == ADDRESSES_MAX for each in read.closer)
    ours = encode_message(Message(Kind.FIND_NODE, b"k", many, many))
    assert len(decode_message(ours).providers) == CONTACTS_MAX
    assert len(ours) < MESSAGE_BYTES_MAX


@pytest.mark.parametrize("kind", ["PUT_VALUE", "GET_VALUE"])
def test_values_are_not_kept_here(kind: str) -> None:
    theirs = kademlia_pb2.Message(type=getattr(kademlia_pb2.Message, kind), key=b"k")
    with pytest.raises(RejectedError):
        decode_message(theirs.SerializeToString())


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        decode_message(data)
    except RejectedError:
        return


@given(messages, st.data())
@settings(max_examples=100)
def test_a_message_with_a_changed_byte_is_read_or_refused(
    message: Message, data: st.DataObject
) -> None:
    changed = bytearray(encode_message(message))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] = data.draw(st.integers(0, 255))
    try:
        decode_message(bytes(changed[: data.draw(st.integers(0, len(changed)))]))
    except RejectedError:
        return


def test_a_peer_with_a_key_of_another_kind_is_nobody() -> None:
    assert peer_id_from_bytes(b"\x12\x20" + bytes(32)) is None
    assert peer_id_from_bytes(peer_id_to_bytes(peer_id(3))) == peer_id(3)
