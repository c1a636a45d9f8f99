"""Envelopes that are right in everything but one thing, for the vectors."""

from __future__ import annotations

from typing import Any

import msgpack

from p2pcommons.errors import RejectedError
from p2pcommons.model import contribution, keys, kinds
from p2pcommons.model.ids import ZERO_ID
from tests.vectors.cast import (
    ANA,
    BO,
    NOW,
    WORDS,
    Case,
    header_fields,
    mixed_order,
    packed,
    raw_sign,
    salt,
    seed,
)
from tests.vectors.edwards import L


def signed(header: bytes, body: bytes | None) -> list[Any]:
    """Return an envelope that is right in everything but, perhaps, its header."""
    signature = raw_sign(BO.seed, keys.CONTRIBUTION_DOMAIN + header)
    return [header, signature, BO.grant, body]


def changed_headers(commons: bytes) -> list[tuple[str, dict[int, Any]]]:
    one, two = sorted([seed("one"), seed("two")])
    return [
        ("version 2", {0: 2}),
        ("version true", {0: True}),
        ("kind in upper case", {1: "Entry"}),
        ("kind with a digit", {1: "entry2"}),
        ("kind ending in a line break", {1: "entry\n"}),
        ("empty kind", {1: ""}),
        ("kind of 25 characters", {1: "k" * 25}),
        ("kind as bytes", {1: b"entry"}),
        ("commons of 31 bytes", {2: commons[:31]}),
        ("no commons, and not a founding kind", {2: ZERO_ID}),
        ("founding kind inside a commons", {1: "commons"}),
        ("founding with a target", {1: "commons", 2: ZERO_ID, 6: one}),
        ("founding with parents", {1: "commons", 2: ZERO_ID, 7: [one]}),
        ("author of 33 bytes", {3: BO.author + b"\x00"}),
        ("device as text", {4: "x" * 32}),
        ("claimed_at 0", {5: 0}),
        ("claimed_at 2^32", {5: 2**32}),
        ("claimed_at negative", {5: -1}),
        ("claimed_at as a float", {5: float(NOW)}),
        ("claimed_at true", {5: True}),
        ("target false", {6: False}),
        ("target of 20 bytes", {6: one[:20]}),
        ("parents nil", {7: None}),
        ("parents descending", {7: [two, one]}),
        ("a parent twice", {7: [one, one]}),
        ("seventeen parents", {7: sorted(seed(f"p{n}") for n in range(17))}),
        ("a parent of 31 bytes", {7: [one[:31]]}),
        ("body hash of 31 bytes", {8: one[:31]}),
        ("body size 0", {9: 0}),
        ("body size 65,537", {9: 65_537}),
    ]


def invalid(commons: bytes) -> list[Case]:
    """Return envelopes that break one rule each."""
    body = kinds.encode_body(kinds.EntryBody("note", "Crumb"), salt("invalid"))
    fields = header_fields(commons, body)
    good = packed(fields)
    cases: list[tuple[str, bytes]] = []

    def add(name: str, envelope: list[Any]) -> None:
        cases.append((name, packed(envelope)))

    for name, changes in changed_headers(commons):
        values = [changes.get(place, value) for place, value in enumerate(fields)]
        add(name, signed(packed(values), None))
    add("nine fields", signed(packed(fields[:9]), body))
    add("eleven fields", signed(packed([*fields, None]), body))
    add("header as a map", signed(packed({"kind": "entry"}), body))
    add("header with a byte after its end", signed(good + b"\x00", body))
    add("header cut short", signed(good[:-1], body))
    add("header with a length longer than needed", signed(b"\xdc\x00\x0a" + good[1:], body))
    add("version in two bytes instead of one", signed(good[:1] + b"\xcc\x01" + good[2:], body))
    add("commons with a 16-bit length", signed(good.replace(b"\xc4\x20", b"\xc5\x00\x20", 1), body))
    add("header of 1,025 bytes", signed(good + bytes(1_025 - len(good)), body))
    add("no header", [b"", *signed(good, body)[1:]])
    cases += bad_envelopes(good, body)
    inexact = packed(mixed_order(commons, exact=False))
    cases.append(("signature that holds only when multiplied by the cofactor", inexact))
    right = packed(signed(good, body))
    cases.append(("envelope with a byte after its end", right + b"\xc0"))
    cases.append(("envelope with a length longer than needed", b"\xdc\x00\x04" + right[1:]))
    cases.append(("no bytes at all", b""))
    return [
        {"name": name, "envelope": data.hex(), "reason": reason_of(name, data)}
        for name, data in cases
    ]


def bad_envelopes(header: bytes, body: bytes) -> list[tuple[str, bytes]]:
    right = signed(header, body)
    signature: bytes = right[1]
    malleable = (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")
    cases: list[tuple[str, list[Any]]] = [
        ("three fields", right[:3]),
        ("five fields", [*right, None]),
        ("signature of 63 bytes", [header, signature[:63], BO.grant, body]),
        ("signature missing", [header, None, BO.grant, body]),
        ("grant missing", [header, signature, None, body]),
        ("body as text", [header, signature, BO.grant, "body"]),
        ("body of another size", [header, signature, BO.grant, body + b"\x00"]),
        ("body of the same size, changed", [header, signature, BO.grant, body[:-1] + b"?"]),
        ("empty body", [header, signature, BO.grant, b""]),
        (
            "signature without the domain",
            [header, raw_sign(BO.seed, header), BO.grant, body],
        ),
        (
            "signature of another device",
            [header, raw_sign(ANA.seed, keys.CONTRIBUTION_DOMAIN + header), BO.grant, body],
        ),
        (
            "signature of the author's root key instead of the device's",
            [
                header,
                raw_sign(keys.root_seed(WORDS["bo"]), keys.CONTRIBUTION_DOMAIN + header),
                BO.grant,
                body,
            ],
        ),
        ("signature with S + L", [header, signature[:32] + malleable, BO.grant, body]),
        ("signature of zeros", [header, bytes(64), BO.grant, body]),
        ("grant of another author", [header, signature, ANA.grant, body]),
        ("grant of zeros", [header, signature, bytes(64), body]),
        (
            "grant with author and device in the wrong order",
            [
                header,
                signature,
                raw_sign(keys.root_seed(WORDS["bo"]), keys.GRANT_DOMAIN + BO.author + BO.device),
                body,
            ],
        ),
    ]
    return [(name, packed(value)) for name, value in cases] + small_order_cases(header, body)


def small_order_cases(header: bytes, body: bytes) -> list[tuple[str, bytes]]:
    """Return an envelope whose keys are of small order, for which zeros sign anything.

    The point at infinity (0, 1) satisfies the equation of verification with R = (0, 1), S = 0.
    """
    identity = (1).to_bytes(32, "little")
    fields = msgpack.unpackb(header)
    fields[3] = fields[4] = identity
    trivial = identity + bytes(32)
    return [("keys of small order", packed([packed(fields), trivial, trivial, body]))]


def reason_of(name: str, data: bytes) -> str:
    try:
        contribution.verify(contribution.decode_envelope(data))
    except RejectedError as error:
        return error.reason.name
    raise AssertionError(f"{name} is accepted")
