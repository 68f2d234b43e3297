"""
What a profile would deny of a recording, and of what runtimes need.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest

from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.capabilities.names import mask_of
from tracer.profile import floors, model
from tracer.profile.check import FloorDenial, denials, floor_denials
from tracer.profile.decide import Answer
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.recording import HOST, Capabilities, Recording, Run, merge

CRUN = Run("run", runtime="crun", no_new_privileges=True)


def allowing(*names: str, **fields: object) -> Profile:
    rule = Rule(names, model.ALLOW, **fields)  # type: ignore[arg-type]
    return Profile(model.ERRNO, (rule,), architectures=(syscalls.X86_64,))


FOR_ADMINS = allowing("mount", includes=Circumstances(capabilities=("CAP_SYS_ADMIN",)))


def admin(id: str) -> Run:
    """
    A run whose container had CAP_SYS_ADMIN.
    """
    mask = mask_of(["sys_admin"])
    return Run(id, capabilities=Capabilities(0, HOST, 0, mask, mask, mask, 0))


def test_what_is_allowed_is_no_denial():
    """
    A profile denies nothing of a recording that it covers.
    """
    assert denials(allowing("read", "write"), recording("read", "write")) == ()


def test_a_denial_has_every_observation_of_the_call_the_first_one_first():
    """
    Who made a denied call, and when first, is not lost.
    """
    earlier = observation("mount", executable="/bin/sh")
    later = observation("mount", executable="/bin/mount")
    whole = Recording({"run": Run("run")}, (), (later, earlier))

    (denial,) = denials(allowing("read"), whole)

    assert {seen.executable for seen in denial.observations} == {"/bin/sh", "/bin/mount"}
    assert denial.observations[0].first == min(seen.first for seen in denial.observations)
    assert (denial.answer, denial.depends) == (Answer(model.ERRNO, 1), False)


@pytest.mark.parametrize("operator", [model.EQUAL, model.NOT_EQUAL, model.GREATER])
def test_a_condition_makes_a_denial_depend(operator: str):
    """
    A call that is allowed for some arguments is not sure to be denied.
    """
    profile = allowing("personality", conditions=(Condition(0, operator, 8),))

    (denial,) = denials(profile, recording("personality"))

    assert denial.depends


def test_a_number_without_a_name_is_denied():
    """
    No rule can be about a call that nobody can name.
    """
    seen = observation(None, number=4000)

    (denial,) = denials(allowing("read"), Recording({"run": Run("run")}, (), (seen,)))

    assert denial.observations == (seen,)


def test_capabilities_decide_over_rules_that_need_them():
    """
    What needs a capability is denied to a container without it; one of which nothing was recorded
    has its engine's default.
    """
    assert denials(FOR_ADMINS, recording("mount"), lambda run: {"CAP_SYS_ADMIN"}) == ()
    assert denials(FOR_ADMINS, recording("mount", run=admin("run"))) == ()
    assert [one.depends for one in denials(FOR_ADMINS, recording("mount"))] == [False]


def test_each_run_is_judged_by_what_its_container_had():
    """
    Of two runs that made a call, it is denied in the one whose container lacked the capability.
    """
    whole = merge(recording("mount", run=admin("admin")), recording("mount", run=Run("plain")))

    (denial,) = denials(FOR_ADMINS, whole)

    assert [seen.runs for seen in denial.observations] == [frozenset({"plain"})]


def test_what_is_denied_alike_in_several_runs_is_told_once():
    """
    Containers that differ in what does not matter to a call share its denial.
    """
    whole = merge(recording("sync", run=admin("admin")), recording("sync", run=Run("plain")))

    (denial,) = denials(FOR_ADMINS, whole)

    assert [seen.runs for seen in denial.observations] == [frozenset({"admin", "plain"})]


def test_a_runtime_that_some_container_was_recorded_under_is_no_note():
    """
    What one run's runtime needs counts, though another run was made under another one.
    """
    runs = [replace(admin("admin"), runtime="runc"), Run("plain", runtime="crun")]

    found = floor_denials(FOR_ADMINS, runs)

    assert {(one.runtime, one.recorded) for one in found} == {("runc", True), ("crun", True)}


@pytest.mark.parametrize("privileges", [True, False, None])
def test_a_profile_with_a_floor_is_not_denied_it(privileges: Optional[bool]):
    """
    The measured floor of each runtime passes its own check.
    """
    run = Run("run", runtime="runc", no_new_privileges=privileges)
    profile = allowing(*floors.floor_for("runc", privileges))

    assert [one for one in floor_denials(profile, [run]) if one.runtime == "runc"] == []


def test_what_the_recorded_runtime_is_denied_is_told_from_that_of_others():
    """
    A profile that starts nowhere says so for the recorded runtime first.
    """
    found = floor_denials(allowing("read"), [CRUN])

    assert found[0] == FloorDenial("crun", True, "start", ("close", "execve"), True)
    assert [one.recorded for one in found] == sorted((one.recorded for one in found), reverse=True)
    assert {one.runtime for one in found} == floors.known_runtimes()


def test_only_the_wanted_runtimes_are_looked_at():
    """
    Whoever asks for one runtime hears of one.
    """
    assert {one.runtime for one in floor_denials(allowing("read"), [CRUN], {"runc"})} == {"runc"}


def test_a_runtime_does_without_what_it_is_told_is_missing():
    """
    ENOSYS for a call that has a fallback keeps no runtime from starting.
    """
    needed = floors.floor_for("runc", None)
    rules = (
        Rule(tuple(needed - {"faccessat2"}), model.ALLOW),
        Rule(("faccessat2",), model.ERRNO, errno=ENOSYS),
    )

    found = floor_denials(Profile(model.ERRNO, rules), [Run("run", runtime="runc")])

    assert [one for one in found if one.runtime == "runc"] == []
