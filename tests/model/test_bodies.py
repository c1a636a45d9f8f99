"""What bodies of others may hold, and what is made of it."""

from __future__ import annotations

import pytest

from p2pcommons.model import codec
from p2pcommons.model.kinds import ENTRY, EntryBody, encode_body, parse_body

SALT = bytes(range(16))


@pytest.mark.parametrize("dated", [2**64 - 1, -(2**63), 253_402_300_800])
def test_date_that_no_calendar_has_is_left_out(dated: int):
    body = {"dated": dated, "form": "note", "salt": SALT, "text": "", "title": "Compost"}
    assert parse_body(ENTRY, codec.encode(body)) == EntryBody("note", "Compost")


@pytest.mark.parametrize("dated", [0, -2_208_988_800, 253_402_300_799])
def test_date_of_an_old_source_is_kept(dated: int):
    entry = EntryBody("note", "Compost", dated=dated)
    assert parse_body(ENTRY, encode_body(entry, SALT)) == entry
