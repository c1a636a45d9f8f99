"""Time that passes only when everybody waits, and the same order of everything for the same seed.

`Timeline` is a clock for trio: when no task can run it goes on to whatever is due next, a timeout
of some task or something put on the timeline with `at`, and never looks at the machine's clock.
Threads that code under test would start for work are run on the spot.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import trio
import trio._core._run as trio_run

from p2pcommons.node import measuring

IDLE_MAX = 1_000
MEASURE_SECONDS = 600
"""Between two looks at what moved. A real node looks every five seconds; nothing depends on it."""


class Timeline(trio.abc.Clock):
    """A clock in seconds from 0, and what is going to happen at which time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happened = 0
        self._idle = 0
        self.failure: BaseException | None = None
        self.scope = trio.CancelScope()
        self._due: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._serial = itertools.count()

    def at(self, when: float, call: Callable[..., object], *arguments: object) -> None:
        """Call at a time; of two at the same time the one that was put here first comes first."""
        heapq.heappush(self._due, (when, next(self._serial), call, arguments))

    def after(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        """Call so many seconds from now."""
        heapq.heappush(self._due, (self.now + seconds, next(self._serial), call, arguments))

    # --- what trio asks for --------------------------------------------------------------------

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        """Return the simulated time."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks this when no task can run: so now is the time to go on."""
        due = self._due
        self._idle += 1
        if due and due[0][0] <= deadline:
            self.now = max(self.now, due[0][0])
            while due and due[0][0] <= self.now:
                _, _, call, arguments = heapq.heappop(due)
                self.happened += 1
                try:
                    call(*arguments)
                except BaseException as error:  # noqa: BLE001
                    # Raised where the run began: here it would only stop trio in its tracks.
                    self.failure = error
                    self.scope.cancel()
                    due.clear()
            self._idle = 0
        elif deadline < math.inf:
            self.now = max(self.now, deadline)
            self._idle = 0
        elif self._idle < IDLE_MAX:
            # At its end trio wakes itself through a socket.
            return 0.001
        else:
            raise AssertionError("everybody waits for what will never happen")
        return 0.0


def run(main: Callable[[], Awaitable[None]], timeline: Timeline, seed: int) -> None:
    """Run `main` in simulated time; who of those that can run does so first follows the seed."""

    async def live() -> None:
        with timeline.scope:
            await main()

    with _settled(seed):
        trio.run(live, clock=timeline)
    if timeline.failure is not None:
        raise timeline.failure


@contextmanager
def _settled(seed: int) -> Generator[None]:
    def keep(place: Any, name: str, value: object) -> Callable[[], None]:
        before = getattr(place, name)
        setattr(place, name, value)
        return lambda: setattr(place, name, before)

    chance = trio_run._r.getstate()
    thresholds = gc.get_threshold()
    undo = [
        keep(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        keep(trio.to_thread, "run_sync", _run_here),
        keep(measuring, "BUCKET_SECONDS", 2 * MEASURE_SECONDS),
    ]
    trio_run._r.seed(seed)
    # Most turns have one task: nothing to shuffle.
    undo.append(keep(trio_run._r, "shuffle", _shuffle_some(trio_run._r.shuffle)))
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        trio_run._r.setstate(chance)
        for each in undo:
            each()


def _shuffle_some(shuffle: Callable[[list[Any]], None]) -> Callable[[list[Any]], None]:
    return lambda batch: shuffle(batch) if len(batch) > 1 else None


async def _run_here(call: Callable[..., Any], *arguments: object, **_: object) -> Any:
    await trio.lowlevel.checkpoint()
    return call(*arguments)
