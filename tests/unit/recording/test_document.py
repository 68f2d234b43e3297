"""
The recording's JSON document: stable on the way out, strict and clear on the way in.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Callable, Dict

import pytest
from hypothesis import given, settings
from hypothesis import strategies

from tests.unit.recordings import recording, recordings
from tracer.errors import InputError
from tracer.recording import (
    Recording,
    Run,
    extra_of,
    from_json,
    is_recording,
    merge,
    to_json,
)


@given(recordings())
@settings(deadline=None, max_examples=50)
def test_a_round_trip_changes_nothing(one: Recording):
    """
    What is read back equals what was written, unknown fields at every level included.
    """
    text = to_json(one)

    assert from_json(text, "r.json") == one
    assert to_json(from_json(text, "r.json")) == text


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merging_documents_is_merging_recordings(a: Recording, b: Recording):
    """
    It makes no difference whether two recordings are merged before or after being written.
    """
    read = merge(from_json(to_json(a), "a"), from_json(to_json(b), "b"))

    assert to_json(read) == to_json(merge(b, a))


@given(recordings(), strategies.data())
@settings(deadline=None, max_examples=50)
def test_a_truncated_document_is_refused(one: Recording, data: strategies.DataObject):
    """
    A document that ends too early is an InputError, wherever it ends.
    """
    text = to_json(one)
    end = data.draw(strategies.integers(0, len(text) - 3))

    with pytest.raises(InputError, match="r.json"):
        from_json(text[:end], "r.json")


@given(strategies.text() | recordings().map(to_json), strategies.data())
@settings(deadline=None, max_examples=50)
def test_whatever_is_read_is_a_recording_or_an_input_error(text: str, data: strategies.DataObject):
    """
    No text, however damaged, ends in another exception than InputError.
    """
    at = data.draw(strategies.integers(0, len(text)))
    damaged = text[:at] + data.draw(strategies.text(max_size=3)) + text[at + 1 :]

    try:
        from_json(damaged, "r.json")
    except InputError as error:
        assert "\n" not in str(error)


def test_the_document_is_ascii_and_ends_in_a_newline():
    """
    A name in any script, and bytes that are no text, leave the document plain ASCII.
    """
    text = to_json(recording("read", run=Run("r", container_name="später\udcff")))

    assert text.isascii()
    assert text.endswith("}\n")


def test_what_is_not_known_of_a_runtimes_file_is_not_mentioned():
    """
    A recording of an older version, which knows no file of the runtime, is written as it was read.
    """
    known = Run("r", runtime_path="/opt/x/runc", runtime_build_id="ab" * 20)
    (old,), (new,) = (
        json.loads(to_json(recording("read", run=run)))["runs"] for run in (Run("r"), known)
    )

    assert new.keys() - old.keys() == {"runtime_path", "runtime_build_id"}
    assert (new["runtime_path"], new["runtime_build_id"]) == ("/opt/x/runc", "ab" * 20)


def test_unknown_fields_are_kept_where_they_were():
    """
    A field of a newer version survives at the level at which it stood.
    """
    document = json.loads(to_json(recording("read")))
    places = {
        "document": document,
        "run": document["runs"][0],
        "executable": document["executables"][0],
        "observation": document["observations"][0],
        "first": document["observations"][0]["first"],
    }
    for place in places.values():
        place["newer"] = {"values": [3, 1, 2]}

    assert json.loads(to_json(from_json(json.dumps(document), "r.json"))) == document


def test_unknown_fields_of_two_recordings_are_united():
    """
    Observations that a newer version keeps in a field of its own are not lost by merging.
    """
    a = Recording(extra=extra_of({"denials": [{"name": "mount"}], "note": "a"}))
    b = Recording(extra=extra_of({"denials": [{"name": "bpf"}], "note": "b"}))

    assert merge(a, b).extra == extra_of(
        {"denials": [{"name": "bpf"}, {"name": "mount"}], "note": "b"}
    )


Damage = Callable[[Dict[str, Any]], object]
DAMAGES: Dict[str, Damage] = {
    "$.version: expected an integer, found true": lambda d: d.update(version=True),
    "a recording of version 2": lambda d: d.update(version=2),
    "not a recording of seccomp-trace": lambda d: d.pop("format"),
    "$.runs: expected an array, found an object": lambda d: d.update(runs={}),
    "$.runs[0]: expected an object, found 3": lambda d: d.update(runs=[3]),
    "$.runs[0].id: expected a string, found nothing": lambda d: d["runs"][0].pop("id"),
    "$.runs[0].id: expected a string that is not empty": lambda d: d["runs"][0].update(id=""),
    "$.runs[1].id: expected an id that no other run has": lambda d: d["runs"].append(d["runs"][0]),
    "$.runs[0].command[0]: expected a string, found 7": lambda d: d["runs"][0].update(command=[7]),
    "$.runs[0].no_new_privileges: expected true or false": lambda d: d["runs"][0].update(
        no_new_privileges="yes"
    ),
    '$.runs[0].filter: expected "engine" or': lambda d: d["runs"][0].update(filter="mine"),
    "$.runs[0].started: expected an integer from 0": lambda d: d["runs"][0].update(started=-1),
    "$.runs[0].integrity[0].count: expected": lambda d: d["runs"][0].update(
        integrity=[{"code": "x", "text": "y"}]
    ),
    "$.observations[0].number: expected an integer, found 1.5": lambda d: d["observations"][
        0
    ].update(number=1.5),
    "$.observations[0].number: expected an integer from": lambda d: d["observations"][0].update(
        number=2**40
    ),
    "$.observations[0].name: expected the name of a system call": lambda d: d["observations"][
        0
    ].update(name="read\n"),
    "$.observations[0].first: expected an object": lambda d: d["observations"][0].pop("first"),
    "$.observations[0].first.time: expected an integer": lambda d: d["observations"][0][
        "first"
    ].update(time=1e3),
    "$.observations[0].runs[0]: expected the id of a run": lambda d: d["observations"][0].update(
        runs=["other"]
    ),
    "$.observations[0].runs: expected at least one run": lambda d: d["observations"][0].update(
        runs=[]
    ),
    "$.executables[0].path: expected a string": lambda d: d["executables"][0].pop("path"),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_wrong_document_says_where_and_what_was_expected(message: str):
    """
    The error names the file, the JSON path and what should have been there.
    """
    document = json.loads(to_json(recording("read")))
    DAMAGES[message](document)

    with pytest.raises(InputError) as caught:
        from_json(json.dumps(document), "r.json")

    assert str(caught.value).startswith("r.json: ")
    assert message in str(caught.value)


def test_a_profile_in_place_of_a_recording_is_recognised():
    """
    The commonest mistake, giving the profile, is called by its name.
    """
    with pytest.raises(InputError, match="looks like a seccomp profile"):
        from_json('{"defaultAction": "SCMP_ACT_ERRNO"}', "p.json")


def test_only_a_sound_recording_is_one():
    """
    What is replaced by a recording is a recording, whole and readable.
    """
    text = to_json(recording("read"))

    assert is_recording(text)
    assert not is_recording(text[:-5])
    assert not is_recording('{"defaultAction": "SCMP_ACT_ERRNO"}')


def test_an_unusual_field_changes_nothing_else_of_an_observation():
    """
    Observations with only our own fields are read in a quicker way, which gives the same.
    """
    usual = recording("read", "write")
    document = json.loads(to_json(usual))
    for one in document["observations"]:
        one["new"] = one["first"]["new"] = 1

    unusual = from_json(json.dumps(document), "r.json")

    plain = [
        replace(one, extra=(), first=replace(one.first, extra=())) for one in unusual.observations
    ]
    assert tuple(plain) == usual.observations
    assert all(one.extra and one.first.extra for one in unusual.observations)
