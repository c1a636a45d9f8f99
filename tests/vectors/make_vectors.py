"""Write the conformance vectors of the data model and the protocol, the same bytes every time.

Usage: python tests/vectors/make_vectors.py [--check]

An implementation that reads contributions-v1.json and protocol-v1.json right speaks version 1;
later-kinds-v1.json has kinds that came later.
Once people have signed contributions these files must not change; `--check` says if they would.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import base58

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

from tests.vectors.cast import (  # noqa: E402  a script finds them by its own place
    ANA,
    ANA_PHONE,
    ANA_ROOT,
    BO,
    NOW,
    WORDS,
    Case,
    mixed_order,
    packed,
    salt,
    seed,
)
from tests.vectors.invalid_cases import invalid  # noqa: E402

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


def later_kinds(commons: bytes, entry: bytes) -> list[tuple[str, contribution.Contribution]]:
    """Kinds that came after the first ones; the files of those did not change by it."""
    made: list[tuple[str, contribution.Contribution]] = []

    def add(name: str, body: kinds.Body, target: bytes, *parents: bytes) -> bytes:
        kind, at = kinds.KIND_OF[type(body)], NOW + 200 + len(made)
        encoded = kinds.encode_body(body, salt(name))
        signed = contribution.sign(
            ANA, kind, commons=commons, body=encoded, claimed_at=at, target=target, parents=parents
        )
        made.append((name, signed))
        return signed.id

    file = kinds.AttachBody("plan.pdf", 300_000, seed("plan"), seed("1") + seed("2"), note="p. 3")
    add("a file of two pieces", file, entry)
    words = add("a pledge in words", kinds.PledgeBody("I answer on Sundays"), commons)
    keeps = add(
        "a pledge to keep, with files and an end",
        kinds.PledgeBody("I answer on Sundays", True, 5 * 10**9, NOW + 10**7),
        commons,
        words,
    )
    add("a pledge that takes it back", kinds.PledgeBody(), commons, keeps)
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
    later = later_kinds(made[0][1].id, made[2][1].id)
    return {
        "contributions-v1.json": {
            "format": "p2pcommons contributions, version 1",
            "note": "all bytes in hex; invalid envelopes name the rule that they break",
            "identities": identities(),
            "contributions": [contribution_case(name, item) for name, item in made],
            "invalid": invalid(made[0][1].id),
        },
        "later-kinds-v1.json": {
            "format": "p2pcommons contributions of later kinds, version 1",
            "note": "all bytes in hex; nodes that do not know a kind keep it and pass it on",
            "contributions": [contribution_case(name, item) for name, item in later],
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
