"""What a person does to entries through the façade, and what others see of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.model.kinds import EntryBody
from p2pcommons.replica import Replica, open_replica


@pytest.fixture
def ana(tmp_path: Path):
    with open_replica(tmp_path / "ana") as replica:
        replica.create_identity("Ana")
        yield replica


@pytest.fixture
def ben(tmp_path: Path):
    with open_replica(tmp_path / "ben") as replica:
        replica.create_identity("Ben")
        yield replica


def carry(source: Replica, target: Replica, folder: Path) -> None:
    """A stick in the post is a network too."""
    stick = folder / "stick.jsonl"
    stick.write_bytes(b"".join(source.export("jsonl")))
    target.import_file(stick)


def test_export_into_an_empty_home_gives_the_same_ids(ana: Replica, ben: Replica, tmp_path: Path):
    garden = ana.create_commons("Garden").id
    for number in range(30):
        ana.add_entry(garden, title=f"Note {number}", url=f"http://example.org/{number}")
    carry(ana, ben, tmp_path)
    assert ben.digest(garden) == ana.digest(garden)
    assert ben.commons_row(garden).title == "Garden"
    assert ben.store.views_differences() == []


def test_offline_edits_of_two_people_stand_side_by_side_until_merged(
    ana: Replica, ben: Replica, tmp_path: Path
):
    garden = ana.create_commons("Garden").id
    entry = ana.add_entry(garden, title="Compost", text="Turn it.").id
    carry(ana, ben, tmp_path)
    ana.edit_entry(entry, commons=garden, text="Turn it weekly.")
    ben.edit_entry(entry, commons=garden, text="Never turn it.")
    carry(ana, ben, tmp_path)
    carry(ben, ana, tmp_path)
    for replica in (ana, ben):
        detail = replica.entry(garden, entry)
        texts = {row.id: row.text for row in detail.versions}
        assert {texts[head] for head in detail.heads} == {"Turn it weekly.", "Never turn it."}
        assert detail.text == "Turn it weekly."  # the first author's line stands first
    ana.edit_entry(entry, commons=garden, text="Turn it sometimes.", merge=True)
    carry(ana, ben, tmp_path)
    for replica in (ana, ben):
        detail = replica.entry(garden, entry)
        assert len(detail.heads) == 1
        assert detail.text == "Turn it sometimes."


def test_a_tag_of_another_is_theirs_to_take_back(ana: Replica, ben: Replica, tmp_path: Path):
    garden = ana.create_commons("Garden").id
    entry = ana.add_entry(garden, title="Compost", tags=["soil"]).id
    carry(ana, ben, tmp_path)
    ben.tag_entry(garden, entry, add=["Soil", "winter"])
    ben.tag_entry(garden, entry, remove=["soil"])
    carry(ben, ana, tmp_path)
    assert dict(ana.entry(garden, entry).taggers).keys() == {"soil", "winter"}
    ben.tag_entry(garden, entry, remove=["winter"])
    carry(ben, ana, tmp_path)
    assert dict(ana.entry(garden, entry).taggers).keys() == {"soil"}


def test_tagging_again_with_the_same_writes_nothing(ana: Replica):
    garden = ana.create_commons("Garden").id
    entry = ana.add_entry(garden, title="Compost", tags=["soil"]).id
    count = ana.digest(garden).count
    assert ana.tag_entry(garden, entry, add=["soil"]) == ("soil",)
    assert ana.digest(garden).count == count


def test_only_one_s_own_can_be_withdrawn(ana: Replica, ben: Replica, tmp_path: Path):
    garden = ana.create_commons("Garden").id
    entry = ana.add_entry(garden, title="Compost").id
    carry(ana, ben, tmp_path)
    found = ben.resolve_entry(entry.hex()[:8])
    with pytest.raises(UserError) as caught:
        ben.withdraw(found)
    assert caught.value.code is ErrorCode.REFUSED
    assert ana.withdraw(ana.resolve_entry(entry.hex())) == (entry,)
    assert ana.entries(commons=[garden]) == []
    assert ana.entry(garden, entry).row.withdrawn
    carry(ana, ben, tmp_path)
    assert ben.entry(garden, entry).text is None


def test_body_over_the_limit_is_refused_and_nothing_is_cut(ana: Replica):
    garden = ana.create_commons("Garden").id
    count = ana.digest(garden).count
    with pytest.raises(UserError, match="65,536"):
        ana.add_entry(garden, title="Long", text="x" * 70_000)
    with pytest.raises(UserError, match="300"):
        ana.add_entry(garden, title="x" * 301)
    with pytest.raises(UserError, match="title, an address or a text"):
        ana.add_entry(garden)
    assert ana.digest(garden).count == count


def test_histories_are_imported_with_keys_and_times_of_their_own(ana: Replica):
    from p2pcommons.model.keys import grant_device

    garden = ana.create_commons("Archive").id
    writer = grant_device(bytes([1]) * 32, bytes([2]) * 32)
    with ana.batch():
        for year in range(10):
            ana.contribute(
                EntryBody("note", f"Year {year}"),
                commons=garden,
                identity=writer,
                claimed_at=1_400_000_000 + year,
            )
    rows = ana.entries(commons=[garden])
    assert [row.title for row in rows] == [f"Year {year}" for year in reversed(range(10))]
    assert {row.author for row in rows} == {writer.author}
    assert ana.only_here() == 2


def test_the_same_address_is_said_and_published_all_the_same(ana: Replica):
    garden = ana.create_commons("Garden").id
    first = ana.add_entry(garden, url="http://Example.org").id
    second = ana.add_entry(garden, url="http://example.org:80/")
    assert second.same_url == (first,)
    assert second.title == "example.org:80"
    assert len(ana.entries(commons=[garden])) == 2


def test_import_twice_adds_nothing_and_joins_tags_to_what_stands(
    ana: Replica, ben: Replica, tmp_path: Path
):
    garden = ana.create_commons("Garden").id
    theirs = ana.add_entry(garden, url="http://a.example/", title="A", tags=["one"]).id
    carry(ana, ben, tmp_path)
    links = tmp_path / "links.jsonl"
    links.write_text(
        '{"title":"A again","url":"http://a.example","tags":["two"]}\n'
        '{"title":"B","url":"http://b.example/","tags":["one"],"dated":1000000000}\n'
        '{"title":"Bad","url":"javascript:alert(1)"}\n'
    )
    report = ben.import_file(links, commons=garden)
    assert (report.links, report.added, report.merged, report.failed) == (3, 1, 1, 1)
    assert dict(ben.entry(garden, theirs).taggers).keys() == {"one", "two"}
    again = ben.import_file(links, commons=garden)
    assert (again.added, again.merged, again.skipped, again.failed) == (0, 0, 2, 1)


def test_handbook_is_a_commons_to_tag_and_edit_and_is_copied_once(ana: Replica):
    handbook = ana.open_handbook()
    assert handbook.entries >= 20
    assert ana.open_handbook().id == handbook.id
    assert ana.only_here() == 0
    entry = ana.entries(commons=[handbook.id], limit=1)[0]
    assert ana.tag_entry(handbook.id, entry.id, add=["read"]) == ("read",)


def test_drafts_survive_and_broken_ones_are_left_alone(ana: Replica):
    from p2pcommons.replica import Draft

    saved = ana.save_draft(Draft("", title="Half", text="a \ud83d", tags=("x",)))
    (ana.paths.drafts_dir / "broken.json").write_text("{")
    assert [draft.name for draft in ana.drafts()] == [saved.name]
    assert ana.drafts()[0].text == "a \ud83d"
    ana.delete_draft(saved.name)
    ana.delete_draft(saved.name)
    assert ana.drafts() == []
    with pytest.raises(UserError):
        ana.delete_draft("../device")


def test_words_of_peers_are_clean_wherever_they_are_read(
    ana: Replica, ben: Replica, tmp_path: Path
):
    hostile = "[/red]\u202eevil\x9b31m"
    garden = ben.create_commons("Ga\u202erden").id
    ben.contribute(
        EntryBody(
            "no\u200bte", hostile.replace("\x9b", ""), "a\x1b[2Jb\x00", url="http://x/\u202e"
        ),
        commons=garden,
    )
    carry(ben, ana, tmp_path)
    row = ana.entries(commons=[garden])[0]
    detail = ana.entry(garden, row.id)
    shown = f"{row}{detail.text}{ana.commons()}"
    for character in ("\x1b", "\u202e", "\u200b", "\x00"):
        assert character not in shown
    assert ana.commons_row(garden).title == "Garden"


@pytest.mark.parametrize("clock", [0, -5, 2**32, 10**11])
def test_clock_that_is_quite_wrong_is_named_and_nothing_is_written(tmp_path: Path, clock: int):
    with open_replica(tmp_path / "eva", clock=lambda: float(clock)) as eva:
        eva.create_identity("Eva")
        with pytest.raises(UserError, match="clock"):
            eva.create_commons("Garden")
        assert not eva.commons()


def test_an_address_that_would_run_in_a_reader_s_browser_is_refused(ana: Replica):
    garden = ana.create_commons("Garden").id
    for url in ("javascript:alert(1)", " Data:text/html,x", "file:///etc/passwd"):
        with pytest.raises(UserError, match="means nothing to others"):
            ana.add_entry(garden, url=url)
    entry = ana.add_entry(garden, url="http://example.org").id
    with pytest.raises(UserError):
        ana.edit_entry(entry, commons=garden, url="javascript:alert(1)")
