"""
Tests of what trials say of a profile.
"""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from tests.unit.session.trials import DRIVEN, ENOSYS, EPERM, PLAN, allowing, refusal, trial
from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.profile.model import Condition, Profile, Rule
from tracer.session.refusals import NOT_VISIBLE
from tracer.session.trial import Bench, Plan, Trial, Watchful
from tracer.session.verification import (
    BY_RULE,
    DENIED,
    ELSEWHERE,
    LOGGED,
    Asked,
    end_problems,
    judge,
    problems_of,
    verdict_on,
    verify,
)

SAYS_ENOSYS = Rule(("clone3",), model.ERRNO, errno=38)
PROFILE = allowing("read", "write", rules=(SAYS_ENOSYS,))
ASKED = Asked(PROFILE, "profile.json")


@pytest.mark.parametrize(
    "plan, one",
    [
        (PLAN, trial("read")),
        (DRIVEN, trial("read", drive=0)),
        (DRIVEN, trial("read", drive=0, stopped=True, status=143)),
        (PLAN, trial("read", refusals=(refusal("clone3", ENOSYS),))),
        (PLAN, trial("read", refusals=(refusal("sync", Answer(model.LOG)),))),
    ],
    ids=["ended", "driven", "stopped", "rule", "logged"],
)
def test_a_trial_is_good_that_ended_as_it_should(plan: Plan, one: Trial):
    """
    Ended with 0, or when stopped after its drive; what a rule answers, or is logged, is no denial.
    """
    assert problems_of(one, plan, ASKED) == ()


@pytest.mark.parametrize(
    "plan, one, words",
    [
        (PLAN, trial("read", status=1), "exit code 1"),
        (PLAN, trial(status=126, recordings=()), "could not be executed"),
        (PLAN, trial("read", status=143), "exit code 143"),
        (DRIVEN, trial("read", drive=22, stopped=True), "the drive's exit code 22"),
        (DRIVEN, trial("read"), "before the drive"),
        (DRIVEN, trial("read", drive=0, stopped=True, status=139), "exit code 139"),
        (PLAN, trial(status=0, recordings=(), failed=("web",)), "web never ran"),
        (PLAN, trial("read", expired=True, status=137), "too long"),
        (PLAN, trial("read", failed=("web",)), "web never ran"),
        (PLAN, trial("read", unfiltered=("web",)), "web ran without a filter"),
        (PLAN, trial(recordings=()), "no container"),
        (PLAN, trial("read", lost=3), "3 denials could not be told"),
        (PLAN, trial("read", refusals=(refusal("sync"),)), "denied: sync"),
        (PLAN, trial("read", refusals=(refusal("sync", Answer(model.TRAP)),)), "denied: sync"),
        (PLAN, trial("read", refusals=(refusal("sync", ENOSYS),)), "denied: sync"),
    ],
)
def test_whatever_else_happened_is_a_problem(plan: Plan, one: Trial, words: str):
    """
    Another exit code, a drive that failed or never began, and any denial are said.
    """
    problems = problems_of(one, plan, ASKED)

    assert len(problems) == 1 and words in problems[0]


def test_another_exit_code_may_be_the_right_one():
    """
    A command that is to end with 3 is good with 3 and not with 0.
    """
    assert not end_problems(trial("read", status=3), PLAN, 3)
    assert end_problems(trial("read"), PLAN, 3)


def test_refusals_of_one_kind_are_one():
    """
    What was refused to one program in several runs is told once, with its count and the runs.
    """
    trials = [
        trial("read", refusals=(refusal("sync", count=2), refusal("clone3", ENOSYS))),
        trial("read"),
        trial("read", refusals=(refusal("sync", count=3), refusal("sync", Answer(model.LOG)))),
    ]

    judged = judge(trials, PROFILE, "podman")

    found = [
        (one.refusal.syscall, one.verdict, one.refusal.count, sorted(one.runs)) for one in judged
    ]
    assert found == [
        ("sync", DENIED, 5, [1, 3]),
        ("sync", LOGGED, 1, [3]),
        ("clone3", BY_RULE, 1, [1]),
    ]


def test_what_the_profile_lets_through_was_denied_by_another_filter():
    """
    A program may load a filter too: what that one refuses is told, and the profile works.
    """
    own = trial("read", refusals=(refusal("sync"),))
    asked = Asked(allowing("read", "sync"), "profile.json")

    (judged,) = judge([own], asked.profile, "podman")

    assert judged.verdict == ELSEWHERE
    assert problems_of(own, PLAN, asked) == ()


DENIES_TIME = allowing("read", "getcpu")
ANSWERS_TIME = allowing("read", rules=(Rule(("time",), model.ERRNO, errno=38),))
KILLS_TIME = allowing("read", rules=(Rule(("time",), model.KILL_PROCESS),))
LOGS_TIME = allowing("read", rules=(Rule(("time",), model.LOG),))


@pytest.mark.parametrize(
    "profile, told",
    [
        (DENIES_TIME, [("time", EPERM, DENIED, 4)]),
        (ANSWERS_TIME, [("time", ENOSYS, BY_RULE, 4)]),
        (KILLS_TIME, [("time", Answer(model.KILL_PROCESS), DENIED, 4)]),
        (LOGS_TIME, []),
        (allowing("read", "time"), []),
    ],
    ids=["default", "rule", "kill", "log", "allowed"],
)
def test_a_vsyscall_is_answered_as_the_profile_says(
    profile: Profile, told: "list[tuple[object, ...]]"
):
    """
    Its answer cannot be seen: it is denied if the profile denies it; of LOG the messages tell.
    """
    asked = trial("read", refusals=(refusal("time", NOT_VISIBLE, count=4),))

    judged = judge([asked], profile, "podman")

    found = [(judgement.refusal, judgement.verdict) for judgement in judged]
    assert [(denied.syscall, denied.answer, word, denied.count) for denied, word in found] == told


def test_a_vsyscall_that_killed_is_told_once():
    """
    The audit message of the kill and the vsyscall itself are one denial.
    """
    killed = refusal("time", Answer(model.KILL_PROCESS))
    asked = trial("read", status=159, refusals=(refusal("time", NOT_VISIBLE), killed))

    (judged,) = judge([asked], KILLS_TIME, "podman")

    assert judged.refusal == killed


def test_a_rule_on_a_vsyscalls_argument_counts():
    """
    What the vsyscall was called with decides, as it does for any other call.
    """
    only_null = Rule(("time",), model.ALLOW, conditions=(Condition(0, model.EQUAL, 0),))
    profile = allowing("read", rules=(only_null,))
    null, pointer = (
        trial("read", refusals=(refusal("time", NOT_VISIBLE, arguments=(first, 0, 0, 0, 0, 0)),))
        for first in (0, 4096)
    )

    assert judge([null], profile, "podman") == ()
    assert [judgement.verdict for judgement in judge([pointer], profile, "podman")] == [DENIED]


def test_what_nothing_used_is_told_apart_from_what_runtimes_may_need():
    """
    A call of the profile that no run made is unused; one that a runtime makes now and then is not,
    nor one that the kernel makes.
    """
    profile = allowing("read", "keyctl", "tgkill", "restart_syscall", rules=(SAYS_ENOSYS,))

    verdict = verdict_on([trial("read")], [()], Asked(profile, ""), "podman")

    assert verdict.is_good
    assert (verdict.unused, verdict.floor_unused) == (("keyctl",), ("tgkill",))


def test_of_a_container_that_never_ran_nothing_is_unused():
    """
    What nobody tried says nothing of the calls that a profile allows.
    """
    asked = Asked(allowing("read", "tgkill"), "profile.json")

    verdict = verdict_on([trial(recordings=())], [("exit code 125",)], asked, "podman")

    assert (verdict.unused, verdict.floor_unused) == ((), ())


def test_the_verdict_names_what_was_denied():
    """
    One bad run among several makes the verdict bad, and the calls that were denied are named once.
    """
    denied = (refusal("sync"), refusal("keyctl"), refusal("sync", executable="/bin/other"))
    trials = [trial("read"), trial("read", refusals=denied)]

    verdict = verdict_on(trials, [(), ("denied",)], ASKED, "podman")

    assert not verdict.is_good
    assert verdict.denied == ("keyctl", "sync")


def test_who_interrupts_between_two_trials_is_told_of_the_first(monkeypatch: pytest.MonkeyPatch):
    """
    What comes before a command is started ends the trying, and not with an error.
    """

    def attempt(_bench: Bench, plan: Plan, _path: str, signals: Watchful) -> Trial:
        signals.start(["true"], None).wait()
        return trial("read")

    monkeypatch.setattr("tracer.session.verification.attempt", attempt)

    with Watchful() as signals:
        verdict = verify(
            *(None, PLAN, replace(ASKED, times=2), signals),  # type: ignore[arg-type]
            told=lambda *_: signal.raise_signal(signal.SIGTERM),
        )

    assert verdict.problems == (("interrupted",),)
