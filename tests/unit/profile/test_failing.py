"""
What a profile leaves out since the kernel never made it, and what it answers instead.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Optional, Tuple

import pytest
from hypothesis import given, settings

from tests.unit.profile.floor_data import floor
from tests.unit.recordings import observation, recording, recordings
from tracer import syscalls
from tracer.profile import formats
from tracer.profile.combine import merge as merge_profiles
from tracer.profile.decide import NO_RUNTIME, Answer, decide
from tracer.profile.failing import ANSWERS, failed_calls, left_out
from tracer.profile.floor_choice import read_choice
from tracer.profile.generate import FALLBACK_MARK, generate
from tracer.profile.making import Made, Wanted, make
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.recording import Denial, Observation, Recording, Run, Sighting, merge

ENOSYS, EPERM = 38, 1
RUNC = Run("run", runtime="runc", runtime_version="1.1.5", architecture=syscalls.X86_64)


def ended(*words: str, name: str = "keyctl", run: str = "run", **fields: Any) -> Observation:
    """
    A call that ended in these ways in one run.
    """
    return observation(name, runs=frozenset(), outcomes={run: words}, **fields)


def seen(*observations: Observation, **fields: Any) -> Recording:
    runs = {run for one in observations for run in one.runs}
    return Recording({run: Run(run) for run in runs}, observations=observations, **fields)


def denied(answer: str) -> Denial:
    last = Sighting(1, 1, "ls")
    return Denial("/bin/ls", syscalls.X86_64, 250, "keyctl", answer, last, (("run", 1),))


# How it ended in each of the recordings that are merged, and with what it may be answered.
CASES: Dict[str, Tuple[Recording, Optional[int]]] = {
    "ENOSYS each time": (seen(ended("ENOSYS")), ENOSYS),
    "EPERM each time": (seen(ended("EPERM")), EPERM),
    "the same in two runs": (seen(ended("EPERM"), ended("EPERM", run="two")), EPERM),
    "the same in two programs": (seen(ended("EPERM"), ended("EPERM", executable="/b")), EPERM),
    "either": (seen(ended("EPERM", "ENOSYS")), None),
    "one in one run, one in another": (seen(ended("EPERM"), ended("ENOSYS", run="two")), None),
    "success": (seen(ended("success")), None),
    "success, too": (seen(ended("ENOSYS", "success")), None),
    "success in another run": (seen(ended("ENOSYS"), ended("success", run="two")), None),
    "success in a program": (seen(ended("ENOSYS"), ended("success", executable="/b")), None),
    "another error": (seen(ended("EACCES")), None),
    "another error, too": (seen(ended("EPERM", "EINVAL")), None),
    "interrupted": (seen(ended("interrupted", "EPERM")), None),
    "not always ended": (seen(ended("ENOSYS", "unfinished")), None),
    "never ended": (seen(ended("unfinished")), None),
    "a word of a newer version": (seen(ended("ENOSYS", "whatever")), None),
    "unknown": (seen(observation("keyctl")), None),
    "unknown in another run": (
        seen(ended("ENOSYS"), observation("keyctl", runs=frozenset({"two"}))),
        None,
    ),
    "unknown in a program": (seen(ended("ENOSYS"), observation("keyctl", executable="/b")), None),
    "success under another architecture": (
        seen(ended("ENOSYS"), ended("success", architecture=syscalls.X86)),
        None,
    ),
    "the same by the filter": (seen(ended("EPERM"), denials=(denied("EPERM"),)), EPERM),
    "another answer by the filter": (seen(ended("ENOSYS"), denials=(denied("EPERM"),)), None),
    "a trap by the filter": (seen(ended("EPERM"), denials=(denied("trap"),)), None),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_failed_each_time_in_the_same_way_can_be_left_out(case: str):
    """
    Every program, run and architecture must have had the same one of two answers, each time.
    """
    recorded, answer = CASES[case]

    assert failed_calls(recorded).get("keyctl") == answer


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_what_is_left_out_failed_in_every_run_of_every_recording(a: Recording, b: Recording):
    """
    Merging hides nothing: each observation of a call that can be left out tells of all its runs,
    and of each the one answer.
    """
    merged = merge(a, b)
    failed = failed_calls(merged)

    left = {seen.key: seen.name for seen in merged.observations if seen.name in failed}
    for one in a.observations + b.observations:
        if one.key in left:
            ended_in = dict(one.outcomes)
            assert ended_in.keys() == one.runs
            assert {ANSWERS[word] for words in ended_in.values() for word in words} == {
                failed[str(left[one.key])]
            }


def test_calls_through_socketcall_are_not_left_out():
    """
    A rule for a call that 32-bit programs make through another one would hold for that one, too.
    """
    accept = ended("ENOSYS", name="accept4")
    through = ended("success", name="socketcall", architecture=syscalls.X86)

    assert failed_calls(seen(accept)) == {"accept4": ENOSYS}
    assert failed_calls(seen(accept, through)) == {}
    only = ended("ENOSYS", name="socketcall", architecture=syscalls.X86)
    assert failed_calls(seen(only)) == {}


def made(recorded: Recording, **wanted: Any) -> Made:
    return make(recorded, Wanted(without_failed=True, **wanted))


def profile_of(one: Made) -> Profile:
    return formats.read(one.text, "p.json")


def answer(profile: Profile, name: str) -> Answer:
    return decide(profile, syscalls.X86_64, name, (0,) * 6, runtime=NO_RUNTIME)


def errno_of(profile: Profile, name: str) -> Optional[int]:
    return answer(profile, name).errno


@pytest.mark.parametrize("word, errno", [("ENOSYS", ENOSYS), ("EPERM", EPERM)])
@pytest.mark.parametrize("name", ["keyctl", "clone3"])
def test_what_is_left_out_is_answered_as_the_kernel_did(word: str, errno: int, name: str):
    """
    The profile does not allow it and gives the same error, also where callers could do without it.
    """
    one = made(seen(ended(word, name=name), ended("success", name="read")))

    assert errno_of(profile_of(one), name) == errno
    assert name not in allowed_names(profile_of(one))
    assert "read" in allowed_names(profile_of(one))
    assert any(f"answered {word} each time" in line and name in line for line in one.messages)


def test_without_being_asked_nothing_is_left_out():
    """
    A recording that knows how calls ended gives the profile that it always gave.
    """
    recorded = seen(ended("ENOSYS"))

    assert make(recorded, Wanted()).text == make(seen(observation("keyctl")), Wanted()).text


@pytest.mark.parametrize("choice", ["auto", "none", "crun"])
def test_what_the_runtime_may_need_is_never_left_out(choice: str):
    """
    A call of the floor stays allowed, even if another floor or none is wanted, and it is said.
    """
    measured = (floor("runc-1.1.5", "getcwd"), floor("crun-1.8.1", "read"))
    name = "getcwd"
    failed = ended("ENOSYS", name=name)
    recorded = Recording({"run": RUNC}, observations=(failed,))

    one = made(recorded, floor=read_choice(choice, measured), measured=measured)

    assert name in allowed_names(profile_of(one))
    assert any("since runtimes may need them" in line and name in line for line in one.messages)


def test_it_is_said_when_nothing_can_be_left_out_and_why():
    """
    Of runs that were recorded without outcomes nothing is left out, whatever the others say.
    """
    recorded = merge(seen(ended("ENOSYS")), recording("keyctl", run=Run("old")))

    messages = left_out(recorded, frozenset()).messages

    assert messages[0].startswith("no call was left out")
    assert messages[1].startswith("how calls ended is unknown for 1 of 2 runs")


def baseline(action: str = "SCMP_ACT_ERRNO", *rules: Dict[str, object]) -> Profile:
    document = {"defaultAction": action, "syscalls": list(rules)}
    return formats.read(json.dumps(document), "base.json")


def rule(action: str, **fields: object) -> Dict[str, object]:
    return {"names": ["keyctl"], "action": f"SCMP_ACT_{action}", **fields}


BASELINES = {
    "nothing, and EPERM by default": (baseline(), ENOSYS),
    "nothing, and death by default": (baseline("SCMP_ACT_KILL_PROCESS"), ENOSYS),
    "the same": (baseline("SCMP_ACT_ERRNO", rule("ERRNO", errnoRet=ENOSYS)), ENOSYS),
    "that it is allowed": (baseline("SCMP_ACT_ERRNO", rule("ALLOW")), None),
    "that it is forbidden": (baseline("SCMP_ACT_ERRNO", rule("ERRNO", errnoRet=13)), 13),
}


@pytest.mark.parametrize("says", BASELINES)
def test_a_baseline_has_its_say(says: str):
    """
    What a baseline has no rule for is answered as the kernel did, whatever its default is; what it
    has a rule for it answers as it always does.
    """
    base, errno = BASELINES[says]

    extended = profile_of(made(seen(ended("ENOSYS")), baseline=base))

    assert errno_of(extended, "keyctl") == errno
    assert extended.rules[: len(base.rules)] == base.rules


def test_extending_twice_by_the_same_changes_nothing_more():
    """
    What was left out the first time is answered already the second time.
    """
    recorded = seen(ended("ENOSYS"), ended("EPERM", name="acct"))
    once = made(recorded, baseline=baseline())

    assert made(recorded, baseline=profile_of(once)).text == once.text


@pytest.mark.parametrize("word", ["ENOSYS", "EPERM"])
def test_what_was_left_out_is_allowed_once_it_has_succeeded(word: str):
    """
    Our answer is no denial: it gives way to a later recording, and to a profile that allows more.
    """
    before = profile_of(made(seen(ended(word))))
    later = seen(ended("success", run="later"))

    extended = profile_of(make(later, Wanted(baseline=before)))
    merged = merge_profiles(before, profile_of(make(later, Wanted()))).profile

    for one in (extended, merged):
        assert "keyctl" in allowed_names(one)
        assert not any(
            "keyctl" in rule.names for rule in one.rules if rule.action != "SCMP_ACT_ALLOW"
        )


def test_our_enosys_group_takes_nothing_that_was_answered_otherwise():
    """
    A profile's answer EPERM does not become ENOSYS by merging.
    """
    first = profile_of(make(recording("read"), Wanted()))
    other = profile_of(made(seen(ended("EPERM", name="acct"))))

    assert errno_of(merge_profiles(first, other).profile, "acct") == EPERM


def test_the_answers_come_in_groups_of_their_own():
    """
    One group for each error, after the others, and it says what it is.
    """
    recorded = seen(ended("ENOSYS"), ended("EPERM", name="acct"))
    rules: Any = generate(recorded, answers={"keyctl": ENOSYS, "acct": EPERM})["syscalls"]

    assert [(one["names"], one["errnoRet"]) for one in rules[-2:]] == [
        (["acct"], EPERM),
        (["keyctl"], ENOSYS),
    ]
    assert all(one["comment"].startswith(FALLBACK_MARK) for one in rules[-2:])
