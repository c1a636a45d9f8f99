"""Columns of wide characters, and times in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcommons.cli.columns import cells, fit, pad, table
from p2pcommons.cli.times import ago, until


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("oven", 4), ("Käse", 4), ("面包", 4), ("🍞", 2), ("e\u0301", 1), ("ｗ", 2)],
)
def test_wide_characters_take_two_cells_and_combining_ones_none(text: str, width: int) -> None:
    assert cells(text) == width


@settings(max_examples=100)
@given(st.text(max_size=40), st.integers(1, 30))
def test_a_text_never_takes_more_cells_than_it_is_given(text: str, width: int) -> None:
    assert cells(fit(text, width)) <= width
    if cells(text) <= width:
        assert fit(text, width) == text
        assert cells(pad(text, width)) == width


def test_columns_line_up_whatever_the_script() -> None:
    lines = table([("面包", "bread"), ("a", "b"), ("longer", "c")])
    assert [cells(line.rpartition("  ")[0]) for line in lines] == [6, 6, 6]
    assert table([("7", "x"), ("12", "y")], right=(0,)) == [" 7  x", "12  y"]
    assert table([("id", "a long title")], width=14) == ["id  a long ti…"]
    assert table([]) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7_300, "2 h ago"),
        (3 * 86_400, "3 d ago"),
        (400 * 86_400, "12 Oct 2024"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: int, said: str) -> None:
    now = 1_763_300_000
    assert ago(now - seconds, now) == said


def test_times_to_come_are_said_too() -> None:
    assert [until(then, 100) for then in (90, 108, 400)] == ["now", "in 8 s", "in 5 min"]
