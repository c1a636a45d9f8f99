"""The whole fold over the set of one commons: the definition that every store has to agree with.

A store folds only the slots that changed, with the same functions; `fold` goes over everything
and is what it is compared with. The order of the contributions does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from p2pcommons.model.kinds import COMMONS, ENTRY, PLEDGE, PROFILE, TAG, CommonsBody, parse_body
from p2pcommons.views.charter import unsupported
from p2pcommons.views.entries import EntryView, fold_entry
from p2pcommons.views.held import Held, held
from p2pcommons.views.passes import is_disowned, is_withdrawn, revocations, withdrawals
from p2pcommons.views.statements import (
    PledgeView,
    ProfileView,
    fold_pledge,
    fold_profile,
    stated_tags,
    version_tags,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from p2pcommons.model.contribution import Contribution
    from p2pcommons.model.kinds import Body

Tags = dict[bytes, dict[bytes, frozenset[str]]]
"""target -> author -> what this person calls it; people without tags are left out."""


@dataclass(frozen=True, slots=True)
class CommonsView:
    """Everything a reader sees of one commons.

    `waiting` are versions whose first version is not known or not counted, by that version's id.
    `unsupported` says why this commons is not folded, and then the rest is empty.
    """

    charter: CommonsBody | None = None
    unsupported: str | None = None
    entries: dict[bytes, EntryView] = field(default_factory=dict[bytes, EntryView])
    tags: Tags = field(default_factory=dict[bytes, dict[bytes, frozenset[str]]])
    profiles: dict[bytes, ProfileView] = field(default_factory=dict[bytes, ProfileView])
    pledges: dict[bytes, PledgeView] = field(default_factory=dict[bytes, PledgeView])
    waiting: dict[bytes, frozenset[bytes]] = field(default_factory=dict[bytes, frozenset[bytes]])
    disowned: frozenset[bytes] = frozenset()
    withdrawn: frozenset[bytes] = frozenset()


def fold(contributions: Iterable[Contribution]) -> CommonsView:
    """Return the view of the contributions of one commons, in whatever order they come.

    A contribution that comes twice counts once; with a body, where one of the two has it.
    """
    items: dict[bytes, Held] = {}
    bodies: dict[bytes, Body | None] = {}
    for contribution in contributions:
        items[contribution.id] = held(contribution)
        if contribution.body is not None:
            bodies[contribution.id] = parse_body(contribution.header.kind, contribution.body)
    return fold_held(items.values(), bodies)


def fold_held(items: Iterable[Held], bodies: Mapping[bytes, Body | None]) -> CommonsView:
    """Return the view of distinct facts of one commons and what their bodies say."""
    everything = list(items)
    charter = _charter(everything, bodies)
    revoked = revocations(everything, bodies)
    counted = [item for item in everything if not is_disowned(item, revoked)]
    named = withdrawals(counted)
    withdrawn = frozenset(item.id for item in counted if is_withdrawn(item, named))
    disowned = frozenset(item.id for item in everything) - {item.id for item in counted}
    reason = unsupported(charter)
    if reason is not None:
        return CommonsView(charter, reason, disowned=disowned, withdrawn=withdrawn)
    # What is withdrawn says nothing, whether its body is still at hand or not.
    bodies = {key: body for key, body in bodies.items() if key not in withdrawn}
    entries, waiting = _entries(counted, withdrawn, bodies)
    return CommonsView(
        charter,
        None,
        entries,
        _tags(counted, entries, withdrawn, bodies),
        _profiles(counted, withdrawn, bodies),
        _pledges(counted, withdrawn, bodies),
        waiting,
        disowned,
        withdrawn,
    )


def _charter(items: Iterable[Held], bodies: Mapping[bytes, Body | None]) -> CommonsBody | None:
    for item in items:
        if item.kind == COMMONS:
            body = bodies.get(item.id)
            return body if isinstance(body, CommonsBody) else None
    return None


def _entries(
    counted: list[Held], withdrawn: frozenset[bytes], bodies: Mapping[bytes, Body | None]
) -> tuple[dict[bytes, EntryView], dict[bytes, frozenset[bytes]]]:
    firsts = {item.id: item for item in counted if item.kind == ENTRY and item.target is None}
    elsewhere = {item.id for item in counted} - firsts.keys()
    slots: dict[bytes, list[Held]] = {key: [first] for key, first in firsts.items()}
    for item in counted:
        if item.kind == ENTRY and item.target is not None:
            slots.setdefault(item.target, []).append(item)
    entries = {
        key: fold_entry(first, slots[key], withdrawn, bodies) for key, first in firsts.items()
    }
    waiting = {
        key: frozenset(item.id for item in slot)
        for key, slot in slots.items()
        if key not in firsts and key not in elsewhere
    }
    return entries, waiting


def _tags(
    counted: list[Held],
    entries: Mapping[bytes, EntryView],
    withdrawn: frozenset[bytes],
    bodies: Mapping[bytes, Body | None],
) -> Tags:
    slots: defaultdict[tuple[bytes, bytes], list[Held]] = defaultdict(list)
    for item in counted:
        if item.kind == TAG and item.target is not None:
            slots[item.target, item.author].append(item)
    found: Tags = {}
    for (target, author), statements in slots.items():
        _say(found, target, author, stated_tags(statements, withdrawn, bodies))
    for entry in entries.values():
        for author in {head.author for head in entry.heads}:
            if (entry.id, author) not in slots:
                own = [head.body for head in entry.heads if head.author == author]
                _say(found, entry.id, author, version_tags(own))
    return found


def _say(found: Tags, target: bytes, author: bytes, tags: frozenset[str]) -> None:
    if tags:
        found.setdefault(target, {})[author] = tags


def _profiles(
    counted: list[Held], withdrawn: frozenset[bytes], bodies: Mapping[bytes, Body | None]
) -> dict[bytes, ProfileView]:
    slots: defaultdict[bytes, list[Held]] = defaultdict(list)
    for item in counted:
        if item.kind == PROFILE and item.target is None:
            slots[item.author].append(item)
    folded = ((author, fold_profile(slot, withdrawn, bodies)) for author, slot in slots.items())
    return {author: profile for author, profile in folded if profile is not None}


def _pledges(
    counted: list[Held], withdrawn: frozenset[bytes], bodies: Mapping[bytes, Body | None]
) -> dict[bytes, PledgeView]:
    founding = next((item.id for item in counted if item.kind == COMMONS), None)
    slots: defaultdict[bytes, list[Held]] = defaultdict(list)
    for item in counted:
        if item.kind == PLEDGE and item.target is not None and item.target == founding:
            slots[item.author].append(item)
    folded = ((author, fold_pledge(slot, withdrawn, bodies)) for author, slot in slots.items())
    return {author: pledge for author, pledge in folded if pledge is not None}
