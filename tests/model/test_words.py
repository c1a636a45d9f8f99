"""What a peer writes cannot steer the terminal of whoever reads it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.model.words import clean_line, clean_text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "[2Jgone"),
        ("\x9b31mred", "31mred"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("a\u2066b\u2069c", "abc"),
        ("in\u200bvis\u2060ible\ufeff", "invisible"),
        ("one\ntwo\r\nthree\u2028four", "one two three four"),
        ("tab\tbed", "tab bed"),
        ("  wide \u3000  gap ", "wide gap"),
        ("z" + "\u0335" * 40, "z" + "\u0335" * 6),
        ("👩\u200d👩\u200d👧 family", "👩\u200d👩\u200d👧 family"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x\u200d\u200d\u200dy", "x\u200dy"),
        ("tag\U000e0041\U000e0042", "tag"),
    ],
)
def test_hostile_line_is_shown_harmless(hostile: str, shown: str):
    assert clean_line(hostile) == shown


def test_long_line_is_shortened_visibly():
    assert clean_line("x" * 400) == "x" * 299 + "…"


def test_text_keeps_its_lines_and_nothing_else():
    assert clean_text("a\r\nb\x0cc\td\x1b]0;title\x07") == "a\nb\nc   d]0;title"


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_control_character_ever_survives(text: str):
    for cleaned in (clean_line(text), clean_text(text).replace("\n", "")):
        for character in cleaned:
            assert unicodedata.category(character) not in ("Cc", "Cs")
            assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
