"""Drafts: what a person has typed and not published; one JSON file each, saved whole or not."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

from p2pcommons.errors import UserError
from p2pcommons.paths import make_private, write_private
from p2pcommons.replica.reading import Reading
from p2pcommons.replica.records import Draft

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[0-9a-z-]{1,64}\Z")


class Drafts(Reading):
    """Drafts in the home's `drafts` folder."""

    def drafts(self) -> list[Draft]:
        """Return all drafts, the one saved last first; files that are none are left alone."""
        if not self.paths.drafts_dir.is_dir():
            return []
        read = [_read(path) for path in self.paths.drafts_dir.glob("*.json")]
        kept = [draft for draft in read if draft is not None]
        return sorted(kept, key=lambda draft: (-draft.saved_at, draft.name))

    def save_draft(self, draft: Draft) -> Draft:
        """Save a draft, giving it a name if it has none, and return it as saved.

        Raises UserError when it cannot be written; the draft before it is still there then.
        """
        named = replace(draft, name=draft.name or os.urandom(8).hex(), saved_at=self.now())
        make_private(self.paths.drafts_dir)
        text = json.dumps(asdict(named), ensure_ascii=False, indent=1)
        write_private(self._draft_path(named.name), text.encode("utf-8", "surrogatepass"))
        return named

    def delete_draft(self, name: str) -> None:
        """Remove a draft; one that is not there is no error."""
        self._draft_path(name).unlink(missing_ok=True)

    def _draft_path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise UserError(f"{name!r} is not the name of a draft")
        return self.paths.drafts_dir / f"{name}.json"


def _read(path: Path) -> Draft | None:
    try:
        value = cast("object", json.loads(path.read_bytes().decode("utf-8", "surrogatepass")))
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    stored = cast("dict[str, object]", value)
    tags, saved_at = stored.get("tags"), stored.get("saved_at")
    texts = {name: text for name, text in stored.items() if isinstance(text, str)}
    listed = cast("list[object]", tags) if isinstance(tags, list) else []
    return Draft(
        name=path.stem,
        commons=texts.get("commons", ""),
        entry=texts.get("entry", ""),
        form=texts.get("form", ""),
        title=texts.get("title", ""),
        url=texts.get("url", ""),
        text=texts.get("text", ""),
        tags=tuple(tag for tag in listed if isinstance(tag, str)),
        saved_at=saved_at if isinstance(saved_at, int) else 0,
        language=texts.get("language", ""),
        licence=texts.get("licence", ""),
    )
