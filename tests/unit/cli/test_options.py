"""
Tests of options that several commands have.
"""

from __future__ import annotations

import click
import pytest

from tracer.cli import options
from tracer.profile import floors


@pytest.mark.parametrize("value", ["auto", "none"])
def test_auto_and_none_name_no_runtime(value: str):
    """
    The two words that are no names choose no runtime themselves.
    """
    assert options.floor_names(value) == frozenset()


def test_measured_runtimes_may_be_named():
    """
    Any measured runtime may be named, several with commas.
    """
    measured = floors.known_runtimes()

    assert options.floor_names(", ".join(measured)) == measured


def test_an_unmeasured_runtime_is_wrong_usage():
    """
    A runtime that was never measured is refused, with those that were.
    """
    with pytest.raises(click.UsageError, match="no measurements of 'nonsense'"):
        options.floor_names("nonsense")


@pytest.mark.parametrize("value", ["0.5", "1", "1e3", "inf"])
def test_a_number_above_zero_is_a_length_of_time(value: str):
    """
    Fractions and large numbers of seconds are taken.
    """
    assert options.Seconds().convert(value, None, None) == float(value)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "soon", ""])
def test_what_is_no_length_of_time_is_wrong_usage(value: str):
    """
    Zero, less, and what is no number are refused.
    """
    with pytest.raises(click.UsageError):
        options.Seconds().convert(value, None, None)


@pytest.mark.parametrize("value", ["\u0663", "1_0", "+5", " 5", "-1", "0", ""])
def test_the_number_of_a_process_is_digits(value: str):
    """
    What /proc does not call a process is none, though Python reads a number.
    """
    with pytest.raises(click.UsageError):
        options.ProcessNumber().convert(value, None, None)


def test_a_process_has_a_number():
    """
    However large: whether there is such a process is not the option's to say.
    """
    assert options.ProcessNumber().convert("4194305", None, None) == 4194305
