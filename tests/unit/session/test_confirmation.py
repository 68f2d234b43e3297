"""
Tests of finding the capabilities that a command misses, with few trials, and of what is a measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.recordings import check, observation
from tests.unit.session.trials import DRIVEN, PLAN
from tracer.capabilities.names import NAMES, mask_of
from tracer.capabilities.required import required
from tracer.recording import HOST, Capabilities, Recording, Run
from tracer.session.confirmation import (
    ambient_user,
    asked_of,
    first_problems,
    missed,
    united,
    with_confirmed,
)
from tracer.session.recording_run import Outcome

HELD = list(NAMES[:14])


def needing(
    needed: "set[str]",
) -> "tuple[Callable[[frozenset[str]], bool], list[frozenset[str]]]":
    """
    Return a trial of a command that needs these capabilities, and the list of what each was given.
    """
    tried: "list[frozenset[str]]" = []

    def works(names: "frozenset[str]") -> bool:
        tried.append(names)
        return needed <= names

    return works, tried


@given(st.sets(st.sampled_from(HELD)), st.sets(st.sampled_from(HELD)))
def test_what_is_needed_is_found_whatever_was_recorded(needed: "set[str]", recorded: "set[str]"):
    """
    What was recorded in vain goes, what nothing recorded is found, and the rest stays.
    """
    works, tried = needing(needed)

    assert missed(sorted(recorded), HELD, works) == frozenset(needed)
    assert len(tried) == len(set(tried))
    assert frozenset(needed) in tried


def test_a_recording_that_is_right_takes_one_trial_and_one_for_each_name():
    """
    Nothing is tried again: the set itself, then each of it in turn.
    """
    works, tried = needing({"CAP_CHOWN", "CAP_KILL"})

    missed(["CAP_CHOWN", "CAP_KILL"], HELD, works)

    assert tried == [{"CAP_CHOWN", "CAP_KILL"}, {"CAP_KILL"}, {"CAP_CHOWN"}]


def test_one_that_nothing_recorded_is_found_by_halving():
    """
    One of fourteen takes eight trials, not fourteen.
    """
    works, tried = needing({"CAP_SYS_CHROOT"})

    found = missed([], [*HELD[:13], "CAP_SYS_CHROOT"], works)

    assert found == frozenset({"CAP_SYS_CHROOT"})
    assert len(tried) <= 9


@pytest.mark.parametrize("recorded", [[], ["CAP_CHOWN"], HELD])
def test_a_command_that_fails_with_all_that_it_had_says_nothing(recorded: "list[str]"):
    """
    Where even the former set does not help, no name is given, and no halves are tried.
    """
    works, tried = needing({"CAP_SYS_ADMIN"})

    assert missed(recorded, HELD, works) is None
    assert len(tried) <= 2


def test_of_two_that_serve_alike_one_stays():
    """
    Each alone is not missed, but both are.
    """
    found = missed(["CAP_CHOWN", "CAP_FOWNER"], HELD, lambda names: bool(names))

    assert found == frozenset({"CAP_FOWNER"})


def outcome(user: int = 0, checks: bool = True, **fields: object) -> Outcome:
    """
    A recorded run of a container that had two capabilities and needed one; fields replace others.
    """
    mask = mask_of(["chown", "kill"])
    held = Capabilities(user, HOST, 0, mask, mask, mask, 0) if checks else None
    recording = Recording({"run": Run("run", capabilities=held)}, checks=(check("CAP_CHOWN"),))
    return replace(Outcome(0, (recording,), (), ()), **fields)  # type: ignore[arg-type]


def test_what_is_asked_is_what_was_recorded():
    """
    The capabilities that were needed, and those that the container had.
    """
    asked = asked_of(outcome())

    assert asked.required == ("CAP_CHOWN",)
    assert asked.held == ("CAP_CHOWN", "CAP_KILL")
    assert first_problems(asked, PLAN) == ()


TWO = outcome().recordings + (Recording({"other": Run("other", capabilities=None)}),)
NO_MEASURE = {
    "exit code 1": outcome(status=1),
    "exit code 125 (the engine could not start": outcome(status=125, recordings=()),
    "no container was seen": outcome(recordings=()),
    "web never ran a program": outcome(recordings=(), failed=("web",)),
    "2 containers were recorded": outcome(recordings=TWO),
    "no capability checks were recorded": outcome(checks=False),
}


@pytest.mark.parametrize("words", NO_MEASURE)
def test_a_first_run_that_is_no_measure_says_why(words: str):
    """
    A command that fails, or that is not one container whose checks are known, is compared with
    nothing.
    """
    assert words in "; ".join(first_problems(asked_of(NO_MEASURE[words]), PLAN))


@pytest.mark.parametrize(
    "drive, words", [(None, "ended before the drive"), (7, "the drive's exit code 7"), (0, "")]
)
def test_the_first_drive_must_go_well(drive: Optional[int], words: str):
    """
    What a failed drive did not exercise would not be missed.
    """
    ended = outcome(drive=drive, stopped=drive == 0, status=143 if drive == 0 else 0)

    problems = "; ".join(first_problems(asked_of(ended), DRIVEN))

    assert words in problems and bool(problems) == bool(words)


def test_a_recording_remembers_what_was_confirmed():
    """
    The mask stands beside the sets of the run, an empty one too.
    """
    (recording,) = outcome().recordings

    for names, mask in ((["CAP_KILL"], 1 << 5), ([], 0)):
        held = with_confirmed(recording, names).runs["run"].capabilities
        assert held is not None and held.confirmed == mask


def tried(run: str, *calls: str) -> Recording:
    """
    Return the recording of a trial with KILL alone, in which a file could not be given away.
    """
    mask = mask_of(["kill"])
    held = Capabilities(0, HOST, 0, mask, mask, mask, 0)
    refused = (check("CAP_CHOWN", "chown", granted=False, run=run),)
    seen = tuple(observation(name, runs=frozenset({run})) for name in calls)
    return Recording({run: Run(run, capabilities=held)}, (), seen, checks=refused)


def test_what_was_done_with_less_is_united_with_what_was_recorded():
    """
    The calls of both are there, and what is said of capabilities is as it was: what the trial was
    refused is not missed, and what both runs lack is what the first one had in vain.
    """
    (first,) = outcome().recordings

    both = united(first, [tried("trial", "mkdir")], ["CAP_KILL"])

    found = required(both)
    assert [seen.name for seen in both.observations] == ["mkdir"]
    assert found.confirmed == found.capabilities == ("CAP_KILL",)
    assert set(found.tried) == {"run", "trial"} and not found.refused and not found.unknown
    assert [one.capability for one in found.unmissed] == ["CAP_CHOWN"]


def test_a_run_that_was_given_no_more_than_it_misses_does_not_tell_what_is_unused():
    """
    What the recorded one had and never needed stays unused.
    """
    (first,) = outcome().recordings
    (run,) = first.runs.values()
    assert run.capabilities is not None
    wider = replace(run.capabilities, bounding=mask_of(["chown", "kill", "mknod"]))
    first = replace(first, runs={"run": replace(run, capabilities=wider)})

    both = united(first, [tried("trial")], ["CAP_KILL"])

    assert required(both).unused == ("CAP_MKNOD",)


@pytest.mark.parametrize("user, found", [(0, None), (1024, 1024)])
def test_a_user_who_is_not_root_is_known(user: int, found: Optional[int]):
    """
    To such a user an engine gives capabilities in a way of its own.
    """
    assert ambient_user(outcome(user).recordings[0]) == found
