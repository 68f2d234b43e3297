"""
A sample of `scripts/fuzz-profiles`.
"""

from __future__ import annotations

from tests.readers import fuzz

COUNT = 400


def test_no_command_about_profiles_ends_in_a_traceback():
    """
    Whatever files are damaged, lint, diff, merge, check, generate and convert end with an answer.
    """
    assert list(fuzz.failures(COUNT, seed=COUNT)) == []
