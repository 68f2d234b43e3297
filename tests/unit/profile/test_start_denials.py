"""
Which runtimes, in which versions, start no container under a profile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, List, Tuple

from tests.unit.profile.floor_data import floor, trials
from tracer import syscalls
from tracer.profile import model
from tracer.profile.floor_choice import described
from tracer.profile.floors import Floor
from tracer.profile.model import Circumstances, Profile, Rule
from tracer.profile.start_denials import FloorDenial, FloorJudge, joined

BOTH = (syscalls.X86_64, syscalls.X86)
STATX = trials("statx", failed=(20, 20))


def of_statx(name: str, **fields: object) -> Floor:
    return floor(name, "execve", "statx", trials=STATX, **fields)


def refusing(*rules: Rule, architectures: Tuple[str, ...] = BOTH) -> Profile:
    """
    A profile that allows what a start needs, but for statx and openat2.
    """
    allowed = Rule(("read", "execve", "execveat", "close", "landlock_restrict_self"), model.ALLOW)
    return Profile(model.ERRNO, (allowed, *rules), architectures=architectures)


def told(profile: Profile, floors: Iterable[Floor]) -> List[FloorDenial]:
    found = FloorJudge(profile, frozenset()).denials(floors, lambda floor: True)
    return list(joined(found))


def test_versions_that_fail_alike_are_named_together():
    """
    A denial has every version of a runtime that needs the call, and no other.
    """
    floors = [of_statx("runc-1.4.3"), floor("runc-1.1.5", "execve"), of_statx("runc-1.3.6+ds1")]

    (denial,) = told(refusing(), floors)

    assert described(denial.floors) == "runc 1.3.6 and 1.4.3"
    assert (denial.action, denial.needs, denial.always) == ("start", ("statx",), True)


def test_statx_answered_with_enosys_keeps_newer_runc_from_starting():
    """
    Our own answer for calls that C libraries can do without is fatal to runc 1.3.6 and 1.4.3.
    """
    enosys = refusing(Rule(("statx",), model.ERRNO, errno=38))
    floors = [floor("runc-1.1.5", "execve"), of_statx("runc-1.3.6"), of_statx("runc-1.4.3")]

    (denial,) = told(enosys, floors)

    assert described(denial.floors) == "runc 1.3.6 and 1.4.3"


def test_settings_that_fail_alike_are_told_as_one():
    """
    With and without no-new-privileges is None; a version that differs is told apart.
    """
    floors = [
        of_statx("runc-1.3.6"),
        of_statx("runc-1.3.6", no_new_privileges=True),
        of_statx("runc-1.4.3", no_new_privileges=True),
    ]

    found = told(refusing(), floors)

    assert {(described(denial.floors), denial.no_new_privileges) for denial in found} == {
        ("runc 1.3.6", None),
        ("runc 1.4.3", True),
    }


def test_an_exec_is_told_only_where_containers_start():
    """
    Nobody can enter a container that does not start.
    """
    execs = [of_statx("runc-1.3.6", action="exec"), of_statx("crun-1.28", action="exec")]

    found = told(refusing(), [of_statx("runc-1.3.6"), *execs])

    assert [(denial.runtime, denial.action) for denial in found] == [
        ("crun", "exec"),
        ("runc", "start"),
    ]


def test_what_counts_comes_first_and_a_floor_is_told_once():
    """
    A floor that fails in several containers counts if it does for one of them.
    """
    note = FloorDenial((of_statx("crun-1.28"),), refusal="no")
    counted = replace(note, floors=(of_statx("runc-1.3.6"),), counts=True)

    assert joined([note, replace(counted, counts=False), counted]) == (counted, note)


def test_newer_calls_than_the_profile_get_enosys_under_runc_alone():
    """
    A version of runc that fails with ENOSYS only is blocked by its own prologue, crun is not.
    """
    measured = trials("openat2", failed=(0, 20))
    floors = [
        floor(name, "execve", "openat2", trials=measured) for name in ("runc-1.3.6", "crun-1.28")
    ]
    profile = Profile(model.ERRNO, (Rule(("execve",), model.ALLOW),), architectures=BOTH)

    assert [denial.runtime for denial in told(profile, floors)] == ["runc"]
    assert [denial.runtime for denial in told(refusing(), floors)] == []


def test_old_runc_has_no_prologue_for_a_host_that_is_not_named():
    """
    Up to 1.1.14 runc answers EPERM there; from 1.1.15 on it answers ENOSYS.
    """
    measured = trials("openat2", failed=(0, 20))
    floors = [
        floor(f"runc-{version}", "openat2", trials=measured) for version in ("1.1.5", "1.1.15")
    ]
    profile = Profile(model.ERRNO, (Rule(("execve",), model.ALLOW),))

    assert [described(denial.floors) for denial in told(profile, floors)] == ["runc 1.1.15"]


def test_numbers_are_those_of_the_floors_architecture():
    """
    A profile for arm64 is judged as arm64 hosts load it.
    """
    arm = of_statx("runc-1.3.6", architecture=syscalls.AARCH64)
    for_arm = Circumstances(architectures=("arm64",))
    allowing = refusing(Rule(("statx",), model.ALLOW, includes=for_arm))

    (denial,) = told(allowing, [arm, of_statx("runc-1.3.6")])

    assert denial.architecture == syscalls.X86_64


def test_a_profile_that_a_runtime_refuses_starts_nothing_under_it():
    """
    crun loads no profile with an errno beside a kill.
    """
    profile = Profile(model.KILL, (Rule(("execve",), model.ALLOW),), default_errno=38)

    (denial,) = told(profile, [floor("crun-1.28", "execve"), floor("runc-1.3.6", "execve")])

    assert (denial.runtime, denial.always) == ("crun", True)
    assert denial.refusal == "crun refuses the profile: an errno beside SCMP_ACT_KILL"
