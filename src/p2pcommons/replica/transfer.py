"""Files in and files out: what the interchange parsers found, written as this person; and exports.

An import that was killed goes on when it is run again, because its plan is made anew from what
the commons has by then.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from p2pcommons.errors import ErrorCode, RejectedError, UserError
from p2pcommons.interchange.bookmarks_file import bookmarks_file
from p2pcommons.interchange.files import read_records
from p2pcommons.interchange.jsonl import envelope_line
from p2pcommons.interchange.markdown import markdown_folder
from p2pcommons.interchange.plan import Standing, WriteEntry, plan_import
from p2pcommons.interchange.records import ExportedEntry, ImportedEnvelope, ImportFailure
from p2pcommons.model.contribution import Contribution, Grant, verify
from p2pcommons.model.ids import display_name, short
from p2pcommons.model.kinds import FORM_LINK, FORM_NOTE, EntryBody, TagBody
from p2pcommons.model.limits import PARENTS_MAX
from p2pcommons.replica.drafts import Drafts
from p2pcommons.replica.records import ImportReport
from p2pcommons.replica.writing import BATCH_ROWS_MAX
from p2pcommons.store import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from p2pcommons.interchange.detection import Format
    from p2pcommons.interchange.plan import WriteTags
    from p2pcommons.interchange.records import ImportedEntry, LineRecord, LinkRecord

    Progress = Callable[[int, int], None]
    """Called with what is done and how much there is; the second is 0 while it is unknown."""

EXPORT_FORMATS = ("jsonl", "bookmarks", "markdown")
IMPORT_FORMATS = ("auto", "bookmarks", "jsonl", "markdown")
_PAGE = 400


class Transfer(Drafts):
    """Import and export."""

    def import_file(
        self,
        path: Path,
        *,
        commons: bytes | None = None,
        format: str = "auto",  # noqa: A002  the word of the command line
        include_private: bool = False,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Take a file, or a folder of Markdown, into a commons and say what became of each link.

        Contributions in JSON Lines keep ids and authors and go to their own commons, which is
        joined if need be; everything else is published as this person in `commons`, or in the
        one that `which_commons` finds. Links that the file marks as private are left out unless
        `include_private`. Raises UserError for an unreadable file.
        """
        if format not in IMPORT_FORMATS:
            raise UserError(f"format {format!r} is none of {', '.join(IMPORT_FORMATS)}")
        self.require_identity()
        wanted: Format | None = None if format == "auto" else format
        _format, records = read_records(path, wanted, include_private=include_private)
        tally = _Taken()
        links = list(self._without_envelopes(records, tally, progress))
        written = self._import_links(links, commons, progress)
        return ImportReport(
            links=tally.links + written.links,
            added=tally.added + written.added,
            merged=written.merged,
            skipped=tally.skipped + written.skipped,
            failures=(*tally.failures, *written.failures),
            joined=tuple(tally.joined),
            left_out=written.left_out,
        )

    def export(
        self,
        format: str,  # noqa: A002  the word of the command line
        *,
        commons: bytes | None = None,
    ) -> Iterator[bytes]:
        """Yield an export of one commons, or of all joined ones, as chunks of bytes.

        `jsonl` holds every contribution as it was signed, whatever its kind, so that importing
        it gives the same ids; `bookmarks` holds the entries for other programs. A Markdown
        export is a folder: see `export_folder`.
        """
        chosen = [self.commons_row(commons)] if commons is not None else self.commons()
        if format == "jsonl":
            for row in chosen:
                yield from self._envelope_lines(row.id)
        elif format == "bookmarks":
            title = " and ".join(row.title or row.title_hint or short(row.id) for row in chosen)
            entries = chain.from_iterable(self._exported(row.id) for row in chosen)
            for part in bookmarks_file(entries, title or "p2pcommons"):
                yield part.encode()
        else:
            raise UserError(f"format {format!r} is none of {', '.join(EXPORT_FORMATS)}")

    def export_folder(self, folder: Path, *, commons: bytes | None = None) -> int:
        """Write entries as Markdown files with front matter into `folder`; return their number.

        Raises UserError when the folder cannot be written.
        """
        chosen = [self.commons_row(commons)] if commons is not None else self.commons()
        entries = chain.from_iterable(self._exported(row.id) for row in chosen)
        count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in markdown_folder(entries):
                (folder / name).write_text(text, encoding="utf-8")
                count += 1
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written: {error.strerror}", ErrorCode.FAILED
            ) from error
        return count

    def _without_envelopes(
        self,
        records: Iterable[LinkRecord | LineRecord],
        tally: _Taken,
        progress: Progress | None,
    ) -> Iterator[LinkRecord]:
        """Yield what is not a signed contribution; take those that are, in groups."""
        group: list[ImportedEnvelope] = []
        for record in records:
            if isinstance(record, ImportedEnvelope):
                group.append(record)
                if len(group) == BATCH_ROWS_MAX:
                    self._take(group, tally)
                    group = []
                    if progress is not None:
                        progress(tally.links, 0)
            else:
                yield record
        self._take(group, tally)

    def _take(self, group: list[ImportedEnvelope], tally: _Taken) -> None:
        verified: list[Contribution] = []
        tally.links += len(group)
        for record in group:
            try:
                verified.append(verify(record.envelope, tally.grants))
            except RejectedError as error:
                tally.failures.append((record.line, str(error)))
        if not verified:
            return
        result = self.store.ingest(verified, received_at=self.now())
        tally.added += len(result.new)
        tally.skipped += len(verified) - len(result.new)
        for commons in dict.fromkeys(each.commons for each in verified):
            self._join_imported(commons, tally)
        self.nudge()

    def _join_imported(self, commons: bytes, tally: _Taken) -> None:
        row = self.store.commons_row(commons)
        if row is None or row.joined_at is None:
            self.store.join_commons(commons, now=self.now())
            tally.joined.append(commons)

    def _import_links(
        self, records: list[LinkRecord], commons: bytes | None, progress: Progress | None
    ) -> ImportReport:
        if not records:
            return ImportReport(0, 0, 0, 0, (), ())
        entries = [record for record in records if not isinstance(record, ImportFailure)]
        target = commons
        if target is None and entries:
            target = self.which_commons(None).id
        find = self._find_standing(target) if target is not None else _nothing_stands
        plan = plan_import(records, find, self.now())
        if target is not None:
            self._write_plan(target, plan.writes, progress)
        return ImportReport(
            links=plan.links,
            added=plan.added,
            merged=plan.merged,
            skipped=plan.skipped,
            failures=tuple((failure.line, _reason(failure)) for failure in plan.failures),
            joined=(),
            left_out=tuple((skip.line, skip.reason) for skip in plan.left_out),
        )

    def _write_plan(
        self, commons: bytes, writes: tuple[WriteEntry | WriteTags, ...], progress: Progress | None
    ) -> None:
        me = self.require_signer().author
        with self.batch():
            for done, write in enumerate(writes, start=1):
                if isinstance(write, WriteEntry):
                    body = _entry_body(write.entry)
                    self.contribute(body, commons=commons, claimed_at=write.claimed_at)
                else:
                    statement = self.store.tag_statement(commons, me, write.id)
                    self.contribute(
                        TagBody(write.tags),
                        commons=commons,
                        target=write.id,
                        parents=statement.heads[:PARENTS_MAX],
                        claimed_at=write.claimed_at,
                    )
                if progress is not None and (done % 100 == 0 or done == len(writes)):
                    progress(done, len(writes))

    def _find_standing(self, commons: bytes) -> Callable[[ImportedEntry], Standing | None]:
        """Return a look-up of what the commons has, read once: by address, or by words."""
        from p2pcommons.interchange.plan import same_entry_key

        me = self.require_signer().author
        by_address = self.store.urls(commons)
        by_words: dict[tuple[str, ...], bytes] | None = None

        def find(entry: ImportedEntry) -> Standing | None:
            nonlocal by_words
            key = same_entry_key(entry)
            if entry.url is not None:
                identifier = by_address.get(key[1])
            else:
                by_words = self._notes(commons) if by_words is None else by_words
                identifier = by_words.get(key)
            if identifier is None:
                return None
            return Standing(identifier, self.store.tag_statement(commons, me, identifier).tags)

        return find

    def _notes(self, commons: bytes) -> dict[tuple[str, ...], bytes]:
        """Return the listed entries without an address, by title and text."""
        notes: dict[tuple[str, ...], bytes] = {}
        ids = self.store.entry_ids(Query(commons=(commons,)), now=self.now())
        for start in range(0, len(ids), _PAGE):
            for row in self.store.entry_rows(ids[start : start + _PAGE]):
                if row.url is None:
                    detail = self.store.entry_detail(commons, row.id)
                    text = "" if detail is None else detail.text or ""
                    notes.setdefault(("words", row.title or "", text), row.id)
        return notes

    def _envelope_lines(self, commons: bytes) -> Iterator[bytes]:
        rowid = 0
        while page := self.store.contributions_after(commons, rowid):
            for rowid, contribution in page:  # noqa: B007  the last one is where the next page starts
                yield envelope_line(contribution).encode()

    def _exported(self, commons: bytes) -> Iterator[ExportedEntry]:
        ids = self.store.entry_ids(Query(commons=(commons,)), now=self.now())
        for start in range(0, len(ids), _PAGE):
            for row in self.store.entry_rows(ids[start : start + _PAGE]):
                detail = self.store.entry_detail(commons, row.id)
                if detail is None or row.missing:
                    continue
                yield ExportedEntry(
                    id=row.id,
                    url=row.url,
                    title=row.title or "",
                    text=detail.text or "",
                    tags=row.tags,
                    claimed_at=row.claimed_at,
                    dated=detail.dated,
                    form=row.form,
                    language=detail.language,
                    licence=detail.licence,
                    author=display_name(row.name, row.author),
                )


class _Taken:
    """What became of the signed contributions of a file so far."""

    def __init__(self) -> None:
        self.links = 0
        self.added = 0
        self.skipped = 0
        self.failures: list[tuple[int, str]] = []
        self.joined: list[bytes] = []
        self.grants: set[Grant] = set()


def _reason(failure: ImportFailure) -> str:
    """Return why something of a file failed, with the file's name where there are several."""
    return f"{failure.source}: {failure.reason}" if failure.source else failure.reason


def _nothing_stands(_entry: ImportedEntry) -> Standing | None:
    return None


def _entry_body(entry: ImportedEntry) -> EntryBody:
    return EntryBody(
        form=entry.form or (FORM_LINK if entry.url else FORM_NOTE),
        title=entry.title,
        text=entry.text,
        url=entry.url,
        language=entry.language,
        licence=entry.licence,
        dated=entry.dated,
        tags=entry.tags,
    )
