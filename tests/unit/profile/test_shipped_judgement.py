"""
What the measurements that come with the package say of profiles. Each fact was seen by starting
containers under such a profile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

import pytest

from tests.unit.profile.defaults import DEFAULTS, default_text
from tracer import syscalls
from tracer.profile import formats, model
from tracer.profile.floors import NEVER, permitted, shipped, upstream
from tracer.profile.lint import lint
from tracer.profile.model import Profile, Rule
from tracer.profile.remarks import ERROR
from tracer.profile.start_denials import FloorDenial, FloorJudge, joined

BOTH = (syscalls.X86_64, syscalls.X86)
CASES = Path(__file__).parents[2] / "cases"
NEWER_RUNC = {("runc", "1.3.6"), ("runc", "1.4.3")}
OLDER_RUNC = ("runc", "1.1.5")
ON_X86_64 = tuple(floor for floor in shipped() if floor.architecture == syscalls.X86_64)
EVERY = {(floor.runtime, upstream(floor.version)) for floor in ON_X86_64}


def refusing(*names: str, errno: Optional[int] = None) -> Profile:
    """
    A profile that refuses these calls, and allows every other one.
    """
    return Profile(model.ALLOW, (Rule(names, model.ERRNO, errno=errno),), architectures=BOTH)


def told(profile: Profile) -> List[FloorDenial]:
    return list(joined(FloorJudge(profile, frozenset()).denials(ON_X86_64, lambda floor: True)))


def failing(profile: Profile, action: str = "start") -> Set[Tuple[str, str]]:
    return {
        (floor.runtime, upstream(floor.version))
        for denial in told(profile)
        if denial.action == action and denial.always
        for floor in denial.floors
    }


def test_enosys_for_statx_keeps_runc_from_starting_from_1_3_on():
    """
    "could not get mount id: function not implemented": older versions and crun start.
    """
    assert failing(refusing("statx", errno=38)) == NEWER_RUNC


def test_every_runtime_executes_the_program():
    """
    No container starts if execve is refused, whatever the answer.
    """
    assert failing(refusing("execve")) == failing(refusing("execve", errno=38)) == EVERY


def test_runc_does_without_faccessat2_but_not_without_both():
    """
    It falls back to faccessat.
    """
    assert failing(refusing("faccessat2")) == set()
    assert failing(refusing("faccessat2", errno=38)) == set()
    assert OLDER_RUNC in failing(refusing("faccessat", "faccessat2"))


def test_crun_1_28_needs_fstat_for_some_execs():
    """
    "fstat fd 0: Operation not permitted", if the exec has no terminal.
    """
    denials = [denial for denial in told(refusing("fstat")) if denial.runtime == "crun"]

    assert [(denial.action, denial.always, denial.needs) for denial in denials] == [
        ("exec", False, ("fstat",))
    ]
    assert {floor.version for floor in denials[0].floors} == {"1.28"}


@pytest.mark.parametrize("errno", [None, 38])
def test_no_runtime_needs_a_mount_call(errno: Optional[int]):
    """
    runc 1.3 tries fsopen, fsmount and open_tree, and goes on without.
    """
    assert told(refusing(*sorted(NEVER), errno=errno)) == []


@pytest.mark.parametrize("case", ["check-faccessat2-fallback", "check-floor-optional"])
def test_a_profile_from_before_newer_calls_starts_under_older_runc(case: str):
    """
    It starts under runc 1.1.5; runc from 1.3 on needs openat2, or readlinkat in its place.
    """
    text = (CASES / case / "given-profile.json").read_text()

    reasons: Dict[str, Tuple[str, ...]] = {
        upstream(floor.version): denial.needs
        for denial in told(formats.read(text, case))
        if denial.runtime == "runc"
        for floor in denial.floors
    }

    assert OLDER_RUNC[1] not in reasons
    assert {reasons[version] for _, version in NEWER_RUNC} == {("openat2 or readlinkat",)}


@pytest.mark.parametrize("engine", DEFAULTS)
def test_containers_start_under_the_profiles_that_engines_ship(engine: str):
    """
    lint finds no runtime that an engine's own default keeps from starting.
    """
    found = lint(formats.read(default_text(engine), engine))

    assert [remark.message for remark in found if remark.code == "floor-missing"] == []


def test_what_the_floors_allow_is_enough():
    """
    A profile of every floor, and of nothing else, is blocked nowhere.
    """
    rule = Rule(tuple(sorted(permitted(shipped()))), model.ALLOW)

    assert told(Profile(model.ERRNO, (rule,), architectures=BOTH)) == []


def test_a_profile_that_starts_nowhere_is_an_error_of_lint():
    """
    A profile that allows read alone is said to start nothing under every measured version.
    """
    profile = Profile(model.ERRNO, (Rule(("read",), model.ALLOW),), architectures=BOTH)

    found = [remark for remark in lint(profile) if remark.code == "floor-missing"]

    assert found and {remark.severity for remark in found} == {ERROR}
    assert failing(profile) == EVERY
