"""The same set gives the same views, whatever the order, the batches and the repeats."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.model.contribution import sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CommonsBody, EntryBody, encode_body
from p2pcommons.views import fold

from .histories import ANA, GARDEN, NOW, SALT, Writer, histories, without_body


@settings(max_examples=150, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repeats_give_equal_views(history, random, data):
    again = data.draw(st.lists(st.sampled_from(history), max_size=5))
    shuffled = history + again
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(history)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_headers_that_came_before_their_bodies_leave_no_trace(history):
    assert fold([without_body(item) for item in history] + history) == fold(history)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_every_listed_entry_has_a_head_that_nothing_of_its_authors_replaces(history):
    view = fold(history)
    held = {item.id: item for item in history}
    for entry in view.entries.values():
        for head in entry.heads:
            assert head.id not in view.withdrawn
            assert head.id not in view.disowned
            later = [
                item
                for item in history
                if head.id in item.header.parents
                and item.header.kind == "entry"
                and entry.id in (item.id, item.header.target)
                and item.id not in view.disowned
            ]
            assert all(
                item.header.author not in (held[head.id].header.author, entry.author)
                for item in later
            )


def test_unknown_kinds_pass_through():
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    comment = sign(ANA, "comment", commons=GARDEN.id, body=b"x", claimed_at=NOW, target=entry.id)
    assert fold([GARDEN, entry, comment]) == fold([GARDEN, entry])


def test_a_private_circle_is_not_folded_and_says_why():
    body = CommonsBody("Us", visibility="circle", why_private="we are few")
    circle = sign(ANA, "commons", commons=ZERO_ID, body=encode_body(body, SALT), claimed_at=NOW)
    entry = Writer(commons=circle.id).entry(ANA, "Secret")
    view = fold([circle, entry])
    assert view.unsupported is not None
    assert "circle" in view.unsupported
    assert not view.entries


def test_needs_that_a_node_lacks_are_named():
    body = encode_body(CommonsBody("Later", needs=("votes",)), SALT)
    later = sign(ANA, "commons", commons=ZERO_ID, body=body, claimed_at=NOW)
    assert "votes" in (fold([later]).unsupported or "")


def test_a_founding_contribution_without_body_asks_for_nothing():
    entry = Writer().entry(ANA, "Compost")
    assert fold([without_body(GARDEN), entry]).entries.keys() == {entry.id}


def test_references_are_looked_up_inside_the_commons_only():
    elsewhere = replace(GARDEN, id=bytes(32))
    writer = Writer()
    version = writer.write(ANA, EntryBody("note", "Waits"), bytes([7]) * 32)
    view = fold([elsewhere, version])
    assert view.waiting == {bytes([7]) * 32: frozenset({version.id})}
