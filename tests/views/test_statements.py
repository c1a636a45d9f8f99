"""Tags and names: one person's current word."""

from __future__ import annotations

from p2pcommons.model import codec
from p2pcommons.views import fold

from .histories import ANA, ANAS_LAPTOP, BO, GARDEN, SALT, Writer, raw, without_body


def tags(view, target):
    return {author: set(words) for author, words in view.tags.get(target, {}).items()}


def test_everybody_tags_everybodys_entries():
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    view = fold([GARDEN, entry, writer.tag(BO, entry, "worms", "soil")])
    assert tags(view, entry.id) == {ANA.author: {"soil"}, BO.author: {"worms", "soil"}}


def test_taking_back_ones_tags_leaves_those_of_others():
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    said = writer.tag(BO, entry, "worms")
    taken_back = writer.tag(BO, entry, after=[said])
    assert tags(fold([GARDEN, entry, said, taken_back]), entry.id) == {ANA.author: {"soil"}}


def test_a_statement_stands_in_place_of_the_tags_in_ones_own_versions():
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    view = fold([GARDEN, entry, writer.tag(ANA, entry, "heap")])
    assert tags(view, entry.id) == {ANA.author: {"heap"}}


def test_statements_of_two_devices_that_did_not_meet_add_up():
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    here = writer.tag(ANA, entry, "heap")
    there = writer.tag(ANAS_LAPTOP, entry, "worms")
    assert tags(fold([GARDEN, entry, here, there]), entry.id) == {ANA.author: {"heap", "worms"}}
    both = writer.tag(ANA, entry, "soil", after=[here, there])
    assert tags(fold([GARDEN, entry, here, there, both]), entry.id) == {ANA.author: {"soil"}}


def test_nobody_replaces_the_tags_of_somebody_else():
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    said = writer.tag(BO, entry, "worms")
    hostile = writer.tag(ANA, entry, after=[said])
    assert tags(fold([GARDEN, entry, said, hostile]), entry.id) == {BO.author: {"worms"}}


def test_only_tags_of_current_versions_count():
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "old")
    later = writer.edit(ANA, entry, "Compost", [entry], "new")
    assert tags(fold([GARDEN, entry, later]), entry.id) == {ANA.author: {"new"}}


def test_unreadable_tags_are_skipped_and_the_rest_counts():
    words = ["fine", "two words", "", "x" * 65, "line\nbreak", "bell\x07"]
    body = codec.encode({"salt": SALT, "tags": words})
    entry = Writer().entry(ANA, "Compost")
    view = fold([GARDEN, entry, raw(BO, "tag", body, target=entry.id)])
    assert tags(view, entry.id) == {BO.author: {"fine"}}


def test_a_statement_without_its_body_says_nothing_and_nothing_older_stands_in():
    writer = Writer()
    entry = writer.entry(ANA, "Compost", "soil")
    said = writer.tag(ANA, entry, "heap")
    newer = without_body(writer.tag(ANA, entry, "worms", after=[said]))
    assert tags(fold([GARDEN, entry, said, newer]), entry.id) == {}


def test_a_withdrawn_statement_says_nothing():
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    said = writer.tag(BO, entry, "worms")
    assert tags(fold([GARDEN, entry, said, writer.withdraw(BO, said)]), entry.id) == {}


def test_people_and_unknown_things_can_be_tagged():
    writer = Writer()
    view = fold([GARDEN, writer.tag(BO, ANA.author, "gardener"), writer.tag(BO, bytes(32), "x")])
    assert tags(view, ANA.author) == {BO.author: {"gardener"}}


def test_the_newest_profile_gives_the_name():
    writer = Writer()
    old = writer.profile(ANA, "Ana")
    new = writer.profile(ANA, "Ana S.", old)
    profile = fold([GARDEN, new, old]).profiles[ANA.author]
    assert profile.body is not None
    assert profile.body.name == "Ana S."


def test_a_missing_profile_is_not_covered_by_an_older_one():
    writer = Writer()
    old = writer.profile(ANA, "Ana")
    new = without_body(writer.profile(ANA, "Ana S.", old))
    assert fold([GARDEN, old, new]).profiles[ANA.author].body is None


def test_a_withdrawn_profile_leaves_the_person_without_a_name():
    writer = Writer()
    profile = writer.profile(ANA, "Ana")
    assert not fold([GARDEN, profile, writer.withdraw(ANA, profile)]).profiles


def pledged(view):
    return {author: pledge.body.text for author, pledge in view.pledges.items() if pledge.body}


def test_the_newest_pledge_of_an_author_counts():
    writer = Writer()
    first = writer.pledge(ANA, "I weed")
    later = writer.pledge(ANA, "I water", first)
    of_bo = writer.pledge(BO, "I answer")
    view = fold([GARDEN, later, of_bo, first])
    assert pledged(view) == {ANA.author: "I water", BO.author: "I answer"}
    assert view.pledges[ANA.author].claimed_at == later.header.claimed_at


def test_pledges_of_two_devices_that_did_not_meet_do_not_add_up():
    writer = Writer()
    here = writer.pledge(ANA, "I weed")
    there = writer.pledge(ANAS_LAPTOP, "I water")
    assert pledged(fold([GARDEN, here, there])) == {ANA.author: "I water"}


def test_a_pledge_that_was_taken_back_or_withdrawn_is_none():
    writer = Writer()
    first = writer.pledge(ANA, "I weed", keep=True)
    back = writer.pledge(ANA, "", first)
    of_bo = writer.pledge(BO, "I answer")
    gone = writer.withdraw(BO, of_bo)
    assert fold([GARDEN, first, back, of_bo, gone]).pledges == {}


def test_nobody_replaces_the_pledge_of_somebody_else():
    writer = Writer()
    said = writer.pledge(ANA, "I weed")
    hostile = writer.pledge(BO, "", said)
    assert pledged(fold([GARDEN, said, hostile])) == {ANA.author: "I weed"}


def test_a_pledge_about_something_else_than_the_commons_is_none():
    writer = Writer()
    entry = writer.entry(ANA, "Compost")
    assert fold([GARDEN, entry, writer.pledge(ANA, "I weed", target=entry.id)]).pledges == {}


def test_an_older_pledge_never_stands_in_for_one_whose_words_are_missing():
    writer = Writer()
    first = writer.pledge(ANA, "I weed")
    back = writer.pledge(ANA, "", first)
    assert pledged(fold([GARDEN, first, without_body(back)])) == {}


def test_a_pledge_that_says_nothing_leaves_the_one_before():
    writer = Writer()
    said = writer.pledge(ANA, "I weed")
    odd = codec.encode({"text": "I water", "keep": 1, "salt": SALT})
    assert pledged(fold([GARDEN, said, raw(ANA, "pledge", odd, target=GARDEN.id)])) == {
        ANA.author: "I weed"
    }
