"""Offering, seeing and joining what others offer; pausing: as a person types it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from p2pcommons.cli.nearby import nearby_lines
from p2pcommons.model.glance import key_words
from p2pcommons.replica.nearby import NearPeer, Offer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pause_without_a_node_is_noted_for_the_next(begun: Any, tmp_path: Path) -> None:
    ana = begun.copy(tmp_path / "ana")
    done = ana("pause")
    assert (done.code, done.out) == (0, "paused\n")
    assert "the next one begins paused" in done.err
    noted = ana.json("pause", "--for", "30m")
    assert (noted["running"], noted["paused"]["reason"]) == (False, "person")
    resumed = ana.json("resume")
    assert (resumed["was_paused"], resumed["day_waived"]) == (True, None)
    assert ana.json("resume")["was_paused"] is False


@pytest.mark.parametrize("time_said", ["0m", "2", "-1h", "9999d"])
def test_a_time_that_is_none_is_refused(begun: Any, time_said: str) -> None:
    assert begun.error("pause", "--for", time_said)[:2] == (2, "usage")


def test_words_that_are_neither_invite_nor_title_say_so(ana: Any) -> None:
    letters = "P" + "A" * 120
    code, word, said = ana.error("join", letters)
    assert (code, word) == (2, "usage")
    assert "invite" in said
    code, word, said = ana.error("join", "Moon kitchen")
    assert (code, word) == (2, "usage")
    assert "node start" in said, "an offer is joined by its title, which needs a node"
    code, word, said = ana.error("join", "P" + "A" * 40)
    assert "incomplete" in said, "a part of an invite is no title"
    assert "empty" in ana.error("join", " ")[2]
    assert ana.error("nearby")[:2] == (5, "not-running")


def test_what_is_joined_already_is_not_said_to_be_offered_by_nobody(
    begun: Any, tmp_path: Path
) -> None:
    ana = begun.copy(tmp_path / "ana")
    assert ana.json("join", "Sun kitchen")["already"] is True


def test_who_is_near_is_called_as_elsewhere() -> None:
    peer_id = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    near = [NearPeer(peer_id, True, False, (), (Offer(bytes(32), "Readings"),))]
    (line,) = nearby_lines(near, {})
    assert f"Readings  {' '.join(key_words(peer_id)[:2])} …c6iDEp  on this network" in line
    assert "Rui …c6iDEp" in nearby_lines(near, {peer_id: "Rui"})[0]


def test_offering_is_a_choice_that_can_be_taken_back(begun: Any, tmp_path: Path) -> None:
    ana = begun.copy(tmp_path / "ana")
    assert ana.json("commons", "list")["items"][0]["offered"] is False
    assert ana.json("commons", "offer", "Sun kitchen")["offered"] is True
    assert ana.json("commons", "list")["items"][0]["offered"] is True
    assert ana.json("commons", "offer", "Sun kitchen", "--stop")["offered"] is False
    assert ana.json("commons", "list")["items"][0]["offered"] is False
