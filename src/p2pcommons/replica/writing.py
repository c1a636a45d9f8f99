"""Everything a person writes: encode, sign, ingest, commit, and only then tell the node.

Own contributions take the path of foreign ones: the store's `ingest` is the only way in.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2pcommons import control
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model import tags as tag_words
from p2pcommons.model.addresses import check_shareable, host_and_path
from p2pcommons.model.contribution import Contribution, decode_header, sign
from p2pcommons.model.ids import short
from p2pcommons.model.kinds import (
    ENTRY,
    FORM_LINK,
    FORM_NOTE,
    KIND_OF,
    NOT_WITHDRAWABLE,
    Body,
    EntryBody,
    ProfileBody,
    TagBody,
    WithdrawBody,
    encode_body,
)
from p2pcommons.model.limits import CLAIMED_AT_MAX, PARENTS_MAX, SALT_BYTES, TITLE_CHARS_MAX
from p2pcommons.replica.base import ReplicaBase
from p2pcommons.replica.records import Added, Edited

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from p2pcommons.model.keys import Signer
    from p2pcommons.store import Found, VersionRow

EDIT_AHEAD_SECONDS_MAX = 60
"""How far a new version may be dated ahead to stand after the one it replaces."""
BATCH_ROWS_MAX = 450
"""Contributions in one transaction: 35 to 50 ms during which others wait."""


class Writing(ReplicaBase):
    """The writing half of the façade."""

    _pending: list[Contribution] | None = None
    _settled: frozenset[bytes] = frozenset()
    """Commons in which this batch has seen that the name is known and writing is supported."""

    def contribute(
        self,
        body: Body,
        *,
        commons: bytes,
        target: bytes | None = None,
        parents: Sequence[bytes] = (),
        identity: Signer | None = None,
        claimed_at: int | None = None,
    ) -> bytes:
        """Sign `body` and take it into the store; return the new contribution's id.

        The kind follows from the body's type. `commons` is ZERO_ID for a founding body.
        `identity` and `claimed_at` are for scripts that replay or import histories with keys and
        times of their own; otherwise it is this person, now, and a commons that does not know
        this person's name learns it first. Raises UserError naming a limit, StoreError.
        """
        signer = identity or self.require_signer()
        at = self.now() if claimed_at is None else claimed_at
        if not 1 <= at <= CLAIMED_AT_MAX:
            raise UserError(
                f"the time {at} (seconds since 1970) is not one a contribution can state; "
                "is this machine's clock right?"
            )
        if commons not in self._settled:
            self._check_supported(commons)
        signed = sign(
            signer,
            KIND_OF[type(body)],
            commons=commons,
            body=encode_body(body, os.urandom(SALT_BYTES)),
            claimed_at=at,
            target=target,
            parents=parents,
        )
        profile = self._profile_for(signed, at) if identity is None else None
        self._put([signed] if profile is None else [signed, profile])
        if self._pending is not None and identity is None:
            self._settled |= {signed.commons}
        return signed.id

    @contextmanager
    def batch(self) -> Generator[None]:
        """Group what is contributed inside into few transactions.

        Each group is committed whole; what was grouped before an exception is kept. What is
        read inside does not see the group that is still being filled.
        """
        if self._pending is not None:
            yield
            return
        self._pending = []
        try:
            yield
        finally:
            waiting, self._pending = self._pending, None
            self._settled = frozenset()
            self._ingest(waiting)

    def nudge(self) -> None:
        """Tell a running node that the store has something new."""
        control.nudge(self.paths)

    def name_writer(self, commons: bytes, writer: Signer, name: str) -> bytes:
        """Contribute a profile for a writer with keys of its own."""
        return self.contribute(ProfileBody(name), commons=commons, identity=writer)

    def add_entry(
        self,
        commons: bytes,
        *,
        title: str | None = None,
        url: str | None = None,
        text: str = "",
        form: str | None = None,
        tags: Sequence[str] = (),
        language: str | None = None,
        licence: str | None = None,
        excerpt: str | None = None,
        dated: int | None = None,
        identity: Signer | None = None,
        claimed_at: int | None = None,
    ) -> Added:
        """Publish an entry; without a title the address or the first line gives one.

        Raises UserError naming the limit that is exceeded, or what is missing.
        """
        address = url.strip() if url else None
        if address:
            check_shareable(address)
        body = EntryBody(
            form=form or (FORM_LINK if address else FORM_NOTE),
            title=title_for(title, address, text),
            text=text,
            url=address,
            language=language,
            licence=licence,
            excerpt=excerpt,
            dated=dated,
            tags=written_tags(tags),
        )
        same = tuple(self.store.same_url(commons, address)) if address else ()
        made = self.contribute(body, commons=commons, identity=identity, claimed_at=claimed_at)
        return Added(made, body.title, same)

    def edit_entry(
        self,
        entry: bytes,
        *,
        commons: bytes,
        title: str | None = None,
        text: str | None = None,
        url: str | None = None,
        form: str | None = None,
        tags: Sequence[str] | None = None,
        language: str | None = None,
        licence: str | None = None,
        edit_note: str | None = None,
        merge: bool = False,
    ) -> Edited:
        """Publish a new version that replaces the head shown to this person, or all heads.

        What is None stays as it is in that head. Raises UserError(NOT_FOUND) when nothing of
        the entry is shown, UserError(REFUSED) when its text has not arrived.
        """
        me = self.require_signer().author
        base = self.store.head_for(commons, entry, me)
        if base is None:
            raise UserError(f"nothing of {short(entry)} is left to edit", ErrorCode.NOT_FOUND)
        if base.missing:
            raise UserError(
                f"the text of {short(base.id)} has not arrived yet; edit it when it has",
                ErrorCode.REFUSED,
            )
        if url:
            check_shareable(url)
        body = EntryBody(
            form=form or base.form or FORM_NOTE,
            title=base.title or "" if title is None else title.strip(),
            text=base.text or "" if text is None else text,
            url=base.url if url is None else (url.strip() or None),
            language=base.language if language is None else language,
            licence=base.licence if licence is None else licence,
            excerpt=base.excerpt,
            dated=base.dated,
            tags=self._tags_of_version(base, me) if tags is None else written_tags(tags),
            edit_note=edit_note,
        )
        parents = self._parents_of_edit(commons, entry, base.id, me, merge)
        # Within one second the new version would sort before the one it replaces.
        later = min(base.claimed_at + 1, self.now() + EDIT_AHEAD_SECONDS_MAX)
        version = self.contribute(
            body,
            commons=commons,
            target=entry,
            parents=parents,
            claimed_at=max(self.now(), later),
        )
        return Edited(entry, version, tuple(sorted(parents)))

    def withdraw(self, found: Found, reason: str | None = None) -> tuple[bytes, ...]:
        """Ask every node to drop a version of this person's, or all of them for an entry's id.

        Returns the ids that are withdrawn now. Raises UserError(REFUSED) when nothing of it is
        this person's or its kind stays.
        """
        me = self.require_signer().author
        if found.kind in NOT_WITHDRAWABLE:
            raise UserError(f"a {found.kind} cannot be withdrawn", ErrorCode.REFUSED)
        if found.kind == ENTRY and found.entry == found.id:
            targets = tuple(self.store.versions_of(found.commons, found.id, me))
        else:
            targets = (found.id,) if self._author_of(found) == me else ()
        if not targets:
            raise UserError(f"nothing of {short(found.id)} is yours to withdraw", ErrorCode.REFUSED)
        with self.batch():
            for target in targets:
                self.contribute(WithdrawBody(reason), commons=found.commons, target=target)
        return targets

    def my_tags(self, commons: bytes, entry: bytes) -> tuple[str, ...]:
        """Return this person's tags on an entry as they stand now."""
        me = self.require_signer().author
        return self.store.tag_statement(commons, me, entry).tags

    def tag_entry(
        self,
        commons: bytes,
        entry: bytes,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Change this person's tags on an entry and return them; others' tags stay theirs.

        Writes nothing when nothing changes. Raises UserError naming a limit.
        """
        me = self.require_signer().author
        standing = self.store.tag_statement(commons, me, entry)
        dropped = {tag_words.normalise(tag) for tag in remove}
        kept = [tag for tag in standing.tags if tag not in dropped]
        wanted = tuple(dict.fromkeys([*kept, *written_tags(add)]))
        if wanted != standing.tags:
            parents = standing.heads[:PARENTS_MAX]
            self.contribute(TagBody(wanted), commons=commons, target=entry, parents=parents)
        return wanted

    def _profile_for(self, signed: Contribution, at: int) -> Contribution | None:
        """Return the profile that a first contribution to a commons carries, if one is due."""
        name = self.config.text("name")
        commons = signed.commons
        signer = self.require_signer()
        if not name or commons in self._settled:
            return None
        known = self.store.profile(commons, signer.author)
        if known is not None and known.name == name:
            return None
        heads = () if known is None else known.heads[:PARENTS_MAX]
        body = encode_body(ProfileBody(name), os.urandom(SALT_BYTES))
        return sign(signer, "profile", commons=commons, body=body, claimed_at=at, parents=heads)

    def _put(self, signed: list[Contribution]) -> None:
        if self._pending is None:
            self._ingest(signed)
            return
        self._pending += signed
        if len(self._pending) >= BATCH_ROWS_MAX:
            waiting, self._pending = self._pending, []
            self._ingest(waiting)

    def _ingest(self, signed: list[Contribution]) -> None:
        if not signed:
            return
        now = self.now()
        founded = [each.id for each in signed if each.header.is_founding]
        self.store.ingest(signed, received_at=now, own=True)
        for commons in founded:
            self.store.join_commons(commons, now=now)
        self.nudge()

    def _check_supported(self, commons: bytes) -> None:
        row = self.store.commons_row(commons)
        if row is not None and row.unsupported:
            raise UserError(f"this version cannot write here: {row.unsupported}", ErrorCode.REFUSED)

    def _parents_of_edit(
        self, commons: bytes, entry: bytes, base: bytes, me: bytes, merge: bool
    ) -> list[bytes]:
        detail = self.store.entry_detail(commons, entry)
        versions = {} if detail is None else {row.id: row for row in detail.versions}
        heads = () if detail is None else detail.heads
        own = [head for head in heads if head in versions and versions[head].author == me]
        wanted = [base, *own, *(heads if merge else ())]
        return list(dict.fromkeys(wanted))[:PARENTS_MAX]

    def _tags_of_version(self, base: VersionRow, me: bytes) -> tuple[str, ...]:
        """Keep tags that were this person's own; another's tags do not become theirs."""
        return base.tags if base.author == me else ()

    def _author_of(self, found: Found) -> bytes | None:
        envelope = self.store.envelopes(found.commons, [found.id]).get(found.id)
        return None if envelope is None else decode_header(envelope.header).author


def written_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags as they are written down, each once. Raises UserError for what is no tag."""
    return tuple(dict.fromkeys(tag_words.normalise(tag) for tag in tags))


def title_for(title: str | None, url: str | None, text: str) -> str:
    """Return the given title, else host and path, else the first line of the text.

    Raises UserError when there is nothing to take one from, or when what there is is too long:
    nothing is cut.
    """
    if title is not None and title.strip():
        return title.strip()
    if url:
        return _short_enough("the address", host_and_path(url))
    first = next((line.strip(" #\t") for line in text.splitlines() if line.strip(" #\t")), "")
    if not first:
        raise UserError("an entry needs a title, an address or a text")
    return _short_enough("the first line", first)


def _short_enough(origin: str, title: str) -> str:
    if len(title) > TITLE_CHARS_MAX:
        raise UserError(
            f"{origin} would be the title and has {len(title)} characters; "
            f"the limit is {TITLE_CHARS_MAX}: give a title of its own"
        )
    return title
