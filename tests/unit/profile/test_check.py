"""
What a profile would deny of a recording.
"""

from __future__ import annotations

import pytest

from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.capabilities.names import mask_of
from tracer.profile import model
from tracer.profile.check import denials
from tracer.profile.decide import Answer
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.model import Circumstances, Condition, Profile, Rule
from tracer.recording import HOST, Capabilities, Recording, Run, merge


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


@pytest.mark.parametrize(
    ("runtime", "version", "number"),
    [
        ("runc", "1.3.6", ENOSYS),
        ("runc", "1.1.5+ds1", ENOSYS),
        ("crun", "1.8.1", 1),
        ("youki", "0.5", 1),
        ("", "", 1),
    ],
)
def test_a_call_is_judged_by_the_runtime_that_ran(runtime: str, version: str, number: int):
    """
    runc answers ENOSYS to a call that is newer than every call of the profile, other runtimes what
    the profile says.
    """
    run = Run("run", runtime=runtime, runtime_version=version)

    (denial,) = denials(allowing("read", "write"), recording("openat2", run=run))

    assert denial.answer == Answer(model.ERRNO, number)


def test_runs_of_two_runtimes_are_told_apart_where_the_answers_differ():
    """
    A newer call is denied with ENOSYS in the run under runc, and with EPERM in that under crun.
    """
    runs = (Run("old", runtime="runc", runtime_version="1.1.5"), Run("new", runtime="crun"))
    whole = merge(*(recording("openat2", "setns", run=run) for run in runs))

    found = denials(allowing("write", "landlock_create_ruleset"), whole)
    newer = denials(allowing("write"), whole)

    assert [
        (seen.name, denial.answer.errno) for denial in found for seen in denial.observations
    ] == [
        ("openat2", 1),
        ("setns", 1),
    ]
    assert {(denial.answer.errno, *denial.observations[0].runs) for denial in newer} == {
        (ENOSYS, "old"),
        (1, "new"),
    }
