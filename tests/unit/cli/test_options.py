"""
Tests of options that several commands have.
"""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tracer.cli import options
from tracer.host_floors import FILE, measured
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.floors import shipped


def test_measured_runtimes_may_be_named():
    """
    A runtime and a version that were measured may be named, and all measurements come along.
    """
    choice, known = options.floors_for("runc-1.1.5, crun")

    assert choice == FloorChoice("", (("runc", "1.1.5"), ("crun", "")))
    assert known == measured().floors


@pytest.mark.parametrize("value", ["nonsense", "runc-0.1", "runc,", ""])
def test_an_unmeasured_runtime_is_wrong_usage(value: str):
    """
    A runtime, or a version, that was never measured is refused, with those that were.
    """
    with pytest.raises(click.UsageError, match="no measurements of .*there are: crun-1.8.1"):
        options.floors_for(value)


def test_a_bad_file_of_this_host_is_named_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """
    Damaged measurements of this host are reported in one line, and the package's are used.
    """
    (tmp_path / FILE).write_text("{")
    monkeypatch.setattr(options, "measured", lambda: measured(str(tmp_path)))

    _, known = options.floors_for("auto")

    assert known == shipped()
    assert "only the floors of the package are used" in capsys.readouterr().err


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
