"""Pausing the network as a person does it: at once where a node runs, else from its next start."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.replica.peers import Peers
from p2pcommons.replica.sizes import size_said
from p2pcommons.store.days import DayWaived, waive_day
from p2pcommons.store.pauses import (
    PAUSE_SECONDS_MAX,
    PERSON,
    Paused,
    paused_words,
    read_pause,
    write_pause,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class PauseResult:
    """A pause, or None, with the words for it and whether a node runs that keeps to it now."""

    paused: Paused | None
    words: str
    running: bool
    was_paused: bool = False
    waived: DayWaived | None = None


class Pausing(Peers):
    """Pause and resume; the state is kept in the store and outlives node and machine."""

    def paused(self) -> Paused | None:
        """Return the pause in force, whether or not a node runs."""
        return read_pause(self.store, self.now())

    def pause(self, seconds: int | None = None) -> PauseResult:
        """Meet nobody for so many seconds, or until `resume`; writing goes on as ever.

        Without a running node the next one begins paused. Raises UserError for a time that is
        none or longer than a year.
        """
        if seconds is not None and not 0 < seconds <= PAUSE_SECONDS_MAX:
            raise UserError("a pause lasts more than nothing and at most 366 days")
        request: dict[str, object] = {"op": "pause"}
        if seconds is not None:
            request["seconds"] = seconds
        answer = self._ask(request)
        if answer is None:
            until = None if seconds is None else self.now() + seconds
            paused = Paused(PERSON, until)
            write_pause(self.store, paused)
        else:
            told = cast("Mapping[str, object]", answer.get("paused") or {})
            paused = Paused(
                str(told.get("reason") or PERSON), cast("int | None", told.get("until"))
            )
        return PauseResult(paused, paused_words(paused, self.now()), answer is not None)

    def resume(self) -> PauseResult:
        """Meet others again; where the limit of the day is reached, without it for today."""
        answer = self._ask({"op": "resume"})
        if answer is None:
            was_paused = self.paused() is not None
            limit = self.config.number("network.megabytes_per_day") * 1_000_000
            waived = waive_day(self.store, limit, self.now())
            write_pause(self.store, None)
        else:
            was_paused, waived = bool(answer["was_paused"]), read_waived(answer)
        words = "" if waived is None else waived_words(waived)
        return PauseResult(None, words, answer is not None, was_paused, waived)

    def _ask(self, request: Mapping[str, object]) -> dict[str, object] | None:
        """Ask the node; None where none runs."""
        try:
            return control.request(self.paths, request)
        except UserError as error:
            if error.code is ErrorCode.NOT_RUNNING:
                return None
            raise


def read_waived(answer: Mapping[str, object]) -> DayWaived | None:
    """Return what the node says of a limit that it sets aside; None where it does not."""
    match answer.get("day_waived"):
        case {"used": int(used), "limit": int(limit), "until": int(until)}:
            return DayWaived(used, limit, until)
        case _:
            return None


def waived_words(waived: DayWaived) -> str:
    """Return what a person reads: how much is used, and until when the limit does not hold."""
    until = time.strftime("%H:%M", time.localtime(waived.until))
    used, limit = size_said(waived.used), size_said(waived.limit)
    return f"{used} of {limit} for today are used; the limit is set aside until {until}"
