"""The handbook: every page whole, every page named by another one exists."""

from __future__ import annotations

import re

from p2pcommons import handbook
from p2pcommons.model.kinds import encode_body


def test_every_page_can_be_written_as_an_entry() -> None:
    pages = handbook.entries()
    assert len(pages) >= 20
    for page in pages:
        assert encode_body(page, bytes(16))
        assert page.tags, page.title
        assert 200 < len(page.text) < 3_000, page.title


def test_titles_are_different_and_the_first_page_is_the_first() -> None:
    pages = handbook.entries()
    assert pages[0].title == "Start here"
    assert len({page.title for page in pages}) == len(pages)


def test_every_page_named_by_another_exists_and_is_named_somewhere() -> None:
    pages = handbook.entries()
    titles = {page.title for page in pages}
    named: set[str] = set()
    for page in pages:
        (line,) = re.findall(r"^See also: (.+)$", page.text, re.MULTILINE)
        listed = line.split(" · ")
        assert set(listed) <= titles, (page.title, set(listed) - titles)
        assert page.title not in listed
        named.update(listed)
    assert titles - named == set()


def test_tags_tie_pages_together() -> None:
    count: dict[str, int] = {}
    for page in handbook.entries():
        for tag in page.tags:
            count[tag] = count.get(tag, 0) + 1
    assert sum(1 for number in count.values() if number > 1) >= 10
