"""Finding entries by words, tags and people, newest first, whatever is typed."""

from __future__ import annotations

import time

import pytest
from histories import ANA, BO, CY, GARDEN, NOW, Writer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p2pcommons.errors import ReadGivenUpError
from p2pcommons.model.ids import display_name, suffix, to_did
from p2pcommons.store import (
    Order,
    Phrase,
    Query,
    TagCount,
    beginnings,
    database,
    parse_query,
    search,
)

LATER = NOW + 1_000


@pytest.fixture
def garden(store):
    writer = Writer()
    entries = [
        writer.entry(ANA, "Hot compost", "soil", "heap", text="Turn the heap each week"),
        writer.entry(BO, "Cold frames", "glass", text="An old window makes a cold frame"),
        writer.entry(CY, "Été au jardin", "été", text="Arroser le soir", url="https://eau.example"),
    ]
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest(
        [GARDEN, *entries, writer.profile(ANA, "Ana"), writer.profile(BO, "Bo")], received_at=LATER
    )
    store.ingest([writer.tag(BO, entries[0], "soil", "work")], received_at=LATER)
    return store


def found(store, text, **more):
    rowids = store.entry_ids(parse_query(text, **more), now=LATER)
    return [(row.title or "").split()[0] for row in store.entry_rows(rowids)]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("", ["Été", "Cold", "Hot"]),
        ("compost", ["Hot"]),
        ("COMPOST", ["Hot"]),
        ("ete", ["Été"]),
        ("arroser jardin", ["Été"]),
        ("eau", ["Été"]),
        ("work", ["Hot"]),
        ('"cold frame"', ["Cold"]),
        ('"frame cold"', []),
        ("cold -window", []),
        ("-cold", ["Été", "Hot"]),
        ("-heap -cold", ["Été"]),
        ("#soil", ["Hot"]),
        ("tag:soil", ["Hot"]),
        ("#Soil #WORK", ["Hot"]),
        ("#soil #glass", []),
        ("-#soil", ["Été", "Cold"]),
        ("-tag:glass -#soil", ["Été"]),
        ("#été", ["Été"]),
        ("#nobody-said-this", []),
        ("heap #work -glass", ["Hot"]),
        ("by:Ana", ["Hot"]),
        ("by:ana", ["Hot"]),
        ("by:Ana by:Bo", ["Cold", "Hot"]),
        ("-by:Ana", ["Été", "Cold"]),
        ("by:nobody", []),
        ("comp", []),
        ("!!!", []),
        ("!!! compost", ["Hot"]),
        ("#", []),
    ],
)
def test_queries_find_what_they_say(garden, text, titles):
    assert found(garden, text) == titles


def test_while_typing_the_last_word_may_go_on(garden):
    assert found(garden, "hot comp", typing=True) == ["Hot"]
    assert found(garden, "comp hot", typing=True) == []
    assert found(garden, "comp ", typing=True) == []


def test_people_are_meant_by_name_suffix_did_and_the_beginning_of_their_key(garden):
    did = to_did(ANA.author)
    for text in ("Ana", display_name("Ana", ANA.author), did, did[: len("did:key:z6Mk") + 6]):
        assert [person.author for person in garden.find_authors(text)] == [ANA.author]
    assert [p.author for p in garden.find_authors(did.removeprefix("did:key:z6Mk")[:6])] == [
        ANA.author
    ]
    assert [p.author for p in garden.find_authors("~" + suffix(CY.author))] == [CY.author]
    for text in ("", "~", "Ana~xxxxxx", "did:key:z6Mk", "0OIl00", "z" * 60, "111111", "zzzzzz"):
        assert garden.find_authors(text) == []


def test_a_name_two_people_use_is_ambiguous_until_its_suffix_is_given(garden):
    garden.ingest([Writer().profile(CY, "ana")], received_at=LATER)
    assert [person.author for person in garden.find_authors("Ana")] == [ANA.author]
    assert {person.author for person in garden.find_authors("ANA")} == {ANA.author, CY.author}
    assert len(garden.find_authors(f"ana~{suffix(CY.author)}")) == 1


def test_newest_first_by_the_earlier_of_claimed_and_received(store):
    writer = Writer()
    old = writer.write(ANA, _note("old"), at=NOW - 5_000)
    ahead = writer.write(ANA, _note("ahead"), at=LATER + 500)
    plain = writer.write(ANA, _note("plain"), at=LATER - 50)
    late = writer.write(ANA, _note("late"), at=LATER - 10)
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([old, ahead, plain], received_at=LATER - 30)
    store.ingest([late], received_at=LATER)
    assert found(store, "") == ["late", "ahead", "plain", "old"]


def test_what_claims_more_than_ten_minutes_ahead_waits_until_it_is_due(store):
    writer = Writer()
    future = writer.write(ANA, _note("future", "x"), at=LATER + 5_000)
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([future, writer.entry(ANA, "now", "x")], received_at=LATER)
    assert found(store, "") == found(store, "#x") == ["now"]
    assert store.entry_count(Query(), now=LATER) == 1
    assert len(store.entry_ids(Query(), now=LATER, limit=1)) == 1
    assert store.entry_count(parse_query("future"), now=LATER + 4_400) == 1


def test_a_flood_with_one_claimed_time_is_listed_whole(store):
    writer = Writer()
    flood = [writer.write(ANA, _note(f"n{number}"), at=NOW) for number in range(700)]
    store.join_commons(GARDEN.id, now=NOW)
    for start in range(0, 700, 100):
        store.ingest(flood[start : start + 100], received_at=LATER)
    assert store.entry_count(Query(), now=LATER) == 700
    assert store.views_differences() == []


def test_a_page_keeps_its_order_and_leaves_out_what_went(garden):
    rowids = garden.entry_ids(Query(), now=LATER).tolist()
    asked = [rowids[2], 7, rowids[0]]
    assert [row.rowid for row in garden.entry_rows(asked)] == [rowids[2], rowids[0]]
    assert garden.entry_rows([]) == []


def test_a_limit_gives_the_newest(garden):
    rowids = garden.entry_ids(Query(), now=LATER).tolist()
    assert garden.entry_ids(Query(), now=LATER, limit=2).tolist() == rowids[:2]


def test_tags_are_listed_most_used_first(garden):
    rowid = garden.entry_ids(parse_query("compost"), now=LATER)[0]
    assert garden.entry_rows([rowid])[0].tags == ("soil", "heap", "work")
    assert garden.tag_counts()[0].count == 1
    assert garden.tag_counts(prefix="so") == [TagCount("soil", 1)]
    assert [item.tag for item in garden.tag_counts(limit=2)] == ["glass", "heap"]
    assert garden.tag_counts([bytes(32)]) == []


def test_facets_count_the_selection(garden):
    facets = garden.facets(parse_query("-glass"), now=LATER)
    assert facets.counted == 2
    assert not facets.more
    assert {item.tag for item in facets.tags} == {"soil", "heap", "work", "été"}
    assert {item.author for item in facets.authors} == {ANA.author, CY.author}


def test_entries_with_the_same_address_are_found(garden):
    entry = Writer(clock=NOW + 500).entry(ANA, "Again", url="HTTPS://EAU.example:443/")
    garden.ingest([entry], received_at=LATER)
    same = garden.same_url(GARDEN.id, "https://eau.example")
    assert len(same) == 2
    assert garden.urls(GARDEN.id) == {"https://eau.example/": same[0]}
    assert garden.same_url(GARDEN.id, "https://eau.example/other") == []


def test_any_version_leads_to_its_entry(garden):
    writer = Writer(clock=NOW + 500)
    first = writer.entry(ANA, "First")
    later = writer.edit(ANA, first, "Second", [first])
    tag = writer.tag(BO, first, "x")
    garden.ingest([first, later, tag], received_at=LATER)
    for item in (first, later, tag):
        hits = garden.find_ids(item.id.hex()[:9])
        assert [(hit.id, hit.entry) for hit in hits] == [(item.id, first.id)]
    assert garden.find_ids("f" * 64) == []
    assert [hit.entry for hit in garden.find_ids(GARDEN.id.hex())] == [None]


HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from("\"'#-*:()^{}+~\\\x00 \t\nANDORNOT tag:by:NEAR(,é漢字🌱\u202e\u200b"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(HOSTILE, st.booleans())
@example('"', True)
@example('-"', False)
@example("#" * 40, True)
@example("a " * 400, True)
@example("x" * 100_000, True)
@example('-" OR NEAR(a b)', False)
@example("after:" + "9" * 300 + " on:.. -on:-1..99999", False)
@example("on:2024..2020 \u202eby:\u202e", True)
@example("NEAR(oven line, 2) AND title : x ^y {a b}: c + d*", True)
def test_whatever_is_typed_is_a_query(garden, text, typing):
    query = parse_query(text, typing=typing)
    garden.entry_ids(query, now=LATER)
    garden.entry_ids(query, now=LATER, order=Order.RELEVANCE)
    garden.facets(query, now=LATER)
    garden.query_problems(query)
    garden.find_authors(text)
    garden.tag_counts(prefix=text)
    garden.same_url(GARDEN.id, text)


def test_the_parser_says_what_it_understood():
    query = parse_query('hot "turn the heap" #soil -cold -#glass by:"Ana S." com', typing=True)
    assert query.phrases == (Phrase("hot"), Phrase("turn the heap"), Phrase("com", prefix=True))
    assert query.tags == ("soil",)
    assert query.without_tags == ("glass",)
    assert query.without_phrases == (Phrase("cold"),)
    assert query.by == ("Ana S.",)


def test_dates_mean_the_time_by_which_lists_are_ordered(store):
    writer = Writer()
    march = writer.write(ANA, _note("march"), at=1_709_251_200)  # 2024-03-01, its first second
    before = writer.write(ANA, _note("before"), at=1_709_251_199)
    hasty = writer.write(ANA, _note("hasty"), at=LATER + 500)  # claims more than it can know
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([march, before, hasty], received_at=LATER)
    assert found(store, "after:2024-03") == ["hasty", "march"]
    assert found(store, "before:2024-03-01") == found(store, "on:2024-02-29") == ["before"]
    assert found(store, "on:2024") == ["march", "before"]
    assert found(store, "-on:2024-03 -after:2025") == ["before"]
    assert found(store, "on:2024-02..2024-03 -before:2024-03") == ["march"]
    assert found(store, "on:..2024-02") == ["before"]
    assert found(store, "after:2024-04 before:2024-03") == []
    received = time.strftime("%Y-%m-%d", time.gmtime(LATER))
    assert found(store, f"on:{received}") == ["hasty"]


@pytest.mark.parametrize(
    "text",
    [
        "after:yesterday",
        "before:2024-13",
        "on:2024-02-30",
        "on:..",
        "after:0000",
        "after:2024-1-1x",
        "before:9999",
        "after:2024..2025",
        "-on:x",
    ],
)
def test_what_is_no_date_is_named_and_left_out(garden, text):
    query = parse_query(f"compost {text}")
    (problem,) = query.problems
    assert str(problem) == f"{text} is no date: write 2024, 2024-03 or 2024-03-05"
    assert found(garden, f"compost {text}") == ["Hot"]


def test_a_query_of_too_many_parts_says_where_it_was_cut(garden):
    text = " ".join(f"w{number}" for number in range(40))
    (problem,) = parse_query(text).problems
    assert problem.part == "w32"
    assert len(parse_query(text).phrases) == 32


def test_somebody_unknown_in_a_query_is_named(garden):
    problems = garden.query_problems(parse_query("by:Ana by:Zed -by:Nobody after:x"))
    assert [problem.part for problem in problems] == ["after:x", "by:Zed", "-by:Nobody"]


def test_beginnings_find_all_words_they_begin_however_many_there_are(store, monkeypatch):
    writer = Writer()
    titles = ["sola", "solar", "solarium", "solars", "SOLARE", "sol", "Sólar", "soler", "isolar"]
    store.join_commons(GARDEN.id, now=NOW)
    store.ingest([writer.entry(ANA, title) for title in titles], received_at=LATER)
    expected = ["Sólar", "SOLARE", "solars", "solarium", "solar", "sola"]
    for most in (300, 2, 0):
        monkeypatch.setattr(beginnings, "WORDS_MAX", most)
        assert found(store, "sola", typing=True) == expected
        assert found(store, "SOLA", typing=True) == expected
        assert found(store, "sóla", typing=True) == expected
    assert found(store, "so", typing=True) == [], "two letters are a whole word"
    assert found(store, '"sola', typing=True) == ["sola"], "a phrase is not unfinished"
    assert found(store, "-sola", typing=True)[-1] == "solar"


def test_a_tag_one_still_types_finds_those_it_begins(garden):
    assert found(garden, "#so", typing=True) == ["Hot"]
    assert found(garden, "heap tag:wo", typing=True) == ["Hot"]
    assert found(garden, "#é", typing=True) == ["Été"]
    assert found(garden, "#so", typing=False) == found(garden, "#so ", typing=True) == []
    assert found(garden, "#so #gl", typing=True) == []
    assert found(garden, "-#so", typing=True) == ["Été", "Cold", "Hot"], "only whole ones leave out"
    assert found(garden, "by:Ana #zz", typing=True) == []


def test_the_best_come_first_and_what_is_older_follows_newest_first(store, monkeypatch):
    writer = Writer()
    store.join_commons(GARDEN.id, now=NOW)
    rest = "among other words of the same text"
    made = [
        writer.entry(ANA, "old", text=f"oven {rest}"),
        writer.entry(ANA, "Oven", text=rest),
        writer.entry(ANA, "tagged", "oven", text=rest),
        writer.entry(ANA, "text", text=f"an oven {rest}"),
        writer.entry(ANA, "nothing", text=rest),
    ]
    store.ingest(made, received_at=LATER)

    def best(text, **more):
        rowids = store.entry_ids(parse_query(text), now=LATER, order=Order.RELEVANCE, **more)
        return [row.title for row in store.entry_rows(rowids)]

    assert best("oven") == ["Oven", "tagged", "text", "old"]
    assert best("oven", limit=2) == ["Oven", "tagged"]
    assert best("oven -tagged by:nobody") == []
    assert best("#oven") == ["tagged"]
    monkeypatch.setattr(search, "RANKED_ROWS_MAX", 2)
    assert best("oven") == ["tagged", "text", "Oven", "old"], "older ones are not ranked"
    assert best("oven", limit=3) == ["tagged", "text", "Oven"]


def test_facets_say_when_they_count_the_newest_only(garden, monkeypatch):
    monkeypatch.setattr(search, "FACETS_ROWS_MAX", 2)
    facets = garden.facets(parse_query("after:2024"), now=LATER)
    assert facets.counted == 2
    assert facets.more
    assert not facets.tags_whole
    assert {item.tag for item in facets.tags} == {"été", "glass"}
    everything = garden.facets(Query(), now=LATER)
    assert everything.more
    assert everything.tags_whole, "the tags of everything are kept counted"
    assert {item.tag for item in everything.tags} == {"été", "glass", "soil", "heap", "work"}


def test_a_search_nobody_waits_for_ends_in_the_middle(garden, monkeypatch):
    monkeypatch.setattr(database, "GIVE_UP_STEPS", 1)
    asked = iter([False, False, True])
    with pytest.raises(ReadGivenUpError), garden.giving_up_when(lambda: next(asked, True)):
        garden.entry_ids(Query(), now=LATER)
    with pytest.raises(ReadGivenUpError), garden.giving_up_when(lambda: True):
        pass
    assert garden.entry_count(Query(), now=LATER) == 3, "and the next one is answered"


def test_no_search_sorts_all_that_it_finds(garden, monkeypatch):
    monkeypatch.setattr(search, "FEW_ENTRIES", 0)
    for text in (
        "", "heap", "heap week", '"the heap" -cold', "#soil", "#soil #work", "#soil heap -#glass",
        "-heap", "-#soil", "by:Ana", "by:Ana heap", "by:Ana -heap #soil", "-by:Ana heap",
        "by:Ana by:Bo heap", "heap after:2024 -on:2025",
    ):  # fmt: skip
        steps = garden.search_steps(parse_query(text))
        assert steps, text
        assert not [step for step in steps if "TEMP B-TREE" in step], text


def _note(title, *tags):
    from p2pcommons.model.kinds import EntryBody

    return EntryBody("note", title, tags=tags)
