"""
Capability checks in the recording's document: what is written, and what is refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Callable, Dict, Optional

import pytest

from tests.unit.recordings import check, recording
from tracer.errors import InputError
from tracer.recording import (
    HOST,
    Capabilities,
    Circumstances,
    Recording,
    Run,
    from_json,
    merge,
    to_json,
)

Damage = Callable[[Dict[str, Any]], object]

HELD = Capabilities(0, HOST, 0, 0x401, 0x401, 0xA80425FB, 0)


def checked() -> Recording:
    run = Run("run", capabilities=HELD)
    return Recording({"run": run}, checks=(check("CAP_CHOWN", "chown", count=3),))


def test_a_check_is_written_with_its_evidence():
    """
    Who, in which call, of whom, with which answer, and how often in which run.
    """
    document = json.loads(to_json(checked()))

    assert document["checks"] == [
        {
            "executable": "/bin/ls",
            "architecture": "SCMP_ARCH_X86_64",
            "number": 92,
            "name": "chown",
            "capability": "CAP_CHOWN",
            "namespace": "host",
            "granted": True,
            "idle": False,
            "audited": True,
            "caller": "generic_permission",
            "first": {"time": 1, "thread": 1, "comm": "ls"},
            "runs": {"run": 3},
        }
    ]
    assert document["runs"][0]["capabilities"]["bounding"] == "0x00000000a80425fb"
    assert document["version"] == 1


def test_a_recording_without_checks_is_what_it_always_was():
    """
    No field of a document that older versions wrote is new.
    """
    document = json.loads(to_json(recording("read")))

    assert "checks" not in document
    assert "capabilities" not in document["runs"][0]


def test_an_older_version_that_merges_documents_loses_no_check():
    """
    What joins unknown fields by their shape leaves two counts of a run, which are read as one.
    """
    older, newer = (json.loads(to_json(checked())) for _ in range(2))
    newer["checks"][0]["runs"]["run"] = 5
    older["checks"] += newer["checks"]

    (read,) = from_json(json.dumps(older), "r.json").checks

    assert read.count == 5


def test_the_sets_of_a_run_survive_a_merge_with_one_that_has_none():
    """
    A run that was written before its sets were known has them afterwards.
    """
    merged = merge(checked(), Recording({"run": Run("run")}))

    assert merged.runs["run"].capabilities == HELD


def test_what_was_confirmed_is_kept():
    """
    A set that trials have confirmed is written as a mask, the empty one too, and read again.
    """
    for mask in (0, 0x401):
        held = replace(HELD, confirmed=mask)
        text = to_json(Recording({"run": Run("run", capabilities=held)}))

        assert f'"confirmed": "0x{mask:016x}"' in text
        assert from_json(text, "r.json").runs["run"].capabilities == held


def test_two_confirmed_sets_of_a_run_are_united():
    """
    Whatever else two documents say of a run, what either confirmed stays: more does no harm.
    """
    sets = (replace(HELD, confirmed=1), replace(HELD, lost=2, confirmed=0x400), HELD)
    merged = merge(*(Recording({"run": Run("run", capabilities=one)}) for one in sets))

    assert merged.runs["run"].capabilities == replace(HELD, lost=2, confirmed=0x401)


KNOWN = Circumstances("/bin/web", 1024, 0x4C, ((0, 100000, 65536),))


@pytest.mark.parametrize("known", [None, KNOWN, Circumstances("", 0)])
def test_what_an_execve_depended_on_is_read_as_it_was_written(known: Optional[Circumstances]):
    """
    And where an older version recorded nothing of it, the document says nothing of it.
    """
    held = replace(HELD, circumstances=known)

    text = to_json(Recording({"run": Run("run", capabilities=held)}))

    assert ("circumstances" in text) == (known is not None)
    assert from_json(text, "r.json").runs["run"].capabilities == held


def test_what_one_document_of_a_run_knows_is_known_after_a_merge():
    """
    Whichever of them it is, and whatever else they disagree about.
    """
    knows, other = replace(HELD, circumstances=KNOWN), replace(HELD, circumstances=None, lost=1)
    sets = (other, knows, replace(HELD, circumstances=Circumstances("", 0)))
    several = [Recording({"run": Run("run", capabilities=one)}) for one in sets]

    merged = [merge(*several).runs["run"], merge(*reversed(several)).runs["run"]]

    assert [one.capabilities for one in merged] == [replace(other, circumstances=KNOWN)] * 2


CIRCUMSTANCES: Dict[str, Damage] = {
    "real_user: expected an integer": lambda known: known.pop("real_user"),
    "securebits: expected an integer": lambda known: known.update(securebits="noroot"),
    "uid_map[0]: expected three numbers": lambda known: known.update(uid_map=[[0, 1]]),
    "uid_map[0][1]: expected an integer": lambda known: known.update(uid_map=[[0, -1, 1]]),
    "executable: expected a string": lambda known: known.update(executable=[]),
}


@pytest.mark.parametrize("message", CIRCUMSTANCES)
def test_wrong_circumstances_say_where(message: str):
    """
    The error names the field of them and what should have been there.
    """
    held = replace(HELD, circumstances=KNOWN)
    document = json.loads(to_json(Recording({"run": Run("run", capabilities=held)})))
    CIRCUMSTANCES[message](document["runs"][0]["capabilities"]["circumstances"])

    with pytest.raises(InputError) as caught:
        from_json(json.dumps(document), "r.json")

    assert f"$.runs[0].capabilities.circumstances.{message}" in str(caught.value)


DAMAGES: Dict[str, Damage] = {
    "capability: expected the name of a capability": lambda check: check.update(capability="all"),
    'namespace: expected "host" or "container" or "inner"': lambda check: check.update(
        namespace="mine"
    ),
    "granted: expected true or false, found nothing": lambda check: check.pop("granted"),
    "audited: expected true or false": lambda check: check.update(audited="no"),
    "runs: expected an object": lambda check: check.update(runs=["run"]),
    "runs: expected at least one run": lambda check: check.update(runs={}),
    "runs.other: expected the count of a run": lambda check: check.update(runs={"other": 1}),
    "runs.run: expected an integer from 1": lambda check: check.update(runs={"run": 0}),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_wrong_check_says_where_and_what_was_expected(message: str):
    """
    The error names the field of the check and what should have been there.
    """
    document = json.loads(to_json(checked()))
    DAMAGES[message](document["checks"][0])

    with pytest.raises(InputError) as caught:
        from_json(json.dumps(document), "r.json")

    assert f"$.checks[0].{message}" in str(caught.value)


def test_a_mask_is_sixteen_digits():
    """
    A number in place of a mask is refused: not every reader of JSON keeps 64 bits.
    """
    document = json.loads(to_json(checked()))
    document["runs"][0]["capabilities"]["bounding"] = 0xA80425FB

    with pytest.raises(InputError, match="expected a string"):
        from_json(json.dumps(document), "r.json")
