"""
Tests of options that several commands have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click
import pytest

from tracer.cli import options
from tracer.host_floors import FILE, measured
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.floors import shipped
from tracer.profile.releases import Release


def asked_about(*words: str) -> Optional[Release]:
    """
    The release that a command with --libseccomp is given for these words.
    """

    @click.command()
    @options.libseccomp("The host's.")
    def command(release: Optional[Release]) -> Optional[Release]:
        return release

    found: Optional[Release] = command.main(list(words), standalone_mode=False)
    return found


def test_measured_runtimes_may_be_named():
    """
    A runtime and a version that were measured may be named, and all measurements come along.
    """
    choice, known = options.floors_for("runc-1.1.5, crun")

    assert choice == FloorChoice("", (("runc", "1.1.5"), ("crun", "")))
    assert known == measured().floors


@pytest.mark.parametrize("text, release", [("2.5.4", (2, 5, 4)), ("2.6", (2, 6, 0)), (None, None)])
def test_a_release_of_libseccomp_is_two_or_three_numbers(
    text: Optional[str], release: Optional[Release]
):
    """
    Without the option there is no release, which is this host's libseccomp.
    """
    assert asked_about(*(["--libseccomp", text] if text else [])) == release


@pytest.mark.parametrize("text", ["", "2", "2.5.4.1", "v2.5.4", "2.5.x", "2.٥", "2.5.4-1"])
def test_another_text_is_no_release(text: str):
    """
    What is no release is wrong usage.
    """
    with pytest.raises(click.BadParameter, match="is no release, such as 2.5.4"):
        asked_about("--libseccomp", text)


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
