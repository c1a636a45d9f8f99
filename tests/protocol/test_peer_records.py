"""Signed addresses of peers: only the peer itself can say where it is met."""

from __future__ import annotations

from functools import partial

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec, ed25519
from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.peer_records import (
    RECORD_ADDRESSES_MAX,
    RECORD_BYTES_MAX,
    RECORD_DOMAIN,
    RECORDS_MAX,
    PeerRecord,
    decode_records,
    encode_records,
    fitting_addresses,
    make_record,
)

WAN, LAN, HERE = "/ip4/1.2.3.4/tcp/4001", "/ip4/192.168.1.7/tcp/4001", "/ip4/127.0.0.1/tcp/1"
NAME = "/dns4/example.org/tcp/443"


def record(
    number: int = 7, addresses: tuple[str, ...] = (WAN, LAN, HERE), seq: int = 1
) -> PeerRecord:
    seed = bytes([number]) * 32
    peer_id = base58.b58encode(PEER_ID_PREFIX + ed25519.verifying_key(seed)).decode()
    return make_record(peer_id, seq, addresses, partial(ed25519.sign, seed))


def test_records_come_back_with_the_peer_that_signed_them() -> None:
    records = [record(number, seq=number) for number in range(1, 6)]
    assert decode_records(encode_records(records)) == records


def test_a_frame_names_no_more_than_anybody_needs() -> None:
    records = [record(number) for number in range(1, RECORDS_MAX + 5)]
    assert decode_records(encode_records(records)) == records[:RECORDS_MAX]
    more = codec.encode([[each.content, each.signature] for each in records])
    with pytest.raises(RejectedError):
        decode_records(more)


def test_many_long_addresses_are_cut_to_a_record_that_others_take() -> None:
    names = tuple(f"/dns4/{'x' * 240}{number}.org/tcp/4001" for number in range(20))
    made = record(addresses=names)
    assert 1 <= len(made.addresses) <= RECORD_ADDRESSES_MAX
    assert len(made.content) <= RECORD_BYTES_MAX
    assert decode_records(encode_records([made])) == [made]


@given(st.data())
@settings(max_examples=60)
def test_a_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    frame = bytearray(encode_records([record()]))
    at = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[at // 8] ^= 1 << at % 8
    with pytest.raises(RejectedError):
        decode_records(bytes(frame))


@pytest.mark.parametrize(
    "content",
    [
        [2, b"k" * 32, 1, [WAN]],
        [True, b"k" * 32, 1, [WAN]],
        [1, b"k" * 31, 1, [WAN]],
        [1, b"k" * 32, -1, [WAN]],
        [1, b"k" * 32, 1, [WAN] * (RECORD_ADDRESSES_MAX + 1)],
        [1, b"k" * 32, 1, [b"bytes"]],
        [1, b"k" * 32, 1],
    ],
)
def test_what_is_no_record_is_refused_though_it_is_signed(content: list[object]) -> None:
    seed = bytes(32)
    content = [ed25519.verifying_key(seed) if each == b"k" * 32 else each for each in content]
    encoded = codec.encode(content)
    signature = ed25519.sign(seed, RECORD_DOMAIN + encoded)
    with pytest.raises(RejectedError):
        decode_records(codec.encode([[encoded, signature]]))


def test_addresses_of_kinds_that_a_later_version_dials_are_passed_over() -> None:
    seed = bytes([7]) * 32
    relay = record(9).peer_id
    circuit = f"{WAN}/p2p/{relay}/p2p-circuit"
    named = ["/ip4/1.2.3.4/udp/4001/quic-v1", WAN, circuit, f"{WAN}/p2p/{relay}", "x"]
    content = codec.encode([1, ed25519.verifying_key(seed), 1, named])
    signed = codec.encode([[content, ed25519.sign(seed, RECORD_DOMAIN + content)]])
    (told,) = decode_records(signed)
    assert told.addresses == (WAN, circuit)
    assert decode_records(encode_records([told])) == [told]


def test_an_address_through_a_relay_reaches_as_far_as_that_of_the_relay() -> None:
    end = f"/p2p/{record(9).peer_id}/p2p-circuit"
    told = record(addresses=(WAN + end, LAN + end, HERE + end))
    assert fitting_addresses(told, [WAN]) == (WAN + end,)
    assert fitting_addresses(told, [LAN]) == (WAN + end, LAN + end)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    try:
        decode_records(data)
    except RejectedError:
        return


def test_an_address_of_somebody_elses_machine_or_network_is_not_dialled() -> None:
    told = record(addresses=(WAN, LAN, HERE, NAME, "/ip4/224.0.0.1/tcp/1", "/ip6/::/tcp/1"))
    assert fitting_addresses(told, [WAN]) == (WAN,)
    assert fitting_addresses(told, []) == (WAN,)
    assert fitting_addresses(told, [LAN]) == (WAN, LAN)
    assert fitting_addresses(told, [HERE]) == (WAN, LAN, HERE)
