"""Where a peer says that it listens, in the words of libp2p's Identify."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError
from p2pcommons.protocol.identify import ADDRESSES_MAX, listen_addresses
from p2pcommons.protocol.multiaddrs import address_to_bytes
from p2pcommons.protocol.varint import write_varint

PEER = "12D3KooWEonjvUj6ZbWEd9iu88ZygN8rdX1h31vSy3WeCVFdswFQ"


def identify(*addresses: bytes) -> bytes:
    """A message as other programs send it: other fields before and behind the addresses."""
    told = b"".join(field(2, each) for each in addresses)
    return field(5, b"ipfs/0.1.0") + told + field(3, b"/ipfs/ping/1.0.0")


def field(number: int, value: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(value)) + value


def test_addresses_are_read_and_what_cannot_be_dialled_is_left_out() -> None:
    known = "/ip4/192.0.2.7/tcp/4001"
    other = address_to_bytes("/ip6/2001:db8::7/tcp/4001")
    data = identify(address_to_bytes(known), b"\x04\x01", other, address_to_bytes(known))
    assert listen_addresses(data, PEER) == (known, "/ip6/2001:db8::7/tcp/4001")


def test_a_thousand_addresses_are_not_read() -> None:
    many = [address_to_bytes(f"/ip4/192.0.2.7/tcp/{port}") for port in range(1, 1_000)]
    assert len(listen_addresses(identify(*many), PEER)) == ADDRESSES_MAX


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_addresses_or_rejected(data: bytes) -> None:
    try:
        found = listen_addresses(data, PEER)
    except RejectedError:
        return
    assert len(found) <= ADDRESSES_MAX


def test_a_message_that_ends_in_the_middle_is_rejected() -> None:
    whole = identify(address_to_bytes("/ip4/192.0.2.7/tcp/4001"))
    with pytest.raises(RejectedError):
        listen_addresses(whole[:-1], PEER)
