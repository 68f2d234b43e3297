"""
Which floors a recording's profile gets.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.profile.floor_data import floor
from tests.unit.recordings import recording
from tracer import syscalls
from tracer.errors import InputError
from tracer.profile.floor_choice import (
    UNMEASURED,
    ChosenFloors,
    FloorChoice,
    choose,
    described,
    is_measured,
    labels,
    read_choice,
)
from tracer.profile.floors import Floor
from tracer.recording import Recording, Run, merge


def both(name: str) -> tuple[Floor, Floor]:
    """
    A version measured with and without no-new-privileges.
    """
    return floor(name, "read"), floor(name, "write", no_new_privileges=True)


ARM = floor("runc-1.1.5", architecture=syscalls.AARCH64)
VERSIONS = ("runc-1.4.3", "runc-1.1.5+ds1", "runc-1.3.6+ds1", "crun-1.8.1", "crun-1.21")
MEASURED = (*(each for version in VERSIONS for each in both(version)), ARM)


def run(version: str = "1.3.6+ds1", **fields: Any) -> Run:
    known: dict[str, Any] = {
        "runtime": "runc",
        "container_id": "c" * 64,
        "architecture": syscalls.X86_64,
        "no_new_privileges": False,
        "filter": "engine",
    }
    return Run("run", runtime_version=version, **{**known, **fields})


def chosen(*runs: Run, choice: str = "auto") -> ChosenFloors:
    parts = [
        recording("read", run=dataclasses.replace(started, id=f"run{number}"))
        for number, started in enumerate(runs)
    ]
    return choose(merge(*parts), read_choice(choice, MEASURED), MEASURED)


def test_auto_takes_the_version_that_ran_and_every_later_one():
    """
    An upgrade of the runtime must not break the profile; older versions need not work.
    """
    assert labels(chosen(run("1.1.5+ds1")).floors) == ["runc-1.1.5", "runc-1.3.6", "runc-1.4.3"]
    assert labels(chosen(run()).floors) == ["runc-1.3.6", "runc-1.4.3"]
    assert labels(chosen(run("1.4.3")).floors) == ["runc-1.4.3"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("exact", ["runc-1.3.6"]),
        ("none", []),
        ("all", labels(MEASURED)),
        ("crun", ["crun-1.8.1", "crun-1.21"]),
        ("runc-1.1.5", ["runc-1.1.5"]),
        ("runc-1.1.5+ds1,crun-1.21", ["crun-1.21", "runc-1.1.5"]),
    ],
)
def test_other_choices_name_the_floors_themselves(choice: str, expected: list[str]):
    """
    The version that ran alone, none, all, or runtimes and versions by name.
    """
    assert labels(chosen(run(), choice=choice).floors) == expected


@pytest.mark.parametrize(
    ("setting", "settings"), [(True, {True}), (False, {True, False}), (None, {True, False})]
)
@pytest.mark.parametrize("choice", ["auto", "exact", "runc"])
def test_without_no_new_privileges_both_settings_are_covered(
    setting: bool | None, settings: set[bool], choice: str
):
    """
    Somebody may set no-new-privileges later; taking it away is another container.
    """
    found = chosen(run(no_new_privileges=setting), choice=choice)

    assert {floor.no_new_privileges for floor in found.floors} == settings


def test_the_floors_are_those_of_the_runs_architecture():
    """
    What was measured on another architecture is left aside, unless the recording names none.
    """
    assert ARM not in chosen(run("1.1.5")).floors
    assert set(chosen(run("1.1.5", architecture=syscalls.AARCH64)).floors) == {ARM}
    assert ARM in chosen(run("1.1.5", architecture="")).floors


def test_an_unmeasured_version_with_a_filter_gets_what_is_known_of_the_runtime():
    """
    The recording has what this runtime called in one run; a message names the way to be sure.
    """
    found = chosen(run("1.9.0"))

    assert labels(found.floors) == ["runc-1.1.5", "runc-1.3.6", "runc-1.4.3"]
    assert found.reasons == ()
    assert found.messages[0].startswith("runc 1.9.0 was never measured: ")
    assert "seccomp-trace floor measure" in found.messages[0]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"version": "1.9.0"}, "runc 1.9.0"),
        ({"version": ""}, "runc of unknown version"),
        ({"version": "0.20", "runtime": "youki"}, "youki 0.20"),
        ({"version": "", "runtime": ""}, "a runtime that could not be identified"),
        ({"version": "1.4.3", "architecture": syscalls.AARCH64}, "runc 1.4.3"),
    ],
)
def test_an_unmeasured_version_without_a_filter_is_a_reason_for_doubt(
    fields: dict[str, str], what: str
):
    """
    Nothing of the runtime was recorded, so nothing promises that the container starts.
    """
    (reason,) = chosen(run(**fields, filter="none")).reasons

    assert reason.code == UNMEASURED
    assert f"under {what}, which was never measured" in reason.text
    assert "seccomp-trace floor measure" in reason.text


def test_one_run_with_a_filter_speaks_for_the_same_runtime():
    """
    Of two runs under one unmeasured version, the filtered run shows what the runtime calls.
    """
    found = chosen(run("1.9.0", filter="none"), run("1.9.0"))

    assert found.reasons == () and len(found.messages) == 1


def test_a_measurement_made_later_ends_the_doubt():
    """
    The judgement is made with the profile: the recording itself stays as it is.
    """
    recorded = recording("read", run=run("1.9.0", filter="none"))

    before = choose(recorded, FloorChoice(), MEASURED)
    after = choose(recorded, FloorChoice(), (*MEASURED, *both("runc-1.9.0")))

    assert before.reasons and not after.reasons
    assert labels(after.floors) == ["runc-1.9.0"]


def test_a_plain_command_gets_every_floor_and_a_message():
    """
    Any runtime may start the program one day.
    """
    found = chosen(Run("run", architecture=syscalls.X86_64))

    assert labels(found.floors) == labels(MEASURED)
    assert found.messages[0].startswith("no container runtime was seen")
    assert found.reasons == ()


def test_an_empty_recording_has_no_floor():
    """
    Without a run there is nothing to start.
    """
    assert choose(Recording(), FloorChoice(), MEASURED) == ChosenFloors()


@pytest.mark.parametrize("text", ["youki", "runc-1.2.3", "runc-", "", "auto,crun"])
def test_what_nobody_has_measured_cannot_be_named(text: str):
    """
    A name without measurements is refused with those that there are.
    """
    with pytest.raises(InputError, match="no measurements of .*crun-1.8.1, crun-1.21, runc-1.1.5"):
        read_choice(text, MEASURED)


def test_floors_are_described_by_runtime_and_version():
    """
    A person reads each runtime once, with its versions in order.
    """
    assert described(MEASURED) == "crun 1.8.1 and 1.21, runc 1.1.5, 1.3.6 and 1.4.3"
    assert described(both("crun-1.21")) == "crun 1.21"
    assert described(()) == ""


def test_a_distributions_suffix_is_no_other_version():
    """
    Debian's 1.1.5+ds1 has the sources of 1.1.5; another architecture was not measured.
    """
    assert is_measured("runc", "1.1.5", syscalls.X86_64, MEASURED)
    assert is_measured("runc", "1.1.5+ds2", "", MEASURED)
    assert not is_measured("runc", "1.4.3", syscalls.AARCH64, MEASURED)
    assert not is_measured("runc", "", syscalls.X86_64, MEASURED)


@pytest.mark.parametrize("choice", ["auto", "exact", "all", "runc", "runc,crun"])
def test_a_choice_that_covers_the_runtime_keeps_the_doubt(choice: str):
    """
    Floors of other versions say nothing of a version that nobody has measured.
    """
    assert chosen(run("1.9.0", filter="none"), choice=choice).reasons
    assert chosen(run("1.9.0"), choice=choice).messages


@pytest.mark.parametrize("choice", ["none", "crun", "runc-1.3.6", "crun-1.21,runc-1.4.3"])
def test_a_choice_of_other_floors_is_the_persons_own(choice: str):
    """
    Nobody is told of the runtime that ran who asks for another runtime, or for certain versions.
    """
    assert chosen(run("1.9.0", filter="none"), choice=choice).reasons == ()


@pytest.mark.parametrize(
    "filtered",
    [
        run("1.9.0", no_new_privileges=True),
        run("1.9.0", no_new_privileges=None),
        run("1.9.0", architecture=syscalls.AARCH64),
        run("1.9.1"),
        run(""),
    ],
    ids=["later filter", "unknown setting", "another architecture", "another version", "unknown"],
)
def test_a_filtered_run_speaks_only_for_runs_like_it(filtered: Run):
    """
    What a runtime calls depends on its version, its host and on when it loads the filter.
    """
    assert chosen(run("1.9.0", filter="none"), filtered).reasons


def test_an_unknown_version_is_not_the_same_as_another_unknown_version():
    """
    Two files that tell no version are alike only if their builds are.
    """
    unfiltered = run("", filter="none", runtime_build_id="aa")

    assert chosen(unfiltered, run("", runtime_build_id="bb")).reasons
    assert chosen(unfiltered, run("")).reasons
    assert not chosen(unfiltered, run("", runtime_build_id="aa")).reasons
