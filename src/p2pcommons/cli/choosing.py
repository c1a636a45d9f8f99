"""Which commons a command works on: the named one, the default, the only one, or ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.cli.terminal import ask
from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Replica
    from p2pcommons.store import CommonsRow

UNTITLED = "(not received yet)"


def choose_commons(invocation: Invocation, replica: Replica, ref: str | None) -> CommonsRow:
    """Return the commons that `ref`, the settings or the person at the terminal names.

    Raises UserError: NOT_FOUND, or USAGE with the candidates where nobody can be asked.
    """
    try:
        return replica.which_commons(ref)
    except UserError as error:
        if ref is not None or not may_ask(invocation, error):
            raise
        return replica.resolve_commons(pick(invocation, error.candidates).split()[0])


def may_ask(invocation: Invocation, error: UserError) -> bool:
    """Tell whether an error is a choice that a person at the terminal can make."""
    return error.code is ErrorCode.USAGE and bool(error.candidates) and invocation.asks


def pick(invocation: Invocation, candidates: Sequence[str]) -> str:
    """Let a person choose one of `candidates` by number."""
    for number, candidate in enumerate(candidates, start=1):
        invocation.out.say(f"{number:3}  {candidate}")
    while True:
        answer = ask(f"Which one? 1 to {len(candidates)}: ")
        if answer.isdecimal() and 1 <= int(answer) <= len(candidates):
            return candidates[int(answer) - 1]


def entry_named(replica: Replica, ref: str) -> tuple[bytes, bytes]:
    """Return the commons and the first version of the entry that an id names.

    Raises UserError: NOT_FOUND, or USAGE when it names several things or another kind of thing.
    """
    found = replica.resolve_entry(ref)
    if found.entry is None:
        raise UserError(f"{short(found.id)} is a {found.kind}, not an entry", ErrorCode.USAGE)
    return found.commons, found.entry


def only_commons(replica: Replica, ref: str | None) -> tuple[bytes, ...]:
    """Return the named commons for a command that looks at all of them otherwise."""
    return () if ref is None else (replica.resolve_commons(ref).id,)


def title_of(row: CommonsRow) -> str:
    """Return a commons's title as far as it is known here."""
    return row.title or row.title_hint or UNTITLED
