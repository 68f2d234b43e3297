"""
The measurements that a host keeps of its own runtimes.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.profile.floor_data import floor
from tracer.errors import InputError, SeccompTraceError
from tracer.host_floors import FILE, Measured, forget, keep, measured, own
from tracer.profile.floors import shipped

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the file is root's")

NEW = floor("runc-9.9.9", "read")


@pytest.fixture
def place(tmp_path: Path) -> str:
    """
    A directory that is not there yet.
    """
    return str(tmp_path / "state")


def test_a_measurement_is_kept_beside_the_packages(place: str):
    """
    What this host measured is there at once, and the package's measurements stay.
    """
    keep([NEW], place)

    assert own(place) == (NEW,)
    assert measured(place).floors == (*shipped(), NEW)
    assert measured(place).problem == ""


def test_a_measurement_replaces_what_was_measured_of_the_same_thing(place: str):
    """
    This host's measurement counts in place of the package's, and a later one of an earlier one.
    """
    same = floor("runc-1.1.5", "read")
    keep([floor("runc-1.1.5", "write"), NEW], place)
    keep([same], place)

    found = measured(place).floors

    assert [floor for floor in found if floor.key == same.key] == [same]
    assert NEW in found


def test_what_is_forgotten_is_gone(place: str):
    """
    Forgetting leaves the other measurements of this host.
    """
    keep([NEW, floor("runc-9.9.8", "read")], place)
    forget([NEW], place)

    assert own(place) == (floor("runc-9.9.8", "read"),)


def test_without_a_file_the_packages_measurements_are_all(place: str):
    """
    A host that measured nothing has no problem.
    """
    assert measured(place) == Measured(shipped())


def damaged(path: Path) -> None:
    path.write_text('{"version": 2, "floors": [{}]}')


def cut_short(path: Path) -> None:
    path.write_text('{"version": 2, "floors": [')


def anothers(path: Path) -> None:
    os.chown(path, 65534, 65534)


def writable(path: Path) -> None:
    path.chmod(0o666)


def anothers_directory(path: Path) -> None:
    os.chown(path.parent, 65534, 65534)


def linked(path: Path) -> None:
    path.rename(path.parent / "elsewhere")
    path.symlink_to("elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


@pytest.mark.parametrize(
    "spoil", [damaged, cut_short, anothers, writable, anothers_directory, linked, piped]
)
def test_a_file_that_cannot_be_trusted_is_not_used(place: str, spoil: object):
    """
    One line says why, the package's measurements are used, and nothing is added to such a file.
    """
    keep([NEW], place)
    assert callable(spoil)
    spoil(Path(place) / FILE)

    found = measured(place)

    assert found.floors == shipped()
    assert found.problem.endswith("only the floors of the package are used")
    assert "\n" not in found.problem
    with pytest.raises(InputError):
        own(place)
    with pytest.raises(SeccompTraceError):
        keep([NEW], place)


def test_two_measurements_at_once_are_both_kept(place: str):
    """
    Each writes what the other has written, too, however they meet.
    """
    new = [floor(f"runc-9.9.{number}", "read") for number in range(16)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: keep([each], place), new))

    assert {each.key for each in own(place)} == {each.key for each in new}
