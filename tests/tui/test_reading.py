"""Markdown becomes lines that fit, and every word knows where it stands in the source."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from p2pcommons.model.words import clean_text
from p2pcommons.tui.reading.blocks import PLAIN_MARKS, first_part, lay_out
from p2pcommons.tui.reading.inline import link_label
from p2pcommons.tui.reading.page import EM, LABEL, LINK, STRONG, Page
from p2pcommons.tui.reading.table import share

MARKDOWN = st.text(
    st.sampled_from("ab *_`#>-|[]()!\n\t1.~<&;:/\\日本é👩‍🌾م") | st.characters(), max_size=300
)


def texts(page: Page) -> list[str]:
    return [line.text.rstrip() for line in page.lines]


@given(MARKDOWN, st.integers(4, 100))
@settings(max_examples=150, deadline=None)
def test_no_text_of_anybody_makes_a_line_too_wide(source: str, width: int) -> None:
    page = lay_out(clean_text(source), width)
    assert page.lines
    assert all(cell_len(line.text) <= max(width, 6) for line in page.lines)


@given(st.text(st.sampled_from("ab *`[]()\n>-é日"), max_size=200), st.integers(20, 80))
@settings(max_examples=150, deadline=None)
def test_words_are_where_they_say(source: str, width: int) -> None:
    for line in lay_out(source, width).lines:
        for span in line.spans:
            if span.source >= 0 and " " not in span.text:
                assert source[span.source : span.source + len(span.text)] == span.text


def test_paragraphs_wrap_between_words() -> None:
    assert texts(lay_out("one two three four", 9)) == ["one two", "three", "four"]


def test_emphasis_inside_a_word_does_not_break_it() -> None:
    page = lay_out("a **bo**ld word", 7)
    assert texts(page) == ["a bold", "word"]
    assert [span.text for span in page.lines[0].spans if span.flags & STRONG] == ["bo"]


def test_an_escaped_star_is_a_star_with_its_place() -> None:
    source = r"a \*star\*"
    page = lay_out(source, 40)
    assert texts(page) == ["a *star*"]
    star = next(span for span in page.lines[0].spans if span.text.startswith("*"))
    assert source[star.source] == "*"


def test_scripts_without_spaces_break_anywhere() -> None:
    assert [cell_len(line) for line in texts(lay_out("日本語のテキスト", 6))] == [6, 6, 4]


def test_lists_nest_and_keep_their_numbers() -> None:
    source = "9. nine\n10. ten\n    - inner\n    - other\n"
    assert texts(lay_out(source, 30)) == [" 9. nine", "10. ten", "    • inner", "    • other"]


def test_quotes_carry_their_bar_on_every_line() -> None:
    assert texts(lay_out("> one two three", 20)) == ["▌ one two three"]
    assert texts(lay_out("> one two three four five", 18)) == ["▌ one two three", "▌ four five"]


def test_code_keeps_its_spaces_and_fills_its_line() -> None:
    page = lay_out("```\nif x:\n    y\n```", 30)
    assert texts(page) == [" if x:", "     y"]
    assert all(line.fill == "code" for line in page.lines)


def test_tables_shrink_their_widest_column_first() -> None:
    assert share([4, 40, 6], 30) == [4, 20, 6]
    page = lay_out("| a | b |\n|---|---|\n| x | one two three four |", 16)
    assert all(cell_len(line) <= 16 for line in texts(page))
    assert "one two" in "\n".join(texts(page))


def test_links_get_letters_and_their_addresses_stay_out_of_the_text() -> None:
    page = lay_out("See [notes](https://example.org/n) and https://example.org/p.", 60)
    assert texts(page) == ["See notes[a] and https://example.org/p[b]."]
    assert page.links == ("https://example.org/n", "https://example.org/p")
    flags = {span.text: span.flags for span in page.lines[0].spans}
    assert flags["notes"] & LINK
    assert flags["[a]"] & LABEL


def test_the_label_after_z_has_two_letters() -> None:
    assert [link_label(index) for index in (0, 25, 26, 27, 701, 702)] == [
        "a", "z", "aa", "ab", "zz", "aaa",
    ]  # fmt: skip


def test_a_dangerous_address_is_no_link() -> None:
    assert lay_out("[x](javascript:alert(1))", 60).links == ()


def test_html_stays_words() -> None:
    assert texts(lay_out("<script>alert(1)</script>", 40)) == ["<script>alert(1)</script>"]


def test_ascii_marks_need_nothing_but_ascii() -> None:
    source = "> q\n\n- a\n\n---\n\n| a | b |\n|-|-|\n| c | d |"
    assert "".join(texts(lay_out(source, 30, PLAIN_MARKS))).isascii()


def test_the_place_survives_another_width() -> None:
    source = "\n\n".join(f"paragraph {number} with some words" for number in range(50))
    offset = source.index("paragraph 30")
    for width in (12, 40, 80):
        page = lay_out(source, width)
        assert page.lines[page.line_of(offset)].text.startswith("paragraph")
        assert page.lines[page.line_of(offset)].source == offset


def test_the_first_part_of_a_long_text_ends_at_a_paragraph() -> None:
    long = "\n\n".join(["some words here"] * 5_000)
    part = first_part(long)
    assert len(part) < 12_000
    assert long.startswith(part)
    assert part.endswith("here")
    assert first_part("short") == "short"


@pytest.mark.parametrize("piece", ["[", "![", "|a", "`a", "> ", "- ", "*a **b ", "x"])
def test_text_made_to_be_slow_is_laid_out_all_the_same(piece: str) -> None:
    source = (piece * 16_384)[:16_384]
    assert lay_out(source, 80).lines


def test_emphasis_has_its_flag() -> None:
    spans = lay_out("*so* it is", 40).lines[0].spans
    assert spans[0].text == "so"
    assert spans[0].flags & EM
