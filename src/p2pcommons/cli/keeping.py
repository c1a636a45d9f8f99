"""What a person typed outlives a store that does not take it: it is kept as a draft."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2pcommons.errors import StoreError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import Draft, Replica


@contextmanager
def kept_as_draft(
    invocation: Invocation, replica: Replica, draft: Callable[[], Draft]
) -> Generator[None]:
    """Save a draft and say so if the store fails inside; the StoreError goes on."""
    try:
        yield
    except StoreError:
        try:
            replica.save_draft(draft())
        except (StoreError, UserError) as error:
            invocation.out.say(f"what you wrote could not be kept: {error}")
        else:
            invocation.out.say("what you wrote is kept as a draft; the screens open it: p2pcommons")
        raise
