"""The handbook that comes with the product: a sample commons that teaches it by being used.

Pages are Markdown files beside this module, in reading order by their names. Whoever makes a
commons of them writes the last page first, so that newest first shows the first page on top.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from p2pcommons.errors import UserError
from p2pcommons.interchange.markdown import parse_markdown
from p2pcommons.interchange.records import ImportFailure
from p2pcommons.model.kinds import FORM_ARTICLE, EntryBody

TITLE: Final = "p2pcommons handbook"
PURPOSE: Final = "How to use p2pcommons, in short pages to read, tag and make better."
LANGUAGE: Final = "en"


@cache
def entries() -> tuple[EntryBody, ...]:
    """All pages in reading order. Raises UserError when a page is damaged on the disk."""
    folder = files(__name__)
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".md"))
    return tuple(_page(name, (folder / name).read_text("utf-8")) for name in names)


def _page(name: str, text: str) -> EntryBody:
    page = parse_markdown(text, name)
    if isinstance(page, ImportFailure):
        raise UserError(f"page {name} of the handbook is damaged: {page.reason}")
    return EntryBody(
        form=page.form or FORM_ARTICLE,
        title=page.title,
        text=page.text,
        url=page.url,
        language=LANGUAGE,
        tags=page.tags,
    )
