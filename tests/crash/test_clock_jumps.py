"""A clock that jumps erases nothing early and keeps nothing for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import ANA, GARDEN, NOW, Writer

from p2pcommons.model.limits import ERASE_AFTER_SECONDS
from p2pcommons.store import Store
from p2pcommons.store.upkeep import COUNTED_SECONDS_MAX

HOUR = 3_600
IN_2106 = 2**32 - 1


@pytest.fixture
def withdrawn(tmp_path: Path):
    """A store that was swept, and then took a withdrawal at NOW."""
    with Store.open(tmp_path / "replica.db") as store:
        store.sweep(NOW)
        writer = Writer()
        entry = writer.entry(ANA, "A mistake", text="secret")
        store.ingest([GARDEN, entry], received_at=NOW)
        store.ingest([writer.withdraw(ANA, entry)], received_at=NOW)
        yield store


def _sweep_hourly(store: Store, since: int, hours: int) -> int:
    return sum(store.sweep(since + hour * HOUR) for hour in range(1, hours + 1))


def test_clock_that_jumps_to_2106_does_not_erase_what_was_withdrawn_today(withdrawn: Store):
    assert _sweep_hourly(withdrawn, NOW, 2) == 0
    assert _sweep_hourly(withdrawn, IN_2106 - 10 * HOUR, 10) == 0
    waited = 2 * HOUR + COUNTED_SECONDS_MAX + 9 * HOUR
    left = (ERASE_AFTER_SECONDS - waited) // HOUR
    # Back in the right year, where what is left of the 72 hours goes by.
    back = NOW + 20 * HOUR
    assert withdrawn.sweep(back) == 0
    assert _sweep_hourly(withdrawn, back, left - 1) == 0
    assert withdrawn.sweep(back + left * HOUR) == 1


def test_what_is_withdrawn_while_the_clock_is_ahead_is_erased_in_its_time(tmp_path: Path):
    with Store.open(tmp_path / "replica.db") as store:
        store.sweep(IN_2106 - 10 * HOUR)
        writer = Writer()
        entry = writer.entry(ANA, "A mistake", text="secret")
        store.ingest([GARDEN, entry], received_at=IN_2106 - 9 * HOUR)
        store.ingest([writer.withdraw(ANA, entry)], received_at=IN_2106 - 9 * HOUR)
        assert store.sweep(NOW) == 0
        assert _sweep_hourly(store, NOW, 71) == 0
        assert store.sweep(NOW + 72 * HOUR) == 1


def test_node_that_runs_all_the_time_erases_after_72_hours(withdrawn: Store):
    assert _sweep_hourly(withdrawn, NOW, 71) == 0
    assert withdrawn.sweep(NOW + 72 * HOUR) == 1
