"""
Reading hostile JSON: what is refused beyond what JSON itself refuses.
"""

from __future__ import annotations

import pytest

from tracer.document import MAX_DEPTH, Node, canonical, parse
from tracer.errors import InputError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON, or cut short (line 1, column 1"),
        ('{"a": 1', "not JSON, or cut short"),
        ('{"a": 1, "a": 2}', 'the key "a" appears twice'),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', "the number 1e999 is out of range"),
        ("9" * 5000, "a number has 5000 digits"),
        ("[" * 100_000, "nested deeper than"),
        ('{"a":' * 100_000, "nested deeper than"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper than"),
        ('["\\ud800"]', "lone surrogate"),
        ('{"\\udfff": 1}', "lone surrogate"),
        ("\ufeff{}", "not JSON"),
        ('["a\nb"]', "not JSON"),
    ],
)
def test_what_is_no_sound_json_is_refused(text: str, message: str):
    """
    Each fault is one InputError of one line that names the file.
    """
    with pytest.raises(InputError) as caught:
        parse(text, "x.json")

    assert str(caught.value).startswith("x.json: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_bytes_that_are_no_text_are_accepted():
    """
    A path may hold any bytes: Python's spelling of them is not taken for a fault.
    """
    assert parse('["/srv/\\udcff"]', "x.json") == ["/srv/\udcff"]


def test_nesting_up_to_the_limit_is_accepted():
    """
    The limit itself is allowed.
    """
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert canonical(parse(text, "x.json")) == text


def test_canonical_does_not_depend_on_the_order_of_keys():
    """
    Two objects with the same members have one text.
    """
    assert (
        canonical({"b": 1, "a": [None]}) == canonical({"a": [None], "b": 1}) == '{"a":[null],"b":1}'
    )


def test_a_hostile_key_cannot_write_to_the_terminal():
    """
    A path within the document is shown with its control characters escaped.
    """
    node = Node({"\x1b[2J\n": 1}, "x.json").child("\x1b[2J\n")

    assert str(node.wrong("a string")) == "x.json: $.\\x1b[2J\\x0a: expected a string, found 1"
