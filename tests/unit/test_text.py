"""
Strings that others chose cannot steer the terminal that shows them.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies

from tracer.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, später", "plain text, später"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("abc\u202egpj", "abc\\u202egpj"),
        ("a\u2066b\u200bc", "a\\u2066b\\u200bc"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\udcff", "\\xff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_could_do_harm_is_escaped(text: str, shown: str):
    """
    Control, format and surrogate characters become escapes, all else stays.
    """
    assert printable(text) == shown


@settings(deadline=None)
@given(strategies.text(strategies.characters()), strategies.integers(3, 50))
def test_any_text_becomes_one_short_printable_line(text: str, limit: int):
    """
    The result is printable, encodable, on one line and no longer than the limit.
    """
    shown = printable(text, limit)

    assert shown.isprintable()
    assert len(shown) <= limit
    assert shown.encode("utf-8")[:0] == b""


def test_what_was_cut_ends_in_dots():
    """
    A text that is too long says that something is missing.
    """
    assert printable("x" * 11, 10) == "xxxxxxx..."
    assert printable("x" * 10, 10) == "x" * 10
