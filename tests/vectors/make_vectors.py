"""Write the conformance vectors of the data model and the protocol, the same bytes every time.

Usage: python tests/vectors/make_vectors.py [--check]

An implementation that reads contributions-v1.json and protocol-v1.json right speaks version 1.
Once people have signed contributions these files must not change; `--check` says if they would.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import base58
import msgpack
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from p2pcommons.errors import RejectedError
from p2pcommons.model import codec, contribution, keys, kinds
from p2pcommons.model.ids import ZERO_ID, to_did
from p2pcommons.protocol import messages
from p2pcommons.protocol.addresses import PEER_ID_PREFIX
from p2pcommons.protocol.gossip import encode_gossip
from p2pcommons.protocol.invite import Invite, encode_invite
from p2pcommons.protocol.items import IdSum
from p2pcommons.protocol.session import blinded_commons
from p2pcommons.protocol.topic import gossip_topic

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.vectors.edwards import L, MixedKey  # noqa: E402  a script finds it by its own place

NOW = 1_790_000_000
Case = dict[str, Any]


def seed(name: str) -> bytes:
    return hashlib.sha256(f"p2pcommons vectors: {name}".encode()).digest()


def salt(name: str) -> bytes:
    return seed(f"salt {name}")[:16]


WORDS = {name: keys.new_words(seed(f"words {name}")) for name in ("ana", "bo")}
ANA = keys.grant_device(keys.root_seed(WORDS["ana"]), seed("ana's laptop"))
ANA_PHONE = keys.grant_device(keys.root_seed(WORDS["ana"]), seed("ana's phone"))
ANA_ROOT = keys.grant_device(keys.root_seed(WORDS["ana"]), keys.root_seed(WORDS["ana"]))
BO = keys.grant_device(keys.root_seed(WORDS["bo"]), seed("bo's laptop"))


# --- what is valid ----------------------------------------------------------------------------


def identities() -> list[Case]:
    listed: list[Case] = []
    for name, number, device in [
        ("ana", 0, "ana's laptop"),
        ("ana", 0, "ana's phone"),
        ("ana", 1, "ana's pseudonym"),
        ("bo", 0, "bo's laptop"),
    ]:
        root = keys.root_seed(WORDS[name], number)
        signer = keys.grant_device(root, seed(device))
        listed.append(
            {
                "device_name": device,
                "words": " ".join(WORDS[name]),
                "entropy": seed(f"words {name}").hex(),
                "identity": number,
                "root_seed": root.hex(),
                "author": signer.author.hex(),
                "did": to_did(signer.author),
                "device_seed": seed(device).hex(),
                "device": signer.device.hex(),
                "grant": signer.grant.hex(),
            }
        )
    return listed


def contributions() -> list[tuple[str, contribution.Contribution]]:
    made: list[tuple[str, contribution.Contribution]] = []

    def add(name: str, signer: keys.Signer, body: kinds.Body, **fields: Any) -> bytes:
        encoded = kinds.encode_body(body, salt(name))
        kind = kinds.KIND_OF[type(body)]
        claimed_at = NOW + len(made)
        signed = contribution.sign(signer, kind, body=encoded, claimed_at=claimed_at, **fields)
        made.append((name, signed))
        return signed.id

    rules = ("Say where it comes from.", "Pläne zuerst.")
    commons = add(
        "a commons",
        ANA,
        kinds.CommonsBody("Sourdough", "Bread together", language="en", rules=rules),
        commons=ZERO_ID,
    )
    add("a profile", ANA, kinds.ProfileBody("Ana", "bakes"), commons=commons)
    entry = add(
        "an entry",
        ANA,
        kinds.EntryBody(
            "link",
            "Rye starter — ржаная закваска 🍞",
            url="https://example.org/rye?a=1&b=2",
            dated=1_600_000_000,
            tags=("rye", "starter"),
        ),
        commons=commons,
    )
    by_bo = add(
        "a version by somebody else",
        BO,
        kinds.EntryBody("link", "Rye starter", "Feed it daily.", edit_note="shorter title"),
        commons=commons,
        target=entry,
        parents=[entry],
    )
    by_ana = add(
        "a concurrent version from a phone",
        ANA_PHONE,
        kinds.EntryBody("link", "Rye starter, day by day"),
        commons=commons,
        target=entry,
        parents=[entry],
    )
    add(
        "a merge of both",
        BO,
        kinds.EntryBody("link", "Rye starter, day by day", "Feed it daily."),
        commons=commons,
        target=entry,
        parents=[by_bo, by_ana],
    )
    add("tags", BO, kinds.TagBody(("bread", "发酵")), commons=commons, target=entry)
    add("no tags any more", BO, kinds.TagBody(()), commons=commons, target=entry)
    add("a withdrawal", BO, kinds.WithdrawBody("wrong place"), commons=commons, target=by_bo)
    add(
        "a revocation, signed by the root key",
        ANA_ROOT,
        kinds.RevokeBody((by_ana,)),
        commons=commons,
        target=ANA_PHONE.device,
    )
    made.append(("an unknown kind, kept and passed on", unknown_kind(commons)))
    made.append(("a body that is not canonical, and so says nothing", odd_body(commons)))
    made.append(("sixteen parents, the largest header", many_parents(commons)))
    exact = packed(mixed_order(commons, exact=True))
    verified = contribution.verify(contribution.decode_envelope(exact))
    made.append(("a device key with a part of small order", verified))
    return made


def unknown_kind(commons: bytes) -> contribution.Contribution:
    body = codec.encode({"salt": salt("unknown"), "nested": {"list": [1, -1, None, True, b"\x00"]}})
    return contribution.sign(BO, "sing-along", commons=commons, body=body, claimed_at=NOW + 90)


def odd_body(commons: bytes) -> contribution.Contribution:
    body = b"\x82\xa4text\xa1x\xa4salt\xc4\x10" + salt("odd")
    return contribution.sign(BO, "entry", commons=commons, body=body, claimed_at=NOW + 91)


def many_parents(commons: bytes) -> contribution.Contribution:
    parents = [seed(f"parent {number}") for number in range(16)]
    body = kinds.encode_body(kinds.TagBody(("x",)), salt("many"))
    return contribution.sign(
        BO, "t" * 24, commons=commons, body=body, claimed_at=2**32 - 1, target=commons,
        parents=parents,
    )  # fmt: skip


def mixed_order(commons: bytes, *, exact: bool) -> list[Any]:
    """Return an envelope by a device key with a part of order eight.

    With `exact` its signature satisfies the equation without the cofactor, else only the one with.
    """
    key = MixedKey(seed("mixed order"))
    grant = raw_sign(keys.root_seed(WORDS["bo"]), keys.grant_message(key.public, BO.author))
    body = kinds.encode_body(kinds.TagBody(("odd",)), salt("mixed"))
    for second in range(NOW + 100, NOW + 200):
        fields = header_fields(commons, body)
        fields[1], fields[4], fields[5] = "tag", key.public, second
        header = packed(fields)
        signature, is_exact = key.sign(keys.CONTRIBUTION_DOMAIN + header)
        if is_exact is exact:
            return [header, signature, grant, body]
    raise AssertionError("one in eight is exact")


def contribution_case(name: str, made: contribution.Contribution) -> Case:
    header = made.header
    return {
        "name": name,
        "envelope": contribution.encode_envelope(made.envelope()).hex(),
        "id": made.id.hex(),
        "header": made.header_bytes.hex(),
        "signature": made.signature.hex(),
        "grant": made.grant.hex(),
        "body": (made.body or b"").hex(),
        "fields": {
            "version": 1,
            "kind": header.kind,
            "commons": header.commons.hex(),
            "author": header.author.hex(),
            "device": header.device.hex(),
            "claimed_at": header.claimed_at,
            "target": header.target.hex() if header.target else None,
            "parents": [parent.hex() for parent in header.parents],
            "body_hash": header.body_hash.hex(),
            "body_size": header.body_size,
        },
        "says_something": kinds.parse_body(header.kind, made.body or b"") is not None,
    }


# --- what is not ------------------------------------------------------------------------------


def packed(value: object) -> bytes:
    data = msgpack.packb(value, use_bin_type=True)
    if data is None:
        raise ValueError("nothing was packed")
    return data


def raw_sign(secret_seed: bytes, message: bytes) -> bytes:
    return crypto_sign(message, crypto_sign_seed_keypair(secret_seed)[1])[:64]


def signed(header: bytes, body: bytes | None) -> list[Any]:
    """Return an envelope that is right in everything but, perhaps, its header."""
    signature = raw_sign(BO.seed, keys.CONTRIBUTION_DOMAIN + header)
    return [header, signature, BO.grant, body]


def header_fields(commons: bytes, body: bytes) -> list[Any]:
    digest = hashlib.sha256(body).digest()
    return [1, "entry", commons, BO.author, BO.device, NOW, None, [], digest, len(body)]


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


def invalid() -> list[Case]:
    commons = contributions()[0][1].id
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


# --- the protocol -----------------------------------------------------------------------------


def protocol(made: list[tuple[str, contribution.Contribution]]) -> Case:
    commons, entry = made[0][1], made[2][1]
    of_ana = [item for _, item in made if item.header.author == ANA.author]
    opener_nonce, other_nonce = seed("nonce of the opener"), seed("nonce of the other side")
    total = IdSum()
    total.add(item.id for _, item in made)
    return {
        "topic": {"commons": commons.id.hex(), "topic": gossip_topic(commons.id)},
        "fingerprint": {
            "ids": [item.id.hex() for _, item in made],
            "fingerprint": total.fingerprint().hex(),
        },
        "blinded": {
            "opener_nonce": opener_nonce.hex(),
            "other_nonce": other_nonce.hex(),
            "commons": commons.id.hex(),
            "blinded": blinded_commons(opener_nonce + other_nonce, commons.id).hex(),
        },
        "gossip": [data.hex() for data in encode_gossip(of_ana)],
        "invites": invites(commons.id),
        "messages": session_messages(commons, entry, opener_nonce),
    }


def invites(commons: bytes) -> list[Case]:
    peer_id = base58.b58encode(PEER_ID_PREFIX + seed("peer")).decode()
    relay_id = base58.b58encode(PEER_ID_PREFIX + seed("relay")).decode()
    listed = [
        Invite(commons, "Sourdough", peer_id, ("/ip4/192.0.2.7/tcp/4001",)),
        Invite(commons, "", peer_id, ("/ip6/2001:db8::7/tcp/1", "/dns4/example.org/tcp/4001")),
        Invite(commons, "So", peer_id, (), f"/ip4/198.51.100.1/tcp/4001/p2p/{relay_id}"),
    ]
    return [{"text": encode_invite(invite), **_readable(invite)} for invite in listed]


def _readable(invite: Invite) -> Case:
    fields = dataclasses.asdict(invite)
    return {**fields, "commons": invite.commons.hex(), "addresses": list(invite.addresses)}


def session_messages(
    commons: contribution.Contribution, entry: contribution.Contribution, nonce: bytes
) -> list[Case]:
    samples: list[messages.Message] = [
        messages.Hello(nonce, NOW),
        messages.Commons((seed("a")[:16],), ()),
        messages.Open(0, commons.id),
        messages.Neg(0, b"\x61\x00\x00\x02\x00"),
        messages.Want(0, (commons.id,)),
        messages.Have(0, (entry.id,)),
        messages.Put(0, (entry.envelope(),)),
        messages.Absent(0, (commons.id,)),
        messages.Bodies(0, (entry.id,)),
        messages.Done(0, 2, seed("f")[:16], 2, 0),
        messages.Unsupported(0, "scope"),
    ]
    return [
        {"name": type(sample).__name__.lower(), "frame": messages.encode_message(sample).hex()}
        for sample in samples
    ]


def files() -> dict[str, Case]:
    made = contributions()
    return {
        "contributions-v1.json": {
            "format": "p2pcommons contributions, version 1",
            "note": "all bytes in hex; invalid envelopes name the rule that they break",
            "identities": identities(),
            "contributions": [contribution_case(name, item) for name, item in made],
            "invalid": invalid(),
        },
        "protocol-v1.json": {
            "format": "p2pcommons protocol, version 1",
            "note": "all bytes in hex; frames without their length prefix",
            **protocol(made),
        },
    }


def main(write: Callable[[str], int] = sys.stdout.write) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    differs = False
    for name, content in files().items():
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        path = HERE / name
        if check:
            same = path.exists() and path.read_text(encoding="utf-8") == text
            differs |= not same
            write(f"{name}: {'as it would be written' if same else 'DIFFERS'}\n")
        else:
            path.write_text(text, encoding="utf-8")
            write(f"{name}: {len(text):,} characters\n")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
