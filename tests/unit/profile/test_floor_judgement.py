"""
What measurements prove about a start under a profile, and what they do not.
"""

from __future__ import annotations

from typing import Mapping, Sequence

import pytest

from tests.unit.profile.floor_data import floor, trials
from tracer.profile import model
from tracer.profile.decide import Answer
from tracer.profile.floor_judgement import (
    Answers,
    Blocker,
    blockers,
    does_without,
    untried,
)
from tracer.profile.floors import Floor, RefusalTrial

ALLOW = Answer(model.ALLOW)
EPERM, EACCES, ENOSYS = (Answer(model.ERRNO, number) for number in (1, 13, 38))
PRETENDED = Answer(model.ERRNO, 0)
KILL, TRAP = Answer(model.KILL_PROCESS), Answer(model.TRAP)
TRACE, NOTIFY = Answer(model.TRACE, 1), Answer(model.NOTIFY)


def answering(**given: Sequence[Answer]) -> Answers:
    """
    A profile that gives these answers, and allows every other call.
    """
    return lambda name: given.get(name, (ALLOW,))


def refusing(*names: str, answer: Answer = EPERM) -> Answers:
    return answering(**{name: (answer,) for name in names})


def with_trials(*tried: Sequence[RefusalTrial], **calls: int) -> Floor:
    found = tuple(trial for some in tried for trial in some)
    return floor(calls=tuple(calls.items()), trials=found)


# What section 2 of the measurements says of runc 1.3.6: EPERM on statx is fatal, too.
STATX = with_trials(trials("statx", failed=(20, 20)), statx=200)
ONLY_ENOSYS = with_trials(trials("statx", failed=(0, 20)), statx=200)
ACCESS = with_trials(
    trials("faccessat2"), trials("faccessat", "faccessat2", failed=(20, 20)), faccessat2=200
)


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        (ENOSYS, True),
        (EPERM, False),
        (EACCES, False),
        (KILL, True),
        (TRAP, True),
        (TRACE, False),
        (NOTIFY, False),
        (PRETENDED, False),
        (ALLOW, False),
    ],
)
def test_a_call_blocks_if_a_trial_with_that_answer_failed(answer: Answer, blocks: bool):
    """
    ENOSYS is judged by its own trial, another errno by that of EPERM; a kill needs no trial.
    """
    found = blockers(ONLY_ENOSYS, refusing("statx", answer=answer))

    assert found == ((Blocker(("statx",), True),) if blocks else ())


def test_a_call_without_a_trial_blocks_nothing():
    """
    A call that every sample made is not yet a call that a start needs.
    """
    assert blockers(floor("runc-1.1.5", "epoll_ctl", "tgkill"), refusing("epoll_ctl")) == ()


def test_a_survived_call_blocks_nothing():
    """
    Starts that saw the refusal and worked prove that the runtime does without.
    """
    assert blockers(ACCESS, refusing("faccessat2")) == ()


def test_alternatives_block_together_only():
    """
    A start fails if all the calls are refused that can stand in for each other.
    """
    both = Blocker(("faccessat", "faccessat2"), True)

    assert blockers(ACCESS, refusing("faccessat", "faccessat2")) == (both,)
    assert blockers(ACCESS, answering(faccessat=(EPERM,), faccessat2=(ENOSYS,))) == (both,)
    assert blockers(ACCESS, refusing("faccessat")) == ()


def test_alternatives_are_not_told_beside_a_call_that_blocks_alone():
    """
    The smallest set of refused calls is the reason.
    """
    measured = with_trials(
        trials("statx", failed=(20, 20)), trials("fstat", "statx", failed=(20, 20)), statx=200
    )

    assert [found.calls for found in blockers(measured, refusing("statx", "fstat"))] == [("statx",)]


@pytest.mark.parametrize(
    ("seen", "failed", "always"), [(200, 20, True), (150, 20, False), (200, 19, False)]
)
def test_what_fails_now_and_then_is_not_said_to_fail_always(seen: int, failed: int, always: bool):
    """
    A call that some samples did not make, or that some starts survived, blocks some starts.
    """
    measured = with_trials(trials("fstat", failed=(failed, failed)), fstat=seen)

    assert blockers(measured, refusing("fstat")) == (Blocker(("fstat",), always),)


def test_a_kill_blocks_as_often_as_the_call_was_seen():
    """
    The kernel ends a runtime that makes such a call, and does nothing to one that does not.
    """
    measured = floor(calls=(("close", 200), ("futex", 3)))

    found = blockers(measured, refusing("close", "futex", "faccessat", answer=KILL))

    assert found == (Blocker(("close",), True), Blocker(("futex",), False))


def test_what_is_allowed_for_some_arguments_blocks_nothing():
    """
    Nobody knows which arguments the runtime passes.
    """
    assert blockers(STATX, answering(statx=(ENOSYS, ALLOW))) == ()
    assert blockers(STATX, answering(statx=(ENOSYS, EPERM))) == (Blocker(("statx",), True),)
    assert blockers(ONLY_ENOSYS, answering(statx=(ENOSYS, EPERM))) == ()


def test_a_call_that_the_architecture_lacks_blocks_nothing():
    """
    A runtime cannot need a call that its kernel does not have.
    """
    assert blockers(STATX, answering(statx=())) == ()
    assert untried(floor("runc-1.1.5", "statx"), answering(statx=())) == ()


def test_calls_that_nobody_has_tried_to_refuse_are_told_apart():
    """
    A refused call with a trial of that answer is known, and so is one that is let through.
    """
    measured = with_trials(
        trials("faccessat2"),
        trials("statx", failed=(0, 20)),
        (RefusalTrial(("futex",), "EPERM", 9, 0),),
        faccessat2=200,
        statx=200,
        futex=30,
        fsopen=200,
        close=200,
        write=200,
    )
    answers = refusing("faccessat2", "statx", "futex", "fsopen", "close")

    assert untried(measured, answers) == ("close", "futex")
    assert untried(measured, refusing("write", answer=TRACE)) == ()


@pytest.mark.parametrize(
    ("tried", "without"),
    [
        ({"start": (0, 0)}, True),
        ({"start": (0, 0), "exec": (0, 0)}, True),
        ({"start": (0, 0), "exec": (1, 0)}, False),
        ({"start": (0, 1)}, True),
        ({}, False),
    ],
)
def test_a_runtime_does_without_a_call_only_if_trials_say_so(
    tried: Mapping[str, tuple[int, int]], without: bool
):
    """
    One failed start or exec with that answer is proof enough of the contrary.
    """
    floors = [
        floor("runc-1.1.5", "fsopen", action=action, trials=trials("fsopen", failed=failed))
        for action, failed in tried.items()
    ]

    assert does_without(floors, "fsopen", EPERM) is without
