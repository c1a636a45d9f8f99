"""Open what a person wants to import and hand its content to the right parser.

The only module of this package that touches files; it reads and never writes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from p2pcommons.errors import ErrorCode, UserError
from p2pcommons.interchange.bookmarks import parse_bookmarks
from p2pcommons.interchange.detection import (
    SNIFF_BYTES,
    Format,
    decode_text,
    detect_format,
    stated_charset,
)
from p2pcommons.interchange.jsonl import LINE_BYTES_MAX, parse_jsonl
from p2pcommons.interchange.markdown import parse_markdown
from p2pcommons.interchange.records import ImportFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from p2pcommons.interchange.records import ImportedEntry, LineRecord, LinkRecord

FILE_BYTES_MAX = 268_435_456
"""Of a bookmarks or Markdown file, which is read whole; a hundred times the largest seen."""

MARKDOWN_SUFFIXES: Final = frozenset({".md", ".markdown"})


def read_records(
    path: Path, wanted: Format | None = None, *, include_private: bool = False
) -> tuple[Format, Iterator[LinkRecord | LineRecord]]:
    """The file's format (`wanted`, or found out) and everything in it, in order.

    A folder means all Markdown files in it and below, by path. Raises UserError when the path
    cannot be read or its format cannot be told.
    """
    try:
        if path.is_dir():
            return "markdown", _read_folder(path)
        with path.open("rb") as file:
            first = file.read(SNIFF_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    found = wanted or detect_format(first, path.name)
    if found == "jsonl":
        return found, _read_lines(path)
    if found == "bookmarks":
        data = _read_whole(path)
        text = decode_text(data, stated_charset(data))
        return found, parse_bookmarks(text, include_private=include_private)
    return found, iter([parse_markdown(decode_text(_read_whole(path)), path.name)])


def _read_lines(path: Path) -> Iterator[LineRecord]:
    try:
        with path.open("rb") as file:
            yield from parse_jsonl(_bounded_lines(file))
    except OSError as error:
        raise _unreadable(path, error) from error


def _bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines of a file; of one that is far too long only the part that shows it."""
    while line := file.readline(LINE_BYTES_MAX + 1):
        yield line
        while len(line) > LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES_MAX + 1)


def _read_folder(folder: Path) -> Iterator[ImportedEntry | ImportFailure]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = folder.__class__(root, name)
            if path.suffix.lower() not in MARKDOWN_SUFFIXES or name.startswith("."):
                continue
            inside = path.relative_to(folder).as_posix()
            try:
                yield parse_markdown(decode_text(_read_whole(path)), inside)
            except UserError as error:
                yield ImportFailure(1, error.message, inside)


def _read_whole(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > FILE_BYTES_MAX:
        raise UserError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    return data


def _unreadable(path: Path, error: OSError) -> UserError:
    missing = isinstance(error, FileNotFoundError)
    code = ErrorCode.NOT_FOUND if missing else ErrorCode.FAILED
    return UserError(f"{path} cannot be read: {error.strerror or error}", code)
