"""`import` and `export`: files of other programs in, files for other programs out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pcommons.cli.choosing import choose_commons, may_ask, pick
from p2pcommons.cli.columns import named
from p2pcommons.cli.output import Reply
from p2pcommons.cli.parsing import command
from p2pcommons.cli.times import count
from p2pcommons.errors import ErrorCode, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from p2pcommons.cli.invocation import Invocation
    from p2pcommons.replica import ImportReport, Replica

IMPORT_FORMATS = ("auto", "bookmarks", "jsonl", "markdown")
EXPORT_FORMATS = ("jsonl", "bookmarks", "markdown")


@command(
    "import",
    examples=[
        ("import bookmarks.html", "the bookmarks of a browser; again adds nothing"),
        ("import notes/ --commons 'Sun kitchen'", "a folder of Markdown files"),
        ("import commons.jsonl", "contributions that were exported, with ids and authors"),
    ],
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--commons", metavar="C", help="Publish new entries there.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(IMPORT_FORMATS),
    default="auto",
    show_default=True,
    help="What the file is.",
)
@click.option(
    "--with-private",
    is_flag=True,
    help="Publish links that the file marks as private too; there is no way back.",
)
@click.pass_obj
def import_file(
    invocation: Invocation, path: Path, commons: str | None, format_name: str, with_private: bool
) -> Reply:
    """Take a file into a commons.

    Addresses that the commons has get no second entry; your tags join theirs. An import that
    was stopped goes on when it is run again.
    """
    with invocation.open_as_person() as replica:
        target = None if commons is None else replica.resolve_commons(commons).id
        report = _import(invocation, replica, path, target, format_name, with_private)
    for line, reason in (*report.failures, *report.left_out):
        invocation.out.say(f"{path}:{line}: {reason}")
    fields: dict[str, object] = {
        "links": report.links,
        "added": report.added,
        "merged": report.merged,
        "skipped": report.skipped,
        "failed": report.failed,
        "joined": [each.hex() for each in report.joined],
        "failures": [{"line": line, "reason": reason} for line, reason in report.failures],
        "left_out": [{"line": line, "reason": reason} for line, reason in report.left_out],
    }
    words = ("links", "added", "merged", "skipped", "failed")
    lines = named((word, f"{fields[word]:,}") for word in words)
    nothing_taken = report.links > 0 and report.failed == report.links
    return Reply(fields, lines, _steps(report), exit_code=1 if nothing_taken else 0)


@command(
    "export",
    examples=[
        ("export --format jsonl --out commons.jsonl", "every contribution as it was signed"),
        ("export --format bookmarks --out bookmarks.html", "entries for a browser"),
        ("export --format markdown --out notes", "a folder with a file for each entry"),
        ("export --format jsonl | gzip > commons.jsonl.gz", "to stdout without --out"),
    ],
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(EXPORT_FORMATS),
    required=True,
    help="jsonl keeps ids and signatures; the others are for other programs.",
)
@click.option("--out", metavar="F", type=click.Path(path_type=Path), help="Write to F.")
@click.option("--commons", metavar="C", help="Export this commons.")
@click.pass_obj
def export(
    invocation: Invocation, format_name: str, out: Path | None, commons: str | None
) -> Reply:
    """Write a commons to a file, or to stdout without --out."""
    if out is None and invocation.json:
        raise UserError("with --json the export needs --out: stdout holds the JSON object")
    if out is None and format_name == "markdown":
        raise UserError("a Markdown export is a folder: name it with --out")
    with contextlib.ExitStack() as opened:
        replica = opened.enter_context(invocation.open_as_person())
        row = choose_commons(invocation, replica, commons)
        if out is None:
            chunks = replica.export(format_name, commons=row.id)
            return Reply({}, chunks=_closing(opened.pop_all(), chunks))
        if format_name == "markdown":
            written = replica.export_folder(out, commons=row.id)
            said = f"wrote {count(written, 'file')} to {out}"
        else:
            written = _write_file(out, replica.export(format_name, commons=row.id))
            said = f"wrote {written:,} bytes to {out}"
    size = {"files" if format_name == "markdown" else "bytes": written}
    fields = {"commons": row.id.hex(), "format": format_name, "out": str(out), **size}
    return Reply(fields, (), (said,))


def _import(
    invocation: Invocation,
    replica: Replica,
    path: Path,
    target: bytes | None,
    format_name: str,
    with_private: bool,
) -> ImportReport:
    def progress(done: int, total: int) -> None:
        of = f" of {total:,}" if total else ""
        invocation.out.progress(f"{done:,}{of}")

    def take(commons: bytes | None) -> ImportReport:
        return replica.import_file(
            path,
            commons=commons,
            format=format_name,
            include_private=with_private,
            progress=progress,
        )

    try:
        return take(target)
    except UserError as error:
        if target is not None or not may_ask(invocation, error):
            raise
        chosen = replica.resolve_commons(pick(invocation, error.candidates).split()[0]).id
        return take(chosen)


def _steps(report: ImportReport) -> tuple[str, ...]:
    private = count(len(report.left_out), "private link")
    steps = (f"left out {private}; --with-private takes them",) if report.left_out else ()
    if report.joined:
        return (*steps, f"joined {count(len(report.joined), 'commons', 'commons')}")
    return (*steps, "next: p2pcommons list") if report.added else steps


def _closing(opened: contextlib.ExitStack, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with opened:
        yield from chunks


def _write_file(out: Path, chunks: Iterator[bytes]) -> int:
    """Write all of `chunks` or leave what was there; return the number of bytes."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    written = 0
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                written += file.write(chunk)
        temporary.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", ErrorCode.FAILED) from error
    finally:
        temporary.unlink(missing_ok=True)
    return written
