"""Markdown: notes of people and of other programs in, a folder that anybody can read out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.interchange.front_matter import join_front_matter, split_front_matter
from p2pcommons.interchange.markdown import file_name, markdown_folder, parse_markdown
from p2pcommons.interchange.records import ExportedEntry, ImportedEntry, ImportFailure


def entry_of(text: str, name: str = "a-note.md") -> ImportedEntry:
    record = parse_markdown(text, name)
    assert isinstance(record, ImportedEntry)
    return record


def test_front_matter_gives_title_tags_address_and_date() -> None:
    entry = entry_of(
        "---\r\ntitle: 'Ana''s oven'\ntags: [solar, \"box, cardboard\"]\n"
        "url: http://a.example/ # mine\ndate: 2026-01-04\ndraft: false\n---\n\nMark the *line*.\n"
    )
    assert entry.title == "Ana's oven"
    assert entry.tags == ("solar", "box,-cardboard")
    assert entry.url == "http://a.example/"
    assert entry.dated == 1767484800
    assert entry.text == "Mark the *line*."


def test_tags_may_be_a_list_of_lines_or_words_with_commas() -> None:
    assert entry_of("---\ntags:\n  - a\n  - b c\n---\nx").tags == ("a", "b-c")
    assert entry_of("---\ntags: a, b c\n---\nx").tags == ("a", "b-c")


def test_without_a_title_the_heading_and_then_the_file_name_serve() -> None:
    assert (entry_of("# Oven #\n\nText").title, entry_of("# Oven #\n\nText").text) == (
        "Oven",
        "Text",
    )
    assert entry_of("Text", "folder/solar-oven.md").title == "solar oven"


def test_a_ruler_at_the_top_is_not_front_matter() -> None:
    assert entry_of("---\n\nText after a ruler").text == "---\n\nText after a ruler"


def test_a_text_over_the_limit_fails_with_the_file_named() -> None:
    record = parse_markdown("x" * 70_000, "long.md")
    assert isinstance(record, ImportFailure)
    assert record.source == "long.md"
    assert "65536" in record.reason


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=40)


@settings(max_examples=100, deadline=None)
@given(WORDS, st.lists(WORDS.filter(str.strip), max_size=4))
def test_quoted_words_come_back_from_front_matter(title: str, tags: list[str]) -> None:
    written = join_front_matter({"title": title, "tags": tuple(tags)}, "body")
    fields, body = split_front_matter(written)
    assert fields == {"title": title, "tags": tuple(tags)}
    assert body == "body"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["", "---\n", "---\ntags: ["]))
def test_no_file_makes_the_parser_raise(text: str, start: str) -> None:
    parse_markdown(start + text, "a.md")


def test_a_folder_of_markdown_keeps_text_tags_address_and_dates() -> None:
    entry = ExportedEntry(
        id=bytes(32),
        url="http://a.example/?a=1&b=2",
        title='Quotes " and: colons # too',
        text="One.\n\n---\n\nTwo.",
        tags=("solar", "c#", "a,b"),
        claimed_at=1767484800,
        dated=1381475089,
        form="practice",
        language="en",
        licence="CC-BY-SA-4.0",
        author="ana~7fq2ab",
    )
    ((name, content),) = markdown_folder([entry])
    back = entry_of(content, name)
    assert (back.url, back.title, back.text, back.tags, back.dated) == (
        entry.url,
        entry.title,
        entry.text,
        entry.tags,
        entry.dated,
    )
    assert (back.form, back.language, back.licence) == ("practice", "en", "CC-BY-SA-4.0")


def test_file_names_are_safe_on_every_system() -> None:
    assert file_name("../../etc/passwd\x00", b"\xab" * 32) == "etc-passwd-ababababab.md"
    assert file_name("Água: fria?", b"\xab" * 32) == "água-fria-ababababab.md"
    assert file_name("///", bytes(32)) == "entry-0000000000.md"
    assert len(file_name("x" * 300, bytes(32))) == 74
