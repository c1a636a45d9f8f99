"""What people take on for a commons, and the commons that this machine keeps whatever happens."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from p2pcommons import control
from p2pcommons.blobstore import BlobStore
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import display_name, short
from p2pcommons.model.kinds import PledgeBody
from p2pcommons.model.limits import NAME_CHARS_MAX, PLEDGE_CHARS_MAX
from p2pcommons.model.words import clean_line
from p2pcommons.replica.nearby import Nearby
from p2pcommons.replica.records import Kept, Pledge
from p2pcommons.replica.space import Space
from p2pcommons.store.pledges import KEEPING_META

if TYPE_CHECKING:
    from p2pcommons.store import BudgetPlan, PledgeRow

TELL_SECONDS: Final = 5.0
"""How long whoever leaves for good waits until somebody has heard that the pledge is over."""
TELL_PAUSE_SECONDS: Final = 0.2


def _have_as_much(item: dict[str, object], commons: bytes, count: int) -> bool:
    """Whether a line of a sync says that a peer holds all that is here of a commons."""
    return (
        item.get("commons") == commons.hex()
        and item.get("equal") is True
        and cast("int", item.get("count") or 0) >= count
    )


class Pledges(Space, Nearby):
    """Pledges of everybody, and one's own."""

    def pledges(self, commons: bytes) -> tuple[Pledge, ...]:
        """Return what people take on for a commons: strangers last, else the oldest first.

        What has run out by this machine's clock is left out.
        """
        signer = self.find_signer()
        me = None if signer is None else signer.author
        now = self.now()
        return tuple(
            shown_pledge(row, commons, me)
            for row in self.store.pledges(commons)
            if row.body.until is None or row.body.until >= now
        )

    def pledge(
        self,
        commons: bytes,
        *,
        text: str | None = None,
        keep: bool | None = None,
        files: int | None = None,
        until: int | None = None,
    ) -> Pledge:
        """Tell the others what this person takes on; what is None stays as it was.

        With `keep` this machine keeps the commons from now on: no budget touches it, every text
        is fetched, and files up to `files` bytes together. What has run out stays so. Raises
        UserError naming a limit, CONFLICT for a size without a promise to keep, or REFUSED for a
        commons of which nothing is here yet.
        """
        me = self.require_signer().author
        row = self.commons_row(commons)
        if row.title is None:
            name = row.title_hint or short(commons)
            raise UserError(f"{name} has not been received yet", ErrorCode.REFUSED)
        before, heads = self.store.pledge_statement(commons, me)
        wanted = before or PledgeBody()
        if wanted.until is not None and wanted.until < self.now():
            wanted = PledgeBody()
        keeps_here = keep or (keep is None and commons in self.store.kept_commons(self.now()))
        if files is not None and not keeps_here:
            raise UserError("files are kept with the commons: add --keep", ErrorCode.CONFLICT)
        if until is not None and until < self.now():
            raise UserError("that day is over")
        wanted = replace(
            wanted,
            text=wanted.text if text is None else text.strip(),
            keep=wanted.keep if keep is None else keep,
            files=wanted.files if files is None else files,
            until=wanted.until if until is None else until,
        )
        if wanted.takes_back:
            raise UserError("say what you take on: words, or --keep")
        self._note_own_author()
        if wanted != before:
            self.contribute(wanted, commons=commons, target=commons, parents=heads)
        if keeps_here:
            self.store.keep_commons(commons, files=wanted.files, until=wanted.until)
            self.nudge()
        return next(each for each in self.pledges(commons) if each.is_own)

    def take_pledge_back(self, commons: bytes) -> None:
        """Promise nothing for a commons any more; this machine treats it like any other again.

        Raises UserError(NOT_FOUND) where nothing was pledged.
        """
        me = self.require_signer().author
        before, heads = self.store.pledge_statement(commons, me)
        kept = self.store.stop_keeping(commons)
        if before is not None:
            self.contribute(PledgeBody(), commons=commons, target=commons, parents=heads)
        elif not kept:
            raise UserError("you have pledged nothing for this commons", ErrorCode.NOT_FOUND)
        self.nudge()

    def pledge_to_keep(self, commons: bytes) -> Pledge | None:
        """Return the pledge by which this machine keeps a commons, also after leaving it.

        None where there is none, or where another machine of this person keeps it.
        """
        if self.store.meta(KEEPING_META + commons.hex()) is None:
            return None
        own = (each for each in self.pledges(commons) if each.is_own and each.keeps)
        return next(own, None)

    def end_pledge(self, commons: bytes) -> bool:
        """Take a pledge back for good, and tell whether somebody connected has heard of it.

        Waits for that, a few seconds, where a node runs. After leaving nobody can be told.
        """
        if self.commons_row(commons).left_at is not None:
            self.store.stop_keeping(commons)
            return False
        self.take_pledge_back(commons)
        count = self.commons_row(commons).count
        until = time.monotonic() + TELL_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                answer = control.request(self.paths, {"op": "sync", "timeout": left}, 2 * left)
            except UserError:
                return False  # no node, or one that is too busy to say
            items = cast("list[dict[str, object]]", answer.get("items") or [])
            if any(_have_as_much(item, commons, count) for item in items):
                return True
            # A session that had begun before this was taken back says nothing of it.
            time.sleep(min(left, TELL_PAUSE_SECONDS))
        return False

    def leave_commons(self, commons: bytes, *, delete: bool = False) -> None:
        """Stop exchanging a commons; with `delete` this machine's pledge to keep it ends first."""
        if delete and self.pledge_to_keep(commons) is not None:
            self.end_pledge(commons)
        super().leave_commons(commons, delete=delete)

    def kept(self, commons: bytes) -> Kept | None:
        """Return how far this machine is with a commons it keeps; None where it does not."""
        noted = self.store.kept_commons(self.now()).get(commons)
        if noted is None:
            return None
        rows, _last = self.store.attachments_after(commons, 0)
        sizes = {row.file.sha256: row.file.size for row in rows}
        blobs = BlobStore(self.paths.blobs_dir)
        here = [size for sha256, size in sizes.items() if blobs.holds(sha256)]
        return Kept(
            commons,
            noted.until,
            self.store.texts_lacking(commons),
            len(sizes),
            len(here),
            sum(here),
            noted.files,
        )

    def kept_here(self) -> tuple[bytes, ...]:
        """Return the commons that this machine keeps now."""
        return tuple(self.store.kept_commons(self.now()))

    def set_budget(self, commons: bytes, budget: int | None) -> BudgetPlan:
        """Set what a commons may take, as `Space` does; one that is kept may take what it needs.

        Raises UserError(REFUSED) for a limit on a commons that this machine keeps.
        """
        if budget is not None and commons in self.store.kept_commons(self.now()):
            raise UserError(
                "you pledged to keep this commons on this machine; "
                "take that back first: p2pcommons pledge C --take-back",
                ErrorCode.REFUSED,
            )
        return super().set_budget(commons, budget)


def shown_pledge(row: PledgeRow, commons: bytes, me: bytes | None) -> Pledge:
    """Return a pledge with safe words; `me` is the person on this machine."""
    name = clean_line(row.author_name or "", NAME_CHARS_MAX) or None
    return Pledge(
        id=row.id,
        commons=commons,
        author=row.author,
        author_name=name,
        who=display_name(name, row.author),
        text=clean_line(row.body.text, PLEDGE_CHARS_MAX),
        keeps=row.body.keep,
        files=row.body.files,
        until=row.body.until,
        since=row.claimed_at,
        is_own=row.author == me,
        is_stranger=row.is_stranger,
    )
