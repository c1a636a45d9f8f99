"""What a node has declined is not wanted again, and a pair with nothing else left knows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from p2pcommons.protocol.messages import Want
from tests.protocol.memory import MemoryNode, entry, founding, reconcile

if TYPE_CHECKING:
    from p2pcommons.protocol import events as ev

COMMONS = founding().id


@dataclass
class Remembering(MemoryNode):
    """Tells its sessions what it has declined before."""

    def state(self, commons: bytes) -> ev.CommonsState:
        return replace(super().state(commons), declined=self.declining)


def pair(declined: int, kind: type[MemoryNode]) -> tuple[MemoryNode, MemoryNode]:
    entries = [entry(number) for number in range(40)]
    full, choosy = MemoryNode("full"), kind("choosy")
    full.add(founding(), *entries)
    choosy.add(founding(), *entries[20:])
    choosy.declining = {each.id for each in entries[:declined]}
    return full, choosy


@pytest.mark.parametrize("choosy_opens", [True, False])
def test_declined_ids_are_not_wanted_and_counted(choosy_opens: bool) -> None:
    full, choosy = pair(15, Remembering)
    first, second = (choosy, full) if choosy_opens else (full, choosy)
    sides = dict(zip((first.name, second.name), reconcile(first, second), strict=True))
    wanted = [
        identifier
        for message in sides["choosy"].messages()
        if isinstance(message, Want)
        for identifier in message.ids
    ]
    assert len(wanted) == 5
    assert not choosy.declining.intersection(wanted)
    result = sides["choosy"].results()[COMMONS]
    assert (result.received, result.declined, result.count) == (5, 15, 26)
    assert sides["full"].results()[COMMONS].their_declined == 15
    assert all(side.results()[COMMONS].only_declined_left for side in sides.values())
    assert not any(side.faults() for side in sides.values())


@pytest.mark.parametrize("choosy_opens", [True, False])
def test_what_is_declined_when_it_comes_counts_the_same(choosy_opens: bool) -> None:
    full, choosy = pair(15, MemoryNode)
    first, second = (choosy, full) if choosy_opens else (full, choosy)
    for side in reconcile(first, second):
        result = side.results()[COMMONS]
        assert result.declined + result.their_declined == 15
        assert result.only_declined_left


def test_a_pair_that_lacks_something_else_goes_on_trying() -> None:
    full, choosy = pair(15, Remembering)
    full.held[COMMONS].pop(entry(19).id)  # it says it has it, and gives it to nobody
    for side in reconcile(choosy, full):
        assert not side.results()[COMMONS].only_declined_left


def test_equal_replicas_have_nothing_declined_left() -> None:
    full, other = MemoryNode("full"), MemoryNode("other")
    for node in (full, other):
        node.add(founding(), entry(1))
    for side in reconcile(full, other):
        assert side.results()[COMMONS].equal
        assert not side.results()[COMMONS].only_declined_left
