"""A search finds what a look at every entry finds, whatever is in the store and in the query."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from histories import ANA, BO, CY, GARDEN, SALT, Writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pcommons.model.contribution import sign
from p2pcommons.model.ids import ZERO_ID
from p2pcommons.model.kinds import CommonsBody, EntryBody, encode_body
from p2pcommons.model.limits import AHEAD_SECONDS_MAX
from p2pcommons.store import Order, Store, beginnings, parse_query, search

FIRST_DAY = datetime(2024, 1, 30, tzinfo=UTC)
DAYS = 6
RECEIVED_AT = int((FIRST_DAY + timedelta(days=3, hours=5)).timestamp())
NOW = int((FIRST_DAY + timedelta(days=4)).timestamp())
WORDS = ("oven", "ovens", "Ove", "o", "focal", "line", "été", "x1", "漢字", "foil", "solar")
TAGS = ("solar", "sun-oven", "été", "oven", "🌱")
PEOPLE = {"Ana": ANA, "Bo": BO, "Cy": CY}
YARD = sign(
    BO,
    "commons",
    commons=ZERO_ID,
    body=encode_body(CommonsBody("Yard"), SALT),
    claimed_at=RECEIVED_AT - 10**7,
)
COMMONS = (GARDEN, YARD)


@dataclass(frozen=True)
class Fact:
    """One entry, as the model knows it."""

    id: bytes
    commons: bytes
    name: str
    claimed_at: int
    columns: tuple[tuple[str, ...], ...]
    tags: frozenset[str]
    withdrawn: bool

    @property
    def at(self) -> int:
        """By which it is ordered and found by date."""
        return min(self.claimed_at, RECEIVED_AT)

    def has(self, words: list[str], *, begun: bool = False) -> bool:
        """Tell whether these words stand side by side in one column."""
        last = words[-1]
        return any(
            list(column[at : at + len(words) - 1]) == words[:-1]
            and (column[at + len(words) - 1].startswith(last) if begun else True)
            and (column[at + len(words) - 1] == last or begun)
            for column in self.columns
            for at in range(len(column) - len(words) + 1)
        )


def tokens(text: str) -> tuple[str, ...]:
    """The words of a text as the index has them: without capitals and accents."""
    plain = unicodedata.normalize("NFD", text.lower())
    return tuple(re.findall(r"[^\W_]+", re.sub(r"[\u0300-\u036f]", "", plain)))


texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
labels = st.lists(st.sampled_from(TAGS), max_size=3, unique=True)


@st.composite
def entries(draw):
    """What one entry is made of."""
    seconds = draw(st.integers(0, DAYS * 86_400))
    body = EntryBody(
        "note",
        draw(st.sampled_from(WORDS)) + " " + draw(texts),
        draw(texts),
        url=draw(st.sampled_from([None, "https://oven.example/focal"])),
        excerpt=draw(st.sampled_from([None, "solar line"])),
        tags=tuple(draw(labels)),
    )
    return (
        draw(st.sampled_from(tuple(PEOPLE))),
        draw(st.sampled_from(COMMONS)),
        int(FIRST_DAY.timestamp()) + seconds,
        body,
        draw(labels) if draw(st.booleans()) else None,
        draw(st.integers(0, 9)) == 0,
    )


def day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).strftime("%Y-%m-%d")


def starts(number: int) -> int:
    return int((FIRST_DAY + timedelta(days=number)).timestamp())


@st.composite
def terms(draw):
    """One part of a query: its text, and whether a fact fits it."""
    kind = draw(
        st.sampled_from(["word", "word", "word", "phrase", "tag", "by", "after", "before", "on"])
    )
    if kind == "word":
        word = draw(st.sampled_from(WORDS))
        said = word, lambda fact: fact.has(list(tokens(word)))
    elif kind == "phrase":
        text = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
        said = f'"{text}"', lambda fact: fact.has(list(tokens(text)))
    elif kind == "tag":
        tag = draw(st.sampled_from((*TAGS, "nobody-said-this", "s", "sun-o")))
        mark = draw(st.sampled_from(["#", "tag:"]))
        said = mark + tag, lambda fact: tag in fact.tags
    elif kind == "by":
        name = draw(st.sampled_from((*PEOPLE, "Zed")))
        said = f"by:{name}", name
    else:
        number = draw(st.integers(-1, DAYS + 1))
        more = draw(st.integers(0, 2))
        if kind == "after":
            said = f"after:{day(number)}", lambda fact: fact.at >= starts(number)
        elif kind == "before":
            said = f"before:{day(number)}", lambda fact: fact.at < starts(number)
        else:
            span = day(number) if not more else f"{day(number)}..{day(number + more)}"
            end = number + more + 1
            said = f"on:{span}", lambda fact: starts(number) <= fact.at < starts(end)
    return (draw(st.integers(0, 2)) == 0, *said)


@st.composite
def queries(draw):
    """A query, whether somebody still types it, and what fits it."""
    parts = draw(st.lists(terms(), max_size=3))
    typing = draw(st.booleans())
    text = " ".join("-" * wrong + said for wrong, said, _ in parts)
    wanted = {fits for wrong, _, fits in parts if isinstance(fits, str) and not wrong}

    def fits(fact: Fact) -> bool:
        if wanted and fact.name not in wanted:
            return False
        for number, (wrong, said, rule) in enumerate(parts):
            if isinstance(rule, str):
                if wrong and fact.name == rule:
                    return False
                continue
            unfinished = typing and number == len(parts) - 1 and not wrong
            if unfinished and re.fullmatch(r"[^\W_]{3,}|[\u2e80-\uffff]+", said):
                right = fact.has(list(tokens(said)), begun=True)
            elif typing and number == len(parts) - 1 and not wrong and said[0] in "#t":
                begun = said.removeprefix("tag:").removeprefix("#")
                right = any(tag.startswith(begun) for tag in fact.tags)
            else:
                right = rule(fact)
            if right is wrong:
                return False
        return True

    return text, typing, fits


def fill(store: Store, drawn) -> list[Fact]:
    """Write what was drawn, in the order drawn, and return the facts."""
    facts: dict[bytes, Fact] = {}
    for commons in COMMONS:
        store.join_commons(commons.id, now=RECEIVED_AT)
        writer = Writer(commons=commons.id, clock=RECEIVED_AT - 100)
        profiles = [writer.profile(who, name) for name, who in PEOPLE.items()]
        store.ingest([commons, *profiles], received_at=RECEIVED_AT)
    made = []
    for name, commons, at, body, others, withdrawn in drawn:
        writer = Writer(commons=commons.id, clock=RECEIVED_AT)
        first = writer.write(PEOPLE[name], body, at=at)
        if first.id in facts:
            continue
        made.append(first)
        tags = set(body.tags)
        if others is not None:
            stranger = CY if name != "Cy" else ANA
            made.append(writer.tag(stranger, first, *others))
            tags |= set(others)
        if withdrawn:
            made.append(writer.withdraw(PEOPLE[name], first))
        columns = (body.title, body.text, body.url or "", " ".join(sorted(tags)))
        facts[first.id] = Fact(
            first.id,
            commons.id,
            name,
            at,
            tuple(tokens(column) for column in (*columns, body.excerpt or "")),
            frozenset(tags),
            withdrawn,
        )
    store.ingest(made, received_at=RECEIVED_AT)
    return list(facts.values())


@pytest.mark.parametrize(("few", "words"), [(200, 300), (0, 0), (2, 1)])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.lists(entries(), min_size=1, max_size=14),
    asked=st.lists(queries(), min_size=1, max_size=14),
    left=st.sampled_from([None, *COMMONS]),
    only=st.sampled_from([(), (GARDEN.id,), (YARD.id,), (GARDEN.id, YARD.id)]),
)
def test_a_search_finds_what_a_look_at_every_entry_finds(
    tmp_path_factory, monkeypatch, few, words, drawn, asked, left, only
):
    monkeypatch.setattr(search, "FEW_ENTRIES", few)
    monkeypatch.setattr(beginnings, "WORDS_MAX", words)
    monkeypatch.setattr(search, "RANKED_ROWS_MAX", 3)
    with Store.open(tmp_path_factory.mktemp("model") / "replica.db") as store:
        facts = fill(store, drawn)
        if left is not None:
            store.leave_commons(left.id, now=RECEIVED_AT)
        in_view = set(only) or {item.id for item in COMMONS if item is not left}
        listed = [
            fact
            for fact in facts
            if not fact.withdrawn
            and fact.commons in in_view
            and fact.claimed_at <= max(RECEIVED_AT, NOW) + AHEAD_SECONDS_MAX
        ]
        for text, typing, fits in asked:
            query = replace(parse_query(text, typing=typing), commons=only)
            ids = store.entry_ids(query, now=NOW)
            expected = [fact for fact in listed if fits(fact)]
            rows = store.entry_rows(ids)
            assert sorted(row.id for row in rows) == sorted(fact.id for fact in expected), text
            times = [min(row.claimed_at, row.received_at) for row in rows]
            assert times == sorted(times, reverse=True), text
            first = store.entry_ids(query, now=NOW, limit=2)
            assert first == ids[:2], text
            if len(first) == 2:
                rest = store.entry_ids(query, now=NOW, older_than=first[-1])
                assert first + rest == ids, text
            ranked = store.entry_ids(query, now=NOW, order=Order.RELEVANCE)
            assert sorted(ranked) == sorted(ids), text
            assert sorted(ranked[:3]) == sorted(ids[:3]), "the newest few are ordered, no others"
            facets = store.facets(query, now=NOW)
            assert {row.tag: row.count for row in facets.tags} == {
                tag: sum(tag in fact.tags for fact in expected)
                for tag in {tag for fact in expected for tag in fact.tags}
            }, text
            assert sum(row.count for row in facets.authors) == len(expected), text
