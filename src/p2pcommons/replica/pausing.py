"""Pausing the network as a person does it: at once where a node runs, else from its next start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from p2pcommons import control
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.replica.peers import Peers
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
        was_paused = self.paused() is not None if answer is None else bool(answer["was_paused"])
        if answer is None:
            write_pause(self.store, None)
        return PauseResult(None, "", answer is not None, was_paused)

    def _ask(self, request: Mapping[str, object]) -> dict[str, object] | None:
        """Ask the node; None where none runs."""
        try:
            return control.request(self.paths, request)
        except UserError as error:
            if error.code is ErrorCode.NOT_RUNNING:
                return None
            raise
