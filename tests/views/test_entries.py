"""What becomes of an entry as people edit, withdraw and disagree."""

from __future__ import annotations

from p2pcommons.model.kinds import EntryBody
from p2pcommons.views import fold, shown_to

from .histories import ANA, ANAS_LAPTOP, BO, CY, GARDEN, Writer, raw, without_body


def heads(view, entry):
    return [head.id for head in view.entries[entry.id].heads]


def test_a_later_version_of_the_author_replaces_the_first():
    writer = Writer()
    first = writer.entry(ANA, "Compost")
    second = writer.edit(ANA, first, "Hot compost", [first])
    view = fold([GARDEN, first, second])
    assert heads(view, first) == [second.id]
    assert view.entries[first.id].versions == 2


def test_a_stranger_who_names_every_head_stands_beside_never_above():
    writer = Writer()
    first = writer.entry(ANA, "Compost")
    second = writer.edit(ANA, first, "Hot compost", [first])
    stranger = writer.edit(BO, first, "Buy my compost", [first, second])
    assert heads(fold([GARDEN, first, second, stranger]), first) == [second.id, stranger.id]


def test_the_first_author_may_take_in_the_version_of_a_stranger():
    writer = Writer()
    first = writer.entry(ANA, "Compost")
    stranger = writer.edit(BO, first, "Compost, with worms", [first])
    merged = writer.edit(ANA, first, "Compost and worms", [first, stranger])
    assert heads(fold([GARDEN, first, stranger, merged]), first) == [merged.id]


def test_strangers_replace_their_own_versions_only():
    writer = Writer()
    first = writer.entry(ANA, "Compost")
    by_bo = writer.edit(BO, first, "Bo's", [first])
    by_cy = writer.edit(CY, first, "Cy's", [by_bo])
    again = writer.edit(BO, first, "Bo's, better", [by_bo, by_cy])
    view = fold([GARDEN, first, by_bo, by_cy, again])
    assert heads(view, first) == [first.id, again.id, by_cy.id]


def test_two_offline_edits_are_two_heads_and_a_merge_names_both():
    writer = Writer()
    first = writer.entry(ANA, "Compost")
    here = writer.edit(ANA, first, "On the desk", [first])
    there = writer.edit(ANAS_LAPTOP, first, "On the train", [first])
    assert heads(fold([GARDEN, first, here, there]), first) == [there.id, here.id]
    merged = writer.edit(ANA, first, "Both", [here, there])
    assert heads(fold([GARDEN, first, here, there, merged]), first) == [merged.id]


def test_only_direct_parents_are_replaced():
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    third = writer.edit(ANA, first, "Three", [second])
    assert heads(fold([GARDEN, first, third]), first) == [third.id, first.id]
    assert heads(fold([GARDEN, first, second, third]), first) == [third.id]


def test_versions_wait_while_the_first_is_unknown():
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    view = fold([GARDEN, second])
    assert not view.entries
    assert view.waiting == {first.id: frozenset({second.id})}


def test_versions_of_what_is_no_first_version_count_nowhere():
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    stray = writer.edit(ANA, second, "Stray", [second])
    view = fold([GARDEN, first, second, stray])
    assert heads(view, first) == [second.id]
    assert view.waiting == {}


def test_withdrawing_every_version_takes_the_entry_out_of_lists():
    writer = Writer()
    first = writer.entry(ANA, "One")
    withdrawal = writer.withdraw(ANA, first)
    view = fold([GARDEN, withdrawal, first])
    assert heads(view, first) == []
    assert view.entries[first.id].withdrawn


def test_nobody_withdraws_for_somebody_else():
    writer = Writer()
    first = writer.entry(ANA, "One")
    assert heads(fold([GARDEN, first, writer.withdraw(BO, first)]), first) == [first.id]


def test_a_withdrawn_version_still_replaces_its_parents():
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = writer.edit(ANA, first, "Two", [first])
    view = fold([GARDEN, first, second, writer.withdraw(ANA, second)])
    assert heads(view, first) == []


def test_a_withdrawal_cannot_be_withdrawn():
    writer = Writer()
    first = writer.entry(ANA, "One")
    withdrawal = writer.withdraw(ANA, first)
    view = fold([GARDEN, first, withdrawal, writer.withdraw(ANA, withdrawal)])
    assert view.entries[first.id].withdrawn


def test_others_stay_when_one_withdraws():
    writer = Writer()
    first = writer.entry(ANA, "One")
    by_bo = writer.edit(BO, first, "Bo's", [first])
    view = fold([GARDEN, first, by_bo, writer.withdraw(ANA, first)])
    assert heads(view, first) == [by_bo.id]
    assert not view.entries[first.id].withdrawn


def test_a_head_without_body_shows_as_missing_and_nothing_older_stands_in():
    writer = Writer()
    first = writer.entry(ANA, "One")
    second = without_body(writer.edit(ANA, first, "Two", [first]))
    shown = fold([GARDEN, first, second]).entries[first.id].shown
    assert shown is not None
    assert shown.id == second.id
    assert shown.body is None


def test_a_version_that_says_nothing_is_not_shown_and_replaces_all_the_same():
    writer = Writer()
    first = writer.entry(ANA, "One")
    silent = raw(ANA, "entry", b"\xc1", target=first.id, parents=[first.id])
    view = fold([GARDEN, first, silent])
    assert heads(view, first) == []
    assert not view.entries[first.id].withdrawn


def test_an_edit_replaces_ones_own_head_else_the_newest():
    writer = Writer()
    first = writer.entry(ANA, "One")
    by_bo = writer.edit(BO, first, "Bo's", [first])
    entry = fold([GARDEN, first, by_bo]).entries[first.id]
    assert getattr(shown_to(entry.heads, ANA.author), "id", None) == first.id
    assert getattr(shown_to(entry.heads, CY.author), "id", None) == by_bo.id
    assert shown_to([], ANA.author) is None


def test_what_a_revoked_device_signed_counts_nowhere_except_what_is_kept():
    writer = Writer()
    kept = writer.entry(ANAS_LAPTOP, "Mine")
    stolen = writer.entry(ANAS_LAPTOP, "Not mine")
    mine = writer.entry(ANA, "Also mine")
    forged = writer.withdraw(ANAS_LAPTOP, mine)
    revocation = writer.revoke(ANA, ANAS_LAPTOP.device, kept)
    view = fold([revocation, GARDEN, kept, stolen, mine, forged])
    assert view.entries.keys() == {kept.id, mine.id}
    assert heads(view, mine) == [mine.id]
    assert view.disowned == {stolen.id, forged.id}


def test_only_the_root_key_revokes_and_only_devices_of_its_own():
    writer = Writer()
    entry = writer.entry(ANA, "Mine")
    by_device = writer.revoke(ANAS_LAPTOP, ANA.device)
    by_other = writer.revoke(BO, ANA.device)
    assert not fold([GARDEN, entry, by_device, by_other]).disowned


def test_several_revocations_add_up_and_a_missing_body_keeps_nothing():
    writer = Writer()
    one, two, three = (writer.entry(ANAS_LAPTOP, title) for title in ("1", "2", "3"))
    revocations = [
        writer.revoke(ANA, ANAS_LAPTOP.device, one),
        writer.revoke(ANA, ANAS_LAPTOP.device, two),
        without_body(writer.revoke(ANA, ANAS_LAPTOP.device, three)),
    ]
    view = fold([GARDEN, one, two, three, *revocations])
    assert view.disowned == {three.id}


def test_the_founding_contribution_is_never_disowned():
    revocation = Writer().revoke(ANA, ANA.device)
    view = fold([GARDEN, revocation])
    assert view.charter is not None
    assert GARDEN.id not in view.disowned


def test_later_versions_wait_when_the_first_is_disowned():
    writer = Writer()
    stolen = writer.entry(ANAS_LAPTOP, "Not mine")
    by_bo = writer.write(BO, EntryBody("note", "Bo's"), stolen, [stolen])
    view = fold([GARDEN, stolen, by_bo, writer.revoke(ANA, ANAS_LAPTOP.device)])
    assert not view.entries
    assert view.waiting == {stolen.id: frozenset({by_bo.id})}
