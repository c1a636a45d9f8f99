"""Pure folds: what people see, computed from the set of contributions and from nothing else.

Order-independent, idempotent, rebuildable. No clock, no I/O, no SQL: a store loads the slot that
changed, folds it here and writes down the result.
"""

from __future__ import annotations

from p2pcommons.views.charter import unsupported
from p2pcommons.views.entries import EntryView, Head, fold_entry, shown_to
from p2pcommons.views.fold import CommonsView, fold
from p2pcommons.views.held import Held, held
from p2pcommons.views.statements import (
    PledgeView,
    ProfileView,
    fold_pledge,
    fold_profile,
    stated_tags,
    version_tags,
)

__all__ = [
    "CommonsView",
    "EntryView",
    "Head",
    "Held",
    "PledgeView",
    "ProfileView",
    "fold",
    "fold_entry",
    "fold_pledge",
    "fold_profile",
    "held",
    "shown_to",
    "stated_tags",
    "unsupported",
    "version_tags",
]
