"""
Denials in the recording's document: what is written, what is refused, and how two are joined.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

import pytest

from tests.unit.recordings import recording
from tracer.errors import InputError
from tracer.recording import Denial, Recording, Run, Sighting, from_json, merge, to_json


def denied(count: int = 3, time: int = 5, run: str = "run", answer: str = "EPERM") -> Recording:
    last = Sighting(time, 9, "nginx")
    counts = ((run, count),)
    one = Denial("/usr/sbin/nginx", "SCMP_ARCH_X86_64", 250, "keyctl", answer, last, counts)
    return Recording({run: Run(run)}, denials=(one,))


def test_a_denial_is_written_with_its_evidence():
    """
    Who was denied which call, how it was answered, the last time, how often in which run.
    """
    document = json.loads(to_json(denied()))

    assert document["denials"] == [
        {
            "executable": "/usr/sbin/nginx",
            "architecture": "SCMP_ARCH_X86_64",
            "number": 250,
            "name": "keyctl",
            "answer": "EPERM",
            "last": {"time": 5, "thread": 9, "comm": "nginx"},
            "runs": {"run": 3},
        }
    ]
    assert document["version"] == 1


def test_a_recording_without_denials_does_not_mention_any():
    """
    No field of a document that older versions wrote is new.
    """
    assert "denials" not in json.loads(to_json(recording("read")))


def test_a_denial_reads_back():
    """
    What is written is what is read.
    """
    assert from_json(to_json(denied()), "r.json") == denied()


def test_denials_of_two_runs_are_counted_apart_and_the_last_one_is_kept():
    """
    One kind of denial stays one, with a count for each run; twice the same changes nothing.
    """
    early, late = denied(3, 5, "a"), denied(4, 7, "b")

    merged = merge(early, late, early)

    (one,) = merged.denials
    assert (one.count, one.last.time, dict(one.counts)) == (7, 7, {"a": 3, "b": 4})


def test_denials_with_another_answer_are_others():
    """
    What was answered with an error, and with a trap, is told apart.
    """
    assert len(merge(denied(answer="EPERM"), denied(answer="trap")).denials) == 2


DAMAGES: Dict[str, Callable[[Any], None]] = {
    "executable": lambda one: one.update(executable=""),
    "number": lambda one: one.update(number="250"),
    "name": lambda one: one.update(name="no name"),
    "answer": lambda one: one.update(answer="\x1b[2J"),
    "last": lambda one: one["last"].update(time=-1),
    "runs": lambda one: one.update(runs={}),
    "runs.other": lambda one: one.update(runs={"other": 1}),
}


@pytest.mark.parametrize("where", DAMAGES)
def test_a_damaged_denial_is_refused_with_its_place(where: str):
    """
    The error names the field that is wrong.
    """
    document = json.loads(to_json(denied()))
    DAMAGES[where](document["denials"][0])

    with pytest.raises(InputError) as caught:
        from_json(json.dumps(document), "r.json")

    assert f"$.denials[0].{where}" in str(caught.value)
