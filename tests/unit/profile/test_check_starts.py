"""
Whether recorded containers start under a profile: what counts, what is a note, what is not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Sequence, Tuple

import pytest

from tests.unit.profile.floor_data import floor, trials
from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.capabilities.names import mask_of
from tracer.profile import model
from tracer.profile.check import denials
from tracer.profile.check_starts import Starts, runtime_does_without, starts
from tracer.profile.floor_choice import described, read_choice
from tracer.profile.floors import Floor
from tracer.profile.model import Circumstances, Profile, Rule
from tracer.recording import HOST, RUNTIME, Capabilities, Recording, Run, merge

STATX = trials("statx", failed=(20, 20))
VERSIONS = ("runc-1.1.5+ds1", "runc-1.3.6+ds1", "runc-1.4.3", "crun-1.8.1", "crun-1.28")
# Every version needs statx here, with and without no-new-privileges.
MEASURED = tuple(
    floor(name, "statx", trials=STATX, no_new_privileges=privileges)
    for name in VERSIONS
    for privileges in (False, True)
)
WITHOUT_STATX = Profile(
    model.ERRNO, (Rule(("execve", "read"), model.ALLOW),), architectures=(syscalls.X86_64,)
)


def run(name: str = "runc-1.3.6+ds1", **fields: Any) -> Run:
    runtime, _, version = name.partition("-")
    known: dict[str, Any] = {
        "container_id": "c" * 64,
        "architecture": syscalls.X86_64,
        "no_new_privileges": False,
        "filter": "engine",
    }
    return Run("run", runtime=runtime, runtime_version=version, **{**known, **fields})


def judged(
    *runs: Run,
    choice: str = "auto",
    measured: Sequence[Floor] = MEASURED,
    profile: Profile = WITHOUT_STATX,
) -> Starts:
    parts = [
        recording("read", run=replace(each, id=f"run{number}")) for number, each in enumerate(runs)
    ]
    return starts(profile, merge(*parts), read_choice(choice, measured), measured)


def told(found: Starts) -> List[Tuple[bool, str]]:
    return [(denial.counts, described(denial.floors)) for denial in found.denials]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", [(True, "runc 1.3.6"), (False, "crun 1.8.1 and 1.28"), (False, "runc 1.4.3")]),
        ("exact", [(True, "runc 1.3.6")]),
        ("none", []),
        ("runc", [(True, "runc 1.1.5, 1.3.6 and 1.4.3")]),
        ("crun-1.28,runc-1.1.5", [(True, "crun 1.28"), (True, "runc 1.1.5")]),
        ("all", [(True, "crun 1.8.1 and 1.28"), (True, "runc 1.1.5, 1.3.6 and 1.4.3")]),
    ],
)
def test_the_version_that_ran_counts_and_what_is_named(
    choice: str, expected: List[Tuple[bool, str]]
):
    """
    By default later versions and other runtimes are notes; earlier versions are no matter.
    """
    assert told(judged(run(), choice=choice)) == expected


@pytest.mark.parametrize("privileges", [True, False, None])
def test_floors_are_those_of_the_recorded_setting(privileges: bool | None):
    """
    A container starts again with the setting that it had; if that is unknown, both count.
    """
    first, *_ = judged(run(no_new_privileges=privileges)).denials

    assert first.no_new_privileges is privileges
    assert {floor.no_new_privileges for floor in first.floors} == (
        {True, False} if privileges is None else {privileges}
    )


def test_several_recorded_runtimes_all_count():
    """
    Containers were recorded under runc and crun: neither is a note.
    """
    found = judged(run("runc-1.4.3"), run("crun-1.28"))

    assert told(found) == [(True, "crun 1.28"), (True, "runc 1.4.3")]


def test_floors_of_other_architectures_are_no_matter():
    """
    A recording of an x86-64 host is not judged by what runc needs on arm64.
    """
    arm = [replace(floor, architecture=syscalls.AARCH64) for floor in MEASURED]

    assert told(judged(run(), choice="all", measured=arm)) == []
    assert told(judged(run(architecture=syscalls.AARCH64), choice="exact", measured=arm)) == [
        (True, "runc 1.3.6")
    ]


@pytest.mark.parametrize("version", ["runc-1.2.9", "runc-", "youki-0.5"])
def test_a_version_that_nobody_has_measured_is_named(version: str):
    """
    What other versions need counts for nothing, and the run's own version is reported.
    """
    found = judged(run(version))

    assert [f"{run.runtime}-{run.runtime_version}" for run in found.unmeasured] == [version]
    assert found.denials and not any(denial.counts for denial in found.denials)
    assert judged(run()).unmeasured == ()
    assert judged(run(version), choice="crun").unmeasured == ()


def test_a_plain_command_has_notes_only():
    """
    Nobody knows which runtime will start the program of such a recording.
    """
    command = Run("run", architecture=syscalls.X86_64, command=("ls",))
    found = starts(
        WITHOUT_STATX, recording("read", run=command), read_choice("auto", MEASURED), MEASURED
    )

    assert {counts for counts, _ in told(found)} == {False}
    assert found.unmeasured == ()


def test_calls_that_nobody_has_tried_are_told_of_the_version_that_ran():
    """
    They are worth a note for that version alone, and only if it starts as far as is known.
    """
    floors = [floor(name, "futex", "read") for name in ("runc-1.3.6", "runc-1.4.3", "crun-1.28")]
    blocked = replace(floors[0], calls=(("futex", 1), ("statx", 200)), trials=STATX)

    (found,) = judged(run(), measured=floors).untried
    assert (described([found[0]]), found[1]) == ("runc 1.3.6", ("futex",))
    assert judged(run(), measured=[blocked]).untried == ()


def test_a_start_that_depends_on_capabilities_is_judged_by_each_run():
    """
    Of two containers only the one that lacks the capability does not start.
    """
    mask = mask_of(["sys_admin"])
    admin = Capabilities(0, HOST, 0, mask, mask, mask, 0)
    rule = Rule(("statx",), model.ALLOW, includes=Circumstances(capabilities=("CAP_SYS_ADMIN",)))
    profile = replace(WITHOUT_STATX, rules=(*WITHOUT_STATX.rules, rule))

    alone = judged(run(capabilities=admin), choice="exact", profile=profile)
    both = judged(run(capabilities=admin), run(), choice="exact", profile=profile)

    assert (told(alone), told(both)) == ([], [(True, "runc 1.3.6")])


# --- What the runtime alone called ---


@pytest.mark.parametrize(
    ("name", "executables", "without"),
    [
        ("faccessat2", [RUNTIME], True),
        ("faccessat2", [RUNTIME, "/bin/ls"], False),
        ("statx", [RUNTIME], False),
        ("futex", [RUNTIME], False),
        ("fsopen", [RUNTIME], True),
    ],
)
def test_a_runtime_does_without_what_trials_say_it_survives(
    name: str, executables: List[str], without: bool
):
    """
    Not if a program called it, too, nor if nobody has tried; no profile allows a mount call for it.
    """
    tried = (*trials("faccessat2"), *STATX)
    measured = (floor("runc-1.3.6", "faccessat2", "statx", "futex", trials=tried),)
    seen = tuple(observation(name, executable=each) for each in executables)
    whole = Recording({"run": run()}, (), seen)

    (denial,) = denials(WITHOUT_STATX, whole)

    assert runtime_does_without(denial, whole, measured) is without


def test_what_was_measured_of_another_version_proves_nothing():
    """
    The trials of runc 1.4.3 are not about runc 1.3.6.
    """
    measured = (floor("runc-1.4.3", "faccessat2", trials=trials("faccessat2")),)
    seen = observation("faccessat2", executable=RUNTIME)
    whole = Recording({"run": run()}, (), (seen,))

    (denial,) = denials(WITHOUT_STATX, whole)

    assert not runtime_does_without(denial, whole, measured)
