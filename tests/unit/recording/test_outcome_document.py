"""
How calls ended in the recording's document, and what is left of it when two recordings are joined.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from tests.unit.recordings import observation, recordings
from tracer.errors import InputError
from tracer.recording import Outcomes, Recording, Run, from_json, merge, to_json


def ended(**outcomes: set[str]) -> Recording:
    """
    A recording of one call that ended so in these runs.
    """
    seen = observation("statx", runs=frozenset(), outcomes=outcomes)
    return Recording({run: Run(run) for run in outcomes}, observations=(seen,))


def unknown(run: str) -> Recording:
    """
    A recording of the same call of which nobody knows how it ended.
    """
    return Recording({run: Run(run)}, observations=(observation("statx", runs=frozenset({run})),))


def outcomes_of(recording: Recording) -> Outcomes:
    return recording.observations[0].outcomes


def test_outcomes_are_written_by_run():
    """
    An observation has the ways in which it ended, sorted, under each run's id; it reads back.
    """
    one = ended(first={"success", "ENOSYS"}, second={"EPERM"})

    document = json.loads(to_json(one))

    expected = {"first": ["ENOSYS", "success"], "second": ["EPERM"]}
    assert document["observations"][0]["outcomes"] == expected
    assert document["version"] == 1
    assert from_json(to_json(one), "r.json") == one


def test_an_observation_without_outcomes_does_not_mention_any():
    """
    No field of a document that older versions wrote is new.
    """
    assert "outcomes" not in json.loads(to_json(unknown("run")))["observations"][0]


def test_outcomes_of_two_runs_stand_beside_each_other():
    """
    Each run keeps its own; of one that was recorded without outcomes none is told.
    """
    merged = merge(ended(a={"ENOSYS"}), ended(b={"EPERM"}), unknown("c"))

    assert merged.observations[0].runs == {"a", "b", "c"}
    assert outcomes_of(merged) == (("a", frozenset({"ENOSYS"})), ("b", frozenset({"EPERM"})))


def test_two_recordings_of_one_run_know_both_their_outcomes():
    """
    What was written before the run's end lacks what came later.
    """
    merged = merge(ended(run={"ENOSYS"}), ended(run={"success"}))

    assert outcomes_of(merged) == (("run", frozenset({"ENOSYS", "success"})),)


def test_what_one_recording_of_a_run_does_not_know_is_unknown():
    """
    A later recording of the same run without outcomes may have seen the call succeed.
    """
    assert outcomes_of(merge(ended(run={"ENOSYS"}), unknown("run"))) == ()


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merging_never_hides_that_a_call_may_have_succeeded(a: Recording, b: Recording):
    """
    A run's outcomes are known only if every recording of it that has the call knows them, and then
    all of them are there.
    """
    merged = {one.key: one for one in merge(a, b).observations}

    for one in a.observations + b.observations:
        known, joined = dict(one.outcomes), dict(merged[one.key].outcomes)
        assert all(run not in joined for run in one.runs - known.keys())
        assert all(joined.get(run, words) >= words for run, words in known.items())


WRONG = {
    "outcomes: expected an object": [],
    "outcomes.other: expected what came of it in a run of the same observation": {
        "other": ["EPERM"]
    },
    "outcomes.run: expected at least one way in which the call ended": {"run": []},
    "outcomes.run[0]: expected success, the name of an error, or another word": {"run": ["a b"]},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_outcomes_say_where_and_what_was_expected(message: str):
    """
    A run that did not see the call, no outcome at all, and what is no word are refused.
    """
    document = json.loads(to_json(ended(run={"EPERM"})))
    document["observations"][0]["outcomes"] = WRONG[message]

    with pytest.raises(InputError) as error:
        from_json(json.dumps(document), "r.json")

    assert message in str(error.value)
