"""Bookmarks files: what people's programs really export, and what nobody should write."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.interchange.bookmarks import added_seconds, parse_bookmarks
from p2pcommons.interchange.detection import decode_text, stated_charset
from p2pcommons.interchange.records import ImportedEntry, ImportFailure, ImportSkip


def links(text: str) -> list[ImportedEntry]:
    return [record for record in parse_bookmarks(text) if isinstance(record, ImportedEntry)]


def failures(text: str) -> list[ImportFailure]:
    return [record for record in parse_bookmarks(text) if isinstance(record, ImportFailure)]


PINBOARD = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Pinboard Bookmarks</TITLE>
<DL><p><DT><A HREF="https://example.org/solar?a=1&amp;b=2" ADD_DATE="1381475089" PRIVATE="0" \
TOREAD="1" TAGS="solar,Solar Oven,cook">Build a &quot;solar&quot; oven</A>
<DD>Mark the focal line first.
It is 60 cm wide &amp; enough.

<DT><A HREF="https://example.org/herbs" ADD_DATE="1381475090">Drying herbs</A>
</DL></p>
"""


def test_a_pinboard_link_keeps_title_note_tags_and_date() -> None:
    first, second = links(PINBOARD)
    assert first.url == "https://example.org/solar?a=1&b=2"
    assert first.title == 'Build a "solar" oven'
    assert first.text == "Mark the focal line first.\nIt is 60 cm wide & enough."
    assert first.tags == ("solar", "solar-oven", "cook")
    assert first.dated == 1381475089
    assert first.line == 4
    assert (second.title, second.text, second.tags, second.line) == ("Drying herbs", "", (), 8)


FIREFOX = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<H1>Bookmarks Menu</H1>
<DL><p>
    <DT><H3 ADD_DATE="1" PERSONAL_TOOLBAR_FOLDER="true">Lesezeichenleiste</H3>
    <DL><p>
        <DT><H3>Garden &amp; Food</H3>
        <DL><p>
            <DT><H3>Seeds</H3>
            <DL><p>
                <DT><A HREF="http://a.example/" ICON="data:image/png;base64,iVBORw0K">A</A>
            </DL><p>
            <DT><A HREF="http://b.example/" TAGS="water">B</A>
        </DL><p>
    </DL><p>
    <DT><H3>Other Bookmarks</H3>
    <DL><p>
        <DT><A HREF="http://c.example/">C</A>
    </DL><p>
</DL>
"""


def test_folders_become_tags_except_those_that_every_browser_makes() -> None:
    assert [(entry.title, entry.tags) for entry in links(FIREFOX)] == [
        ("A", ("garden-&-food", "seeds")),
        ("B", ("water", "garden-&-food")),
        ("C", ()),
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1381475089", 1381475089),
        ("1381475089123", 1381475089),
        ("1381475089123456", 1381475089),
        ("13025948689123456", 1381475089),
        ("0", None),
        ("", None),
        ("yesterday", None),
        ("9" * 5000, None),
        ("-5", None),
        ("²", None),
    ],
)
def test_dates_come_in_four_units(written: str, seconds: int | None) -> None:
    assert added_seconds(written) == seconds


def test_a_private_link_is_left_out_unless_asked_for() -> None:
    text = '<DT><A HREF="http://a.example/" PRIVATE="1">A</A>'
    assert list(parse_bookmarks(text)) == [
        ImportSkip(1, "marked private in the file, so it was left out")
    ]
    assert [r.line for r in parse_bookmarks(text, include_private=True)] == [1]


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("javascript:alert(1)", "javascript:"),
        ("place:sort=8", "place:"),
        ("file:///etc/passwd", "file:"),
        ("example.org/no-scheme", "http:"),
        ("http:///only/a/path", "no host"),
        ("http://[broken/", "cannot be read"),
        ("https://me:secret@example.org/", "password"),
        ("http://a.example/\x00b", "control characters"),
        ("http://a.example/&#10;b", "control characters"),
        ("http://a.example/" + "x" * 9000, "8192"),
        ("", "no address"),
    ],
)
def test_an_address_nobody_else_can_use_fails_with_its_reason(href: str, reason: str) -> None:
    (failure,) = parse_bookmarks(f'\n<DT><A HREF="{href}">T</A>\n')
    assert isinstance(failure, ImportFailure)
    assert reason in failure.reason
    assert failure.line == 2


def test_what_is_over_a_limit_fails_with_the_limit_named_and_the_rest_goes_on() -> None:
    text = "\n".join(
        [
            f'<DT><A HREF="http://a.example/1">{"t" * 301}</A>',
            f'<DT><A HREF="http://a.example/2" TAGS="{"t" * 65}">B</A>',
            f'<DT><A HREF="http://a.example/3" TAGS="{",".join(map(str, range(33)))}">C</A>',
            f'<DT><A HREF="http://a.example/4">D</A>\n<DD>{"n" * 70_000}',
            f'<DT><A HREF="http://a.example/5">E</A>\n<DD>{"n" * 300_000}',
            '<DT><A HREF="http://a.example/6">F</A>',
        ]
    )
    reasons = [failure.reason for failure in failures(text)]
    assert len(reasons) == 5
    for limit, reason in zip(("300", "64", "32", "65536", "262144"), reasons, strict=True):
        assert f"limit is {limit}" in reason or f"more than {limit}" in reason
    assert [entry.title for entry in links(text)] == ["F"]


def test_a_link_without_title_is_called_by_host_and_path() -> None:
    (entry,) = links('<a href="https://example.org/garden/water?x=1"></a>')
    assert entry.title == "example.org/garden/water"


def test_unclosed_marks_lose_one_line_and_not_the_file() -> None:
    text = (
        '<DT><A HREF="http://a.example/" TAGS="one>A</A>\n'
        + "<DD>note\n" * 3
        + "x" * 1_100_000
        + '\n<DT><A HREF="http://b.example/">B</A>\n<DT><A HREF="http://c.example/'
    )
    assert [entry.title for entry in links(text)] == ["B"]
    assert [failure.line for failure in failures(text)] == [1, 7]


def test_a_page_icon_of_many_kilobytes_is_passed_over() -> None:
    icon = "data:image/png;base64," + "A" * 500_000
    (entry,) = links(f'<DT><A HREF="http://a.example/" ICON="{icon}" TAGS="x">A</A>')
    assert (entry.title, entry.tags) == ("A", ("x",))


def test_a_number_of_thousands_of_digits_in_a_reference_is_harmless() -> None:
    (entry,) = links(f'<DT><A HREF="http://a.example/">A &#{"9" * 6000}; B</A>')
    assert entry.title.startswith("A ")


def test_invisible_characters_in_words_are_dropped() -> None:
    (entry,) = links('<DT><A HREF="http://a.example/">A\x00B\x1b[31m\n C</A>\n<DD>x\x00y\r\nz')
    assert entry.title == "AB[31m C"
    assert entry.text == "xy\nz"


def test_old_encodings_are_read_by_what_the_file_states() -> None:
    text = (
        '<META CONTENT="text/html; charset=windows-1251"><DT><A HREF="http://a.example/">Привет</A>'
    )
    data = text.encode("windows-1251")
    (entry,) = links(decode_text(data, stated_charset(data)))
    assert entry.title == "Привет"
    assert decode_text("é".encode("utf-16")) == "é"
    assert decode_text(b"caf\xe9") == "café"
    assert decode_text("ö".encode(), "no-such-charset") == "ö"


MARKS = st.sampled_from(
    [
        *("<DT>", "<A HREF=", '"', "'", "http://a.example/", ">", "</A>", "<DD>", "<DL><p>"),
        *(
            "</DL>",
            "<H3>",
            "\n",
            "&#x110000;",
            "&amp;",
            "\x00",
            "TAGS=",
            "a,b",
            " ",
            "<",
            "ADD_DATE=",
        ),
        *("99999999999999999999", "PRIVATE=1", "\ud800", "javascript:", "<!--", "-->", "<a"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MARKS, max_size=60).map("".join) | st.text(max_size=200))
def test_nothing_in_a_file_makes_the_parser_raise(text: str) -> None:
    for record in parse_bookmarks(text):
        assert record.line >= 1


def test_hostile_files_take_time_in_proportion_to_their_length() -> None:
    # Each of these makes a parser that starts over at every mark take hours.
    for piece in (
        "<a ",
        "<a href='",
        '<a x="',
        "<dt><a",
        "<a href=x ",
        "<dl>",
        "<a =",
        "&#",
        "<a x=\n",
    ):
        assert len(list(parse_bookmarks(piece * 100_000))) <= 100_001
