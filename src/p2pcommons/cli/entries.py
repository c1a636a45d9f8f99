"""Entries as JSON objects and as lines of a list; the object's fields are a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pcommons.cli.columns import GAP, cells, fit, pad
from p2pcommons.cli.times import ago
from p2pcommons.model.ids import display_name, short, to_did

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from p2pcommons.store import EntryDetail, EntryRow, VersionRow

_NAME_CELLS = 20
_TITLE_CELLS_MIN = 24


def entry_fields(row: EntryRow) -> dict[str, object]:
    """Return an entry as the JSON object that list, search and show share."""
    return {
        "id": row.id.hex(),
        "commons": row.commons.hex(),
        "title": row.title,
        "url": row.url,
        "form": row.form,
        "author": to_did(row.author),
        "name": row.name,
        "tags": list(row.tags),
        "claimed_at": row.claimed_at,
        "received_at": row.received_at,
        "versions": row.versions,
        "heads": row.heads,
        "withdrawn": row.withdrawn,
        "not_kept": row.not_kept,
    }


def detail_fields(detail: EntryDetail) -> dict[str, object]:
    """Return an entry with everything about it; `versions` is the list itself here."""
    return {
        **entry_fields(detail.row),
        "text": detail.text,
        "language": detail.language,
        "licence": detail.licence,
        "excerpt": detail.excerpt,
        "dated": detail.dated,
        "taggers": [
            {"tag": tag, "authors": [to_did(person.author) for person in people]}
            for tag, people in detail.taggers
        ],
        "versions": [_version_fields(version) for version in detail.versions],
        "withdrawals": [
            {
                "id": each.id.hex(),
                "author": to_did(each.author),
                "claimed_at": each.claimed_at,
                "target": each.target.hex(),
            }
            for each in detail.withdrawals
        ],
        "holders": detail.holders,
    }


def list_lines(rows: Iterable[EntryRow], now: int, width: int) -> list[str]:
    """Return entries as lines: id, age, name, title, tags; cut to `width` unless it is 0."""
    cut = list(rows)
    ages = [ago(min(row.claimed_at, row.received_at), now) for row in cut]
    names = [fit(display_name(row.name, row.author), _NAME_CELLS) for row in cut]
    age_cells = max(map(cells, ages), default=0)
    name_cells = max(map(cells, names), default=0)
    lines: list[str] = []
    for row, age, name in zip(cut, ages, names, strict=True):
        left = GAP.join([short(row.id), pad(age, age_cells), pad(name, name_cells)])
        room = max(width - cells(left) - len(GAP), _TITLE_CELLS_MIN) if width else 0
        lines.append(f"{left}{GAP}{_title_and_tags(row, room)}")
    return lines


def title_line(row: EntryRow | VersionRow) -> str:
    """Return a title, or what stands in its place while the text has not arrived."""
    if row.not_kept:
        return f"{row.title}  (text not kept here)" if row.title else "(text not kept here)"
    if row.missing:
        return "(text not received yet)"
    return row.title or ("(withdrawn)" if row.withdrawn else "(no title)")


def hashes(tags: Sequence[str]) -> str:
    """Return tags as they are shown: #solar #oven."""
    return " ".join(f"#{tag}" for tag in tags)


def _title_and_tags(row: EntryRow, room: int) -> str:
    title = title_line(row)
    if row.heads > 1:
        title += f"  [{row.heads} versions side by side]"
    tags = hashes(row.tags)
    if not room:
        return f"{title}{GAP}{tags}".rstrip()
    left = room - cells(title) - len(GAP)
    if left < _NAME_CELLS // 2:
        return fit(title, room)
    return f"{title}{GAP}{fit(tags, left)}".rstrip()


def _version_fields(version: VersionRow) -> dict[str, object]:
    return {
        "id": version.id.hex(),
        "author": to_did(version.author),
        "name": version.name,
        "device": version.device.hex(),
        "claimed_at": version.claimed_at,
        "received_at": version.received_at,
        "parents": [parent.hex() for parent in version.parents],
        "head": version.is_head,
        "withdrawn": version.withdrawn,
        "not_kept": version.not_kept,
        "title": version.title,
        "text": version.text,
        "url": version.url,
        "form": version.form,
        "edit_note": version.edit_note,
    }
