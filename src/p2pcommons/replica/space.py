"""Room on this machine: what commons take, budgets, pins, removal, people, compacting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import hex_prefix, short
from p2pcommons.model.limits import NAME_CHARS_MAX
from p2pcommons.replica import cleaning
from p2pcommons.replica.peers import Peers
from p2pcommons.store import OWN_META

if TYPE_CHECKING:
    from p2pcommons.store import BudgetPlan, Contributor, DiskState, EntryRow, Pin, SpaceUse

COMPACT_SECONDS_MAX = 3_600.0
"""As long as a node may take to compact a store of any size."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compacting gave back, in bytes. `by_node` tells that the running node did it."""

    before: int
    after: int
    by_node: bool


class Space(Peers):
    """What a person decides about room."""

    def space(self, commons: bytes) -> SpaceUse:
        """Return what a commons takes here. Raises UserError(NOT_FOUND)."""
        use = self.store.space_use(commons)
        if use is None:
            raise UserError(f"no commons {short(commons)} here", ErrorCode.NOT_FOUND)
        return use

    def bytes_used(self, commons: bytes) -> int:
        """Return about how many bytes a commons takes on disk."""
        return self.store.bytes_used(commons)

    # --- budget ------------------------------------------------------------------------------

    def budget_plan(self, commons: bytes, budget: int | None = None) -> BudgetPlan:
        """Return what goes to keep the budget that is set, or `budget`. Changes nothing."""
        return self.store.budget_plan(commons, budget)

    def budget(self, commons: bytes) -> int | None:
        """Return the bytes a commons may take, None for as many as it needs."""
        return self.store.budget(commons)

    def set_budget(self, commons: bytes, budget: int | None) -> BudgetPlan:
        """Set what a commons may take (None: no limit), keep to it at once, and say what went."""
        self._note_own_author()
        self.store.set_budget(commons, budget)
        return self.store.keep_budget(commons)

    # --- texts -------------------------------------------------------------------------------

    def pin(self, commons: bytes, entry: bytes) -> int:
        """Keep the texts of an entry whatever happens; return how many are still to come."""
        self._note_own_author()
        lacking = self.store.pin(commons, entry, now=self.now())
        self.nudge()
        return lacking

    def unpin(self, entry: bytes) -> bool:
        """Treat an entry like any other again; False if it was not pinned."""
        return self.store.unpin(entry)

    def is_pinned(self, entry: bytes) -> bool:
        """Tell whether an entry is pinned."""
        return self.store.is_pinned(entry)

    def pins(self, commons: bytes | None = None) -> list[tuple[Pin, EntryRow | None]]:
        """Return the pinned entries, the latest first; None for one that is not here."""
        found: list[tuple[Pin, EntryRow | None]] = []
        for pin in self.store.pins(commons):
            row = self.store.entry_row(pin.commons, pin.entry)
            found.append((pin, None if row is None else cleaning.entry_row(row)))
        return found

    def fetch_texts(self, commons: bytes, entry: bytes) -> int:
        """Ask peers for the texts of an entry that are not here; return how many that are."""
        lacking = self.store.fetch_texts(commons, entry)
        self.nudge()
        return lacking

    # --- removal -----------------------------------------------------------------------------

    def remove_entry(self, commons: bytes, entry: bytes) -> int:
        """Drop an entry of others from this machine; return how many contributions went.

        Others keep it, and it does not come back by itself. Raises UserError(REFUSED) where a
        version is one's own.
        """
        self._note_own_author()
        _count, is_own = self.store.removable(commons, entry)
        if is_own:
            raise UserError(
                "a version of it is yours, perhaps nowhere else; "
                f"to take your words back everywhere: p2pcommons withdraw {short(entry)}",
                ErrorCode.REFUSED,
            )
        return self.store.remove_entry(commons, entry)

    def removed(self) -> list[tuple[bytes, bytes, int]]:
        """Return what was removed: entry, commons and number of contributions."""
        return self.store.removed()

    def find_removed(self, ref: str) -> bytes | None:
        """Return the removed entry that a hex prefix of 6 or more digits names, if one does.

        Raises UserError(USAGE) with the candidates where several fit.
        """
        prefix = hex_prefix(ref)
        found = [] if prefix is None else self.store.removed(prefix)
        if len(found) > 1:
            raise UserError(
                f"{ref.strip()} names {len(found)} removed entries; give more digits",
                ErrorCode.USAGE,
                [row[0].hex() for row in found],
            )
        return found[0][0] if found else None

    def restore_removed(self, entry: bytes) -> int:
        """Let peers bring a removed entry again; return how many contributions are awaited."""
        awaited = self.store.restore_removed(entry)
        self.nudge()
        return awaited

    # --- people ------------------------------------------------------------------------------

    def contributors(self, commons: bytes) -> list[Contributor]:
        """Return who contributed to a commons, what that takes and how one stands to them."""
        return [
            replace(each, name=cleaning.line(each.name, NAME_CHARS_MAX))
            for each in self.store.contributors(commons)
        ]

    def keep_author(self, author: bytes) -> None:
        """Never count somebody as a stranger."""
        self.store.keep_author(author, now=self.now())
        self.nudge()

    def let_author_go(self, author: bytes) -> bool:
        """Judge somebody like anybody else again; False if they were not kept."""
        return self.store.let_author_go(author)

    # --- disk --------------------------------------------------------------------------------

    def disk_state(self) -> DiskState:
        """Return what the store takes on disk, and what compacting needs."""
        return self.store.disk_state()

    def compact(self) -> Compacted:
        """Give disk back that holds nothing; a running node does it itself, between two writes.

        Raises StoreError and UserError saying why not; nothing has changed then.
        """
        try:
            answer = control.request(self.paths, {"op": "compact"}, COMPACT_SECONDS_MAX)
        except UserError as error:
            if error.code is not ErrorCode.NOT_RUNNING:
                raise
            before, after = self.store.compact()
            return Compacted(before.total, after.total, by_node=False)
        return Compacted(cast("int", answer["before"]), cast("int", answer["after"]), by_node=True)

    def _note_own_author(self) -> None:
        """Tell the store who one is, also where one has written nothing on this machine yet."""
        signer = self.find_signer()
        if signer is not None and self.store.meta(OWN_META) != signer.author.hex():
            self.store.set_meta(OWN_META, signer.author.hex())
