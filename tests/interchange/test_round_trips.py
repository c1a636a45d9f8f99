"""Out and in again: links keep their words, and files are told apart by what they hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.interchange.bookmarks import parse_bookmarks
from p2pcommons.interchange.bookmarks_file import bookmarks_file
from p2pcommons.interchange.detection import detect_format
from p2pcommons.interchange.files import read_records
from p2pcommons.interchange.records import ExportedEntry, ImportedEntry, ImportFailure

if TYPE_CHECKING:
    from pathlib import Path

VISIBLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs"))
TITLES = st.lists(st.text(VISIBLE, min_size=1, max_size=12), min_size=1, max_size=4).map(" ".join)
TAGS = st.lists(
    st.sampled_from(["solar", "é", "c++", "日本", "a&b", '"x"']), unique=True, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(TITLES, TITLES, TAGS, st.integers(1, 2**32 - 1))
def test_a_bookmarks_file_keeps_text_tags_and_dates(
    title: str, text: str, tags: list[str], dated: int
) -> None:
    url = "http://a.example/?a=1&amp=2&quot;<>'\""
    written = ExportedEntry(bytes(32), url, title, text, tuple(tags), 5, dated)
    (back,) = parse_bookmarks("".join(bookmarks_file([written], "Garden <&>")))
    assert isinstance(back, ImportedEntry)
    assert (back.url, back.title, back.text, back.tags, back.dated) == (
        url,
        title,
        text,
        tuple(tags),
        dated,
    )


def test_an_entry_without_address_has_no_place_among_bookmarks() -> None:
    note = ExportedEntry(bytes(32), None, "Note", "text", (), 5)
    assert list(parse_bookmarks("".join(bookmarks_file([note], "T")))) == []


@pytest.mark.parametrize(
    ("first", "name", "found"),
    [
        (b"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n", "x.txt", "bookmarks"),
        (b"\xef\xbb\xbf<!doctype netscape-bookmark-file-1>", "", "bookmarks"),
        ("<!DOCTYPE NETSCAPE-Bookmark-file-1>".encode("utf-16"), "", "bookmarks"),
        (b"<DL><p><DT>", "", "bookmarks"),
        (b'{"v":1', "", "jsonl"),
        (b"---\ntitle: x", "", "markdown"),
        (b"# Heading", "", "markdown"),
        (b"plain words", "a.MD", "markdown"),
        (b"", "a.jsonl", "jsonl"),
    ],
)
def test_the_format_is_told_by_content_then_name(first: bytes, name: str, found: str) -> None:
    assert detect_format(first, name) == found


def test_a_file_that_is_nothing_known_says_what_to_do() -> None:
    with pytest.raises(UserError, match="--format"):
        detect_format(b"\x00\x01\x02", "a.bin")


def test_files_and_folders_are_read_by_their_format(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "no.md").write_text("no")
    (tmp_path / "sub" / "b.md").write_text("# B\n\ntext")
    (tmp_path / "a.md").write_text("---\ntitle: A\n---\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "long.md").write_text("x" * 70_000)
    found, records = read_records(tmp_path)
    assert found == "markdown"
    read = list(records)
    assert [(record.source, type(record)) for record in read if not hasattr(record, "id")] == [
        ("a.md", ImportedEntry),
        ("long.md", ImportFailure),
        ("sub/b.md", ImportedEntry),
    ]
    lines = tmp_path / "x.data"
    lines.write_text(json.dumps({"title": "one"}) + "\n" + "x" * 600_000 + '\n{"title":"two"}')
    found, records = read_records(lines)
    assert found == "jsonl"
    assert [type(record) for record in records] == [ImportedEntry, ImportFailure, ImportedEntry]
    with pytest.raises(UserError) as missing:
        read_records(tmp_path / "missing.html")
    assert missing.value.code is ErrorCode.NOT_FOUND
