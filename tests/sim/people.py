"""People who write: entries, edits of them by anybody, tags, names, withdrawals, revocations.

They decide by what their own replica shows, as people do, and sign with real keys. A person may
write on two nodes with a device each.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from random import Random

from p2pcommons.model.contribution import Contribution, sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.keys import Signer, grant_device
from p2pcommons.model.kinds import (
    KIND_OF,
    Body,
    CommonsBody,
    EntryBody,
    ProfileBody,
    RevokeBody,
    TagBody,
    WithdrawBody,
    encode_body,
)
from p2pcommons.model.limits import CLAIMED_AT_MAX, PARENTS_MAX, SALT_BYTES
from p2pcommons.store import Query, Store

WORDS = ("garden", "seed", "soil", "water", "compost", "bee", "frost", "tree", "graft", "fruit")


@cache
def _root(person: int) -> bytes:
    return hashlib.sha256(b"root %d" % person).digest()


@cache
def signer_of(person: int, device: int) -> Signer:
    """Return a device of a person; device 0 is the root key itself, which may revoke."""
    seed = _root(person) if device == 0 else hashlib.sha256(b"%d/%d" % (person, device)).digest()
    return grant_device(_root(person), seed)


@dataclass
class Writer:
    """A person at one machine."""

    chance: Random
    person: int
    device: int
    written: list[Contribution] = field(default_factory=list)

    @property
    def signer(self) -> Signer:
        return signer_of(self.person, self.device)

    def found(self, title: str, at: int) -> Contribution:
        """Found a commons."""
        return self._sign(CommonsBody(title, "to see what happens"), ZERO_ID, at)

    def something(self, store: Store, commons: bytes, at: int) -> list[Contribution]:
        """Write one thing; nothing when it needs what is not there yet, or the clock is absurd."""
        if not 1 <= at <= CLAIMED_AT_MAX:
            return []
        kind = self.chance.choices(
            ("entry", "edit", "tag", "withdraw", "profile", "revoke"), (40, 25, 20, 8, 6, 1)
        )[0]
        return getattr(self, f"_{kind}")(store, commons, at)

    def entries(self, commons: bytes, at: int, count: int) -> list[Contribution]:
        """Write many entries at once, as an import does."""
        return [self._entry(None, commons, at - number)[0] for number in range(count)]

    def _entry(self, _store: Store | None, commons: bytes, at: int) -> list[Contribution]:
        words = self.chance.sample(WORDS, 3)
        size = self.chance.choice((40, 200, 400, 2_000))
        body = EntryBody("note", " ".join(words), " ".join(words) * (size // 20), tags=words[:1])
        return [self._sign(body, commons, at)]

    def _edit(self, store: Store, commons: bytes, at: int) -> list[Contribution]:
        entry = self._some_entry(store, commons)
        if entry is None:
            return []
        detail = store.entry_detail(commons, entry)
        base = store.head_for(commons, entry, self.signer.author)
        if detail is None or base is None:
            return []
        parents = [base.id, *(detail.heads if self.chance.random() < 0.5 else ())]
        body = EntryBody("note", f"edited {self.chance.randrange(1000)}", "again", tags=("edit",))
        return [self._sign(body, commons, at, entry, parents)]

    def _tag(self, store: Store, commons: bytes, at: int) -> list[Contribution]:
        entry = self._some_entry(store, commons)
        if entry is None:
            return []
        standing = store.tag_statement(commons, self.signer.author, entry)
        tags = tuple(self.chance.sample(WORDS, self.chance.randrange(3)))
        return [self._sign(TagBody(tags), commons, at, entry, standing.heads)]

    def _withdraw(self, _store: Store, commons: bytes, at: int) -> list[Contribution]:
        mine = [each for each in self.written if each.commons == commons]
        if not mine:
            return []
        return [self.withdrawal(self.chance.choice(mine), at)]

    def withdrawal(self, what: Contribution, at: int) -> Contribution:
        """Take back something of one's own."""
        return self._sign(WithdrawBody("no"), what.commons, at, what.id)

    def _profile(self, store: Store, commons: bytes, at: int) -> list[Contribution]:
        known = store.profile(commons, self.signer.author)
        heads = () if known is None else known.heads
        name = f"{self.chance.choice(WORDS)} {self.person}"
        return [self._sign(ProfileBody(name), commons, at, None, heads)]

    def _revoke(self, _store: Store, commons: bytes, at: int) -> list[Contribution]:
        """The words typed anew: revoke the other device, and keep half of what it wrote here."""
        root = signer_of(self.person, 0)
        lost = signer_of(self.person, 1 + self.device % 2)
        keep = sorted(each.id for each in self.written if self.chance.random() < 0.5)
        return [self._sign(RevokeBody(tuple(keep)), commons, at, lost.device, who=root)]

    def _some_entry(self, store: Store, commons: bytes) -> bytes | None:
        newest = store.entry_ids(Query(commons=(commons,)), now=CLAIMED_AT_MAX, limit=20)
        rows = store.entry_rows(newest)
        return self.chance.choice(rows).id if rows else None

    def _sign(
        self,
        body: Body,
        commons: bytes,
        at: int,
        target: bytes | None = None,
        parents: tuple[bytes, ...] | list[bytes] = (),
        who: Signer | None = None,
    ) -> Contribution:
        signed = sign(
            who or self.signer,
            KIND_OF[type(body)],
            commons=commons,
            body=encode_body(body, self.chance.randbytes(SALT_BYTES)),
            claimed_at=at,
            target=target,
            parents=sorted(set(parents))[:PARENTS_MAX],
        )
        self.written.append(signed)
        return signed
