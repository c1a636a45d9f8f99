"""Histories to fold: short ones written by hand, and hostile ones made up by Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import (
    KIND_OF,
    CommonsBody,
    EntryBody,
    PledgeBody,
    ProfileBody,
    RevokeBody,
    TagBody,
    WithdrawBody,
    encode_body,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.model.kinds import Body

NOW = 1_790_000_000
SALT = bytes(range(16))


def signer(person: int, device: int = 0) -> Signer:
    """Return a device of a person; device 0 is the root key itself, which may revoke."""
    root = bytes([person]) * 32
    return grant_device(root, root if device == 0 else bytes([person, 100 + device]) * 16)


ANA, BO, CY = signer(1), signer(2), signer(3)
ANAS_LAPTOP = signer(1, 1)
GARDEN = sign(
    ANA,
    "commons",
    commons=ZERO_ID,
    body=encode_body(CommonsBody("Garden", "Grow things"), SALT),
    claimed_at=NOW,
)


@dataclass
class Writer:
    """Writes contributions to one commons, a second apart."""

    commons: bytes = GARDEN.id
    clock: int = NOW

    def write(
        self,
        who: Signer,
        body: Body,
        target: Contribution | bytes | None = None,
        parents: Sequence[Contribution] = (),
        at: int | None = None,
    ) -> Contribution:
        """Return a signed contribution."""
        self.clock += 1
        return sign(
            who,
            KIND_OF[type(body)],
            commons=self.commons,
            body=encode_body(body, SALT),
            claimed_at=self.clock if at is None else at,
            target=target.id if isinstance(target, Contribution) else target,
            parents=[parent.id for parent in parents],
        )

    def entry(self, who: Signer, title: str, *tags: str, **more: object) -> Contribution:
        """Return a first version."""
        return self.write(who, EntryBody("note", title, tags=tags, **more))

    def edit(
        self,
        who: Signer,
        first: Contribution,
        title: str,
        parents: Sequence[Contribution],
        *tags: str,
        at: int | None = None,
    ) -> Contribution:
        """Return a later version of `first` that names `parents`."""
        return self.write(who, EntryBody("note", title, tags=tags), first, parents, at)

    def tag(
        self,
        who: Signer,
        target: Contribution | bytes,
        *tags: str,
        after: Sequence[Contribution] = (),
    ) -> Contribution:
        """Return a tag statement."""
        return self.write(who, TagBody(tags), target, after)

    def withdraw(self, who: Signer, target: Contribution) -> Contribution:
        """Return a withdrawal."""
        return self.write(who, WithdrawBody(), target)

    def profile(self, who: Signer, name: str, *after: Contribution) -> Contribution:
        """Return a profile."""
        return self.write(who, ProfileBody(name), None, after)

    def pledge(
        self,
        who: Signer,
        text: str = "",
        *after: Contribution,
        keep: bool = False,
        target: bytes | None = None,
    ) -> Contribution:
        """Return a pledge for this commons."""
        return self.write(who, PledgeBody(text, keep), target or self.commons, after)

    def revoke(self, who: Signer, device: bytes, *keep: Contribution) -> Contribution:
        """Return a revocation of one of the signer's devices."""
        return self.write(who, RevokeBody(tuple(sorted(item.id for item in keep))), device)


def without_body(contribution: Contribution) -> Contribution:
    """Return the contribution as somebody holds it who lacks its body."""
    return replace(contribution, body=None)


def raw(who: Signer, kind: str, body: bytes, **more: object) -> Contribution:
    """Return a contribution whose body is whatever bytes are given."""
    return sign(who, kind, commons=GARDEN.id, body=body, claimed_at=NOW, **more)


_PEOPLE = [signer(person, device) for person in (1, 2, 3) for device in (0, 1)]
_TAGS = st.lists(
    st.sampled_from(["soil", "seed", "été", "compost", "no good", "x" * 65]),
    max_size=3,
    unique=True,
)
_KINDS = (
    ["entry"] * 6
    + ["tag"] * 5
    + ["withdraw"] * 3
    + [
        "profile",
        "device-revoke",
        "comment",
        "pledge",
        "pledge",
    ]
)


@st.composite
def histories(draw: st.DrawFn, size_max: int = 22) -> list[Contribution]:
    """Return the contributions of a commons in an order in which they can have been written.

    Anybody names anything: strangers as parents, people and devices as targets, unknown ids,
    withdrawals of withdrawals, far future times, bodies that break the rules or are missing.
    """
    written: list[Contribution] = [GARDEN]
    unknown = bytes(draw(st.integers(0, 255)) for _ in range(1)) * 32
    for number in range(draw(st.integers(1, size_max))):
        who = draw(st.sampled_from(_PEOPLE))
        kind = draw(st.sampled_from(_KINDS))
        ids = [item.id for item in written]
        target = draw(_target(kind, written, who, unknown))
        parents = draw(st.lists(st.sampled_from([*ids[-8:], unknown]), max_size=3, unique=True))
        if kind in ("withdraw", "device-revoke"):
            parents = []
        made = sign(
            who,
            kind,
            commons=GARDEN.id,
            body=draw(_body(kind, number, ids)),
            claimed_at=draw(st.sampled_from([NOW, NOW + number, NOW + 1, 2**32 - 1])),
            target=target,
            parents=parents,
        )
        if draw(st.integers(0, 9)) == 0:
            made = without_body(made)
        written.append(made)
    return written


def _target(
    kind: str, written: Sequence[Contribution], who: Signer, unknown: bytes
) -> st.SearchStrategy[bytes | None]:
    entries = [item.id for item in written if item.header.kind == "entry"]
    firsts = [
        item.id for item in written if item.header.kind == "entry" and item.header.target is None
    ]
    own = [item.id for item in written if item.header.author == who.author]
    anything = [item.id for item in written[-8:]]
    if kind == "entry":
        return st.sampled_from([None, None, *firsts, *firsts, *anything, unknown])
    if kind == "tag":
        return st.sampled_from([*firsts, *firsts, *entries, *anything, who.author, unknown])
    if kind == "withdraw":
        return st.sampled_from([*own, *own, *own, *anything, unknown])
    if kind == "profile":
        return st.sampled_from([None, None, None, *anything])
    if kind == "pledge":
        return st.sampled_from([GARDEN.id, GARDEN.id, GARDEN.id, *anything])
    if kind == "device-revoke":
        return st.sampled_from([each.device for each in _PEOPLE])
    return st.sampled_from([*anything])


@st.composite
def _body(draw: st.DrawFn, kind: str, number: int, ids: Sequence[bytes]) -> bytes:
    if draw(st.integers(0, 11)) == 0:
        return b"\xc1 says nothing" + bytes([number])
    tags = tuple(tag for tag in draw(_TAGS))
    salt = bytes([number]) * 16
    if kind == "entry":
        url = draw(st.sampled_from([None, "https://a.example/", "https://A.example"]))
        return _unchecked(
            form="note", title=f"entry {number}", text="some", url=url, tags=tags, salt=salt
        )
    if kind == "tag":
        return _unchecked(tags=tags, salt=salt)
    if kind == "profile":
        return _unchecked(name=draw(st.sampled_from(["Ana", "Bo", "ana"])), salt=salt)
    if kind == "pledge":
        text = draw(st.sampled_from(["", "I weed", "I water"]))
        return _unchecked(text=text, keep=draw(st.booleans()), salt=salt)
    if kind == "device-revoke":
        keep = draw(st.lists(st.sampled_from(ids), max_size=6, unique=True))
        return _unchecked(keep=sorted(keep), salt=salt)
    return _unchecked(text="unknown here", salt=salt)


def _unchecked(**values: object) -> bytes:
    from p2pcommons.model import codec

    return codec.encode({key: value for key, value in values.items() if value is not None})
