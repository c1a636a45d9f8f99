"""What an import writes: nothing twice, nothing lost, every link accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.interchange.plan import (
    ImportPlan,
    Standing,
    WriteEntry,
    WriteTags,
    plan_import,
    same_entry_key,
)
from p2pcommons.interchange.records import ImportedEntry, ImportFailure, ImportSkip, LinkRecord

NOW = 1_800_000_000


def link(url: str | None, title: str = "T", text: str = "", tags: str = "") -> ImportedEntry:
    return ImportedEntry(url, title, text, tuple(tags.split()), None, 1)


@dataclass
class Shelf:
    """A commons in memory, as far as an import looks at it: entries and this author's tags."""

    standing: dict[tuple[str, ...], Standing] = field(
        default_factory=dict[tuple[str, ...], Standing]
    )

    def find(self, entry: ImportedEntry) -> Standing | None:
        return self.standing.get(same_entry_key(entry))

    def plan(self, records: list[LinkRecord]) -> ImportPlan:
        return plan_import(records, self.find, NOW)

    def write(self, plan: ImportPlan, count: int | None = None) -> None:
        for write in plan.writes[:count]:
            if isinstance(write, WriteEntry):
                identifier = len(self.standing).to_bytes(32, "big")
                self.standing[same_entry_key(write.entry)] = Standing(identifier, write.entry.tags)
            else:
                (key,) = [k for k, value in self.standing.items() if value.id == write.id]
                self.standing[key] = Standing(write.id, write.tags)


def test_equal_addresses_fold_the_first_title_wins_and_all_tags_and_notes_stay() -> None:
    plan = Shelf().plan(
        [
            link("http://A.example", "First", "one", "a b"),
            link("http://b.example/", "Other"),
            link("http://a.example:80/", "Second", "two", "b c"),
            link("http://a.example/", "Third", "one", "a"),
        ]
    )
    assert (plan.links, plan.added, plan.merged, plan.skipped, plan.failed) == (4, 2, 1, 1, 0)
    first, other = plan.writes
    assert isinstance(first, WriteEntry)
    assert (first.entry.title, first.entry.text) == ("First", "one\n\ntwo")
    assert first.entry.tags == ("a", "b", "c")
    assert (first.claimed_at, other.claimed_at) == (NOW - 1, NOW)


def test_an_address_that_stands_gets_this_authors_tags_and_no_second_entry() -> None:
    shelf = Shelf({("url", "http://a.example/"): Standing(b"x" * 32, ("old",))})
    plan = shelf.plan([link("http://a.example", tags="new"), link("http://a.example/", tags="old")])
    assert plan.writes == (WriteTags(b"x" * 32, ("old", "new"), NOW),)
    assert (plan.added, plan.merged, plan.skipped) == (0, 1, 1)


def test_tags_that_would_be_too_many_fail_and_name_the_limit() -> None:
    many = " ".join(f"t{number}" for number in range(30))
    shelf = Shelf({("url", "http://a.example/"): Standing(b"x" * 32, ("a", "b", "c"))})
    plan = shelf.plan([link("http://a.example/", tags=many), link("http://b.example/", tags=many)])
    assert [failure.reason for failure in plan.failures] == [
        "with the tags that are there already it has 33; the limit is 32"
    ]
    assert plan.added == 1


def test_failures_and_private_links_are_counted_with_their_reasons() -> None:
    plan = Shelf().plan(
        [ImportFailure(3, "no"), ImportSkip(4, "private"), link("http://a.example/")]
    )
    assert (plan.links, plan.added, plan.skipped, plan.failed) == (3, 1, 1, 1)
    assert (plan.failures, plan.left_out) == (
        (ImportFailure(3, "no"),),
        (ImportSkip(4, "private"),),
    )


LINKS = st.builds(
    link,
    st.sampled_from([None, "http://a.example", "http://a.example:80/", "http://b.example/x"]),
    st.sampled_from(["T", "U"]),
    st.sampled_from(["", "one", "two"]),
    st.sampled_from(["", "a", "a b", "c"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINKS, max_size=12), st.integers(0, 12))
def test_an_import_killed_anywhere_ends_as_if_it_had_not_been(
    links: list[ImportedEntry], written: int
) -> None:
    records: list[LinkRecord] = list(links)
    whole, killed = Shelf(), Shelf()
    first = whole.plan(records)
    whole.write(first)
    assert first.links == first.added + first.merged + first.skipped + first.failed
    killed.write(killed.plan(records), written)
    again = killed.plan(records)
    killed.write(again)
    assert {k: set(v.own_tags) for k, v in killed.standing.items()} == {
        k: set(v.own_tags) for k, v in whole.standing.items()
    }
    third = killed.plan(records)
    assert third.writes == ()
    assert (third.added, third.merged, third.skipped) == (0, 0, len(records))
