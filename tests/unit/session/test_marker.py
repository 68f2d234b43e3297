"""
Tests of the marker filter's file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer.errors import OutputError
from tracer.session import marker


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "run" / "marker.json"


def test_the_marker_lets_everything_through_but_one_impossible_call(place: Path):
    """
    The marker is a profile that allows, with one rule that never matches, so that it is loaded.
    """
    profile = json.loads(Path(marker.file(place)).read_text())

    (rule,) = profile["syscalls"]
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    assert rule["args"][0]["value"] > 2**32


def test_engines_without_root_can_read_it(place: Path):
    """
    Whatever the umask is, everybody may read the file, and nobody else may write it.
    """
    before = os.umask(0o077)
    try:
        marker.file(place)
    finally:
        os.umask(before)

    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o644, 0o755)


def test_it_is_written_anew(place: Path):
    """
    A marker that was damaged is mended, and nothing is left beside it.
    """
    marker.file(place)
    place.write_text("damaged")

    marker.file(place)

    assert json.loads(place.read_text())["defaultAction"] == "SCMP_ACT_ALLOW"
    assert [one.name for one in place.parent.iterdir()] == ["marker.json"]


def test_where_it_cannot_be_written_is_an_expected_error(tmp_path: Path):
    """
    A place that cannot be written is named.
    """
    with pytest.raises(OutputError, match="missing"):
        marker.file(tmp_path / "missing" / "run" / "marker.json")
