"""What goes on in a node from start to stop, wherever its network, store and time come from.

The runtime gives it libp2p, files and the clock of the machine; the simulator gives it its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from p2pcommons.errors import StoreError
from p2pcommons.node.keeping import Keeper
from p2pcommons.store.offers import offered_among

if TYPE_CHECKING:
    from p2pcommons.node.context import NodeContext
    from p2pcommons.node.network import Network
    from p2pcommons.store import CommonsRow, Store

POLL_SECONDS = 1.0
"""A lost nudge is found within this time."""
LOOK_PAUSE_SECONDS = 0.02
"""Between two looks: what is new is published by the nudge itself, the rest can wait so long."""
SWEEP_SECONDS = 3_600.0
WARMED_MAX = 4
"""Sets loaded at the start; the others when a session asks for them."""


class Engine:
    """Follows the store and lets the network run; without one in mode `off`."""

    def __init__(
        self, context: NodeContext, network: Network | None, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._context = context
        self._network = network
        self._poll_seconds = poll_seconds
        self._nudged = trio.Event()
        self._keeper: Keeper | None = None
        self._told: frozenset[bytes] = frozenset()
        self._told_offers: tuple[bytes, ...] = ()
        """What the network was told last; others than a look read the store anew, too."""
        self._empty: frozenset[bytes] = frozenset()
        """Joined commons of which nothing is here."""
        self._told_empty: frozenset[bytes] = frozenset()

    async def run(self) -> None:
        """Go on until cancelled."""
        self._told, self._told_offers = frozenset(self._context.joined), self._context.offered
        self._told_empty = self._empty
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_store)
            nursery.start_soon(self._sweep)
            if self._network is not None:
                nursery.start_soon(self._network.run)
                nursery.start_soon(self._warm)
                nursery.start_soon(self._keep, self._network)
            await trio.sleep_forever()

    async def _warm(self) -> None:
        """Load the busiest sets before the first peer asks: a newcomer waits for nothing else."""
        for commons in self._context.joined[:WARMED_MAX]:
            try:
                await self._context.sets.fresh(commons, self._context.now())
            except StoreError as error:
                self._context.note_trouble(error)

    async def _keep(self, network: Network) -> None:
        """Keep what was pledged. What is kept is exchanged before the rest, and at once."""

        async def changed() -> None:
            await self.refresh_joined()
            network.texts_wanted()

        self._keeper = Keeper(self._context, network.attachments, changed)
        await self._keeper.run()

    def nudge(self) -> None:
        """Somebody has committed something: publish it, and look what else has changed."""
        if self._network is not None:
            self._network.nudged()
        self._nudged.set()

    async def look(self) -> None:
        """See what has changed in the store, and tell the network. Raises StoreError."""
        await self.refresh_joined()
        joined, offered = frozenset(self._context.joined), self._context.offered
        # One that was left, deleted and joined again between two looks is there as before, empty.
        emptied = self._empty & self._told - self._told_empty
        changed = joined != self._told or bool(emptied)
        pool = self._context.strangers
        if changed and pool is not None:
            # One that was deleted and joined again has declined nothing.
            await self._context.attempt(pool.load)
        await self._ease_pools()
        if self._network is not None:
            await self._network.store_changed(changed)
            if offered != self._told_offers:
                self._network.offers_changed()
        self._told, self._told_offers, self._told_empty = joined, offered, self._empty
        await self._context.sets.follow()

    async def refresh_joined(self) -> None:
        """Read which commons this node takes part in, in its order. Raises StoreError."""
        rows, self._context.offered = await self._context.storage.read(_read_commons)
        fitting = [row for row in rows if not row.unsupported]
        kept = self._context.kept
        fitting.sort(key=lambda row: (row.id not in kept, -row.count))
        self._context.joined = tuple(row.id for row in fitting)
        self._empty = frozenset(row.id for row in fitting if not row.count)

    async def _follow_store(self) -> None:
        """See what other processes commit: at once when nudged, else within a second."""
        seen = -1
        while True:
            with trio.move_on_after(self._poll_seconds):
                await self._nudged.wait()
            # Before the look: a nudge that comes during it is another look, not lost.
            self._nudged = trio.Event()
            # What was nudged about is published first: both read through the same lane.
            await trio.lowlevel.checkpoint()
            try:
                version = await self._context.storage.read(lambda store: store.data_version())
                if version != seen:
                    if self._keeper is not None:
                        self._keeper.store_changed()
                    await self.look()
                    seen = version  # a look that failed is taken again
                    await trio.sleep(LOOK_PAUSE_SECONDS)
            except StoreError as error:
                self._context.note_trouble(error)

    async def _sweep(self) -> None:
        while True:
            now = self._context.now()
            await self._context.attempt(lambda store, now=now: store.sweep(now))
            await self._context.attempt(lambda store: store.keep_budgets())
            await self._ease_pools()
            await trio.sleep(SWEEP_SECONDS)

    async def _ease_pools(self) -> None:
        """Where contributions of strangers are declined, see whether that is still so."""
        pool = self._context.strangers
        if pool is not None and pool.declines:
            await self._context.attempt(pool.ease)


def _read_commons(store: Store) -> tuple[list[CommonsRow], tuple[bytes, ...]]:
    rows = store.commons_rows()
    return rows, offered_among(store, rows)
