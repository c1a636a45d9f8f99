"""Envelopes: decode, verify, read the body; a second reader has to come to the same verdict."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import trees
from target import Target, must, scratch, vectors
from tests.vectors import tiny_reader

from p2pcommons.errors import RejectedError, UserError
from p2pcommons.model import codec, contribution, keys, kinds
from p2pcommons.model.contribution import Envelope
from p2pcommons.model.ids import ZERO_ID

if TYPE_CHECKING:
    import random

SIGNERS = [
    keys.grant_device(hashlib.sha256(name).digest(), hashlib.sha256(name + b" device").digest())
    for name in (b"ana", b"rui")
]
SECOND_READER: Any = tiny_reader
KINDS = ("commons", "entry", "tag", "profile", "withdraw", "device-revoke", "endorse")


def make_target() -> Target:
    """Return the target."""
    cases = vectors("contributions-v1.json")
    seeds = [
        bytes.fromhex(case["envelope"])
        for part in ("contributions", "invalid")
        for case in cases[part]
    ]
    pool: list[object] = [ZERO_ID, *KINDS]
    for case in cases["contributions"]:
        pool += [bytes.fromhex(case["id"]), bytes.fromhex(case["signature"])]
    pool += [one for signer in SIGNERS for one in (signer.author, signer.device, signer.grant)]

    def mutate(data: bytes, chance: random.Random) -> bytes:
        return mutate_envelope(data, chance, pool) or scratch(data, chance)

    return Target("envelopes", seeds, mutate, check, bytes_max=72_000)


def mutate_envelope(data: bytes, chance: random.Random, pool: list[object]) -> bytes | None:
    """Change header, body or carrier, and sign what came of it more often than not."""
    try:
        value = codec.decode(data)
        fields = list(cast("list[object]", value))
        header, signature, grant, body = fields
    except (RejectedError, ValueError, TypeError):
        return None
    part = chance.randrange(8)
    if part == 0 or not isinstance(header, bytes):
        return trees.changed(data, chance, pool)
    if part <= 3 and isinstance(body, bytes):
        body = trees.changed(body, chance, pool) or scratch(body, chance)
    if part > 2:
        header = trees.changed(header, chance, pool) or header
    if chance.random() < 0.75:
        header, signature, grant = signed_again(header, body, chance)
    if chance.random() < 0.1:
        body = None
    return trees.written([header, signature, grant, body])


def signed_again(header: bytes, body: object, chance: random.Random) -> tuple[bytes, bytes, bytes]:
    """Return header, signature and grant, the header with the hash of `body`, by a test key."""
    signer = chance.choice(SIGNERS)
    try:
        fields = list(cast("list[object]", codec.decode(header)))
    except (RejectedError, TypeError):
        fields = []
    if len(fields) == 10:
        fields[3:5] = [signer.author, signer.device]
        if isinstance(body, bytes):
            fields[8:10] = [hashlib.sha256(body).digest(), len(body)]
        header = trees.written(fields) or header
    return header, signer.sign(keys.CONTRIBUTION_DOMAIN + header), signer.grant


def check(data: bytes) -> str:
    """Return the verdict on an envelope."""
    verdict = _verdict(data)
    must(_verdict(data) == verdict, "the second verdict differs")
    try:
        identifier, fields, body = SECOND_READER.read(data)
    except tiny_reader.NotValidError:
        must(verdict != "accepted", "accepted what the second reader rejects")
        return verdict
    # The second reader leaves the size of a whole envelope to what its parts may have.
    must(verdict == "accepted", f"rejected ({verdict}) what the second reader accepts")
    made = contribution.verify(contribution.decode_envelope(data))
    header = made.header
    must(made.id == identifier and made.body == body, "read otherwise by the second reader")
    ours = [1, header.kind, header.commons, header.author, header.device, header.claimed_at]
    ours += [header.target, list(header.parents), header.body_hash, header.body_size]
    must(ours == fields, "fields read otherwise by the second reader")
    _check_round_trips(data, made)
    return "accepted" if made.body is None or not says(made) else "accepted, says something"


def _verdict(data: bytes) -> str:
    try:
        contribution.verify(contribution.decode_envelope(data))
    except RejectedError as error:
        return error.reason.name
    return "accepted"


def _check_round_trips(data: bytes, made: contribution.Contribution) -> None:
    must(contribution.encode_envelope(made.envelope()) == data, "encodes to other bytes")
    must(contribution.encode_header(made.header) == made.header_bytes, "header differs")
    grants: set[contribution.Grant] = {(made.header.author, made.header.device, made.grant)}
    must(contribution.verify(made.envelope(), grants) == made, "a known grant changes the verdict")
    bare = Envelope(made.header_bytes, made.signature, made.grant, None)
    must(contribution.verify(bare).id == made.id, "valid only with its body")


def says(made: contribution.Contribution) -> bool:
    """Whether the body says something; what is said has to survive being written again."""
    assert made.body is not None
    said = kinds.parse_body(made.header.kind, made.body)
    if said is None:
        return False
    try:
        again = kinds.encode_body(said, bytes(16))
    except UserError:
        return True  # what people may write is narrower than what is understood
    must(kinds.parse_body(made.header.kind, again) == said, "a body reads back otherwise")
    return True
