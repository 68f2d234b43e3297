"""
From recordings to samples, from samples to floors, and which floors a new measurement replaces.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.recordings import observation, recording
from tracer.errors import HostError
from tracer.measuring.counting import count, replaced, sample_of
from tracer.profile.floors import Floor, read_floors, render_floors
from tracer.recording import RUNTIME, Observation, Recording

OLD = Floor("crun", "1.8.1", "podman 4.3.1", False, "start", 200, "2026-11-22", (("execve", 200),))


def recorded(*seen: Observation) -> Recording:
    return Recording({"run": recording().runs["run"]}, (), seen)


def test_a_sample_holds_the_calls_of_the_runtime_alone():
    """
    What the container's own programs call is no part of a sample.
    """
    seen = recorded(
        observation("close", executable=RUNTIME),
        observation("execve", executable=RUNTIME),
        observation("brk", executable="/bin/true"),
    )

    assert sample_of(seen) == frozenset({"close", "execve"})


def test_a_start_that_failed_on_the_way_is_no_sample():
    """
    A recording in which the runtime never executed a program says nothing of a whole start.
    """
    assert sample_of(recorded(observation("close", executable=RUNTIME))) is None


def test_a_call_without_a_name_stops_the_measurement():
    """
    A floor that could not be written down whole is none.
    """
    with pytest.raises(HostError, match="999"):
        sample_of(recorded(observation(None, executable=RUNTIME, number=999)))


def test_samples_are_counted_per_call():
    """
    A floor says in how many samples each call was seen, the most frequent first.
    """
    samples = [frozenset({"execve"}), frozenset({"close", "execve", "futex"})]

    assert count(samples) == (("execve", 2), ("close", 1), ("futex", 1))


def test_a_new_measurement_replaces_only_the_same_one():
    """
    What was measured of other versions, settings and actions stays, in one order for all.
    """
    other = replace(OLD, version="1.19")
    new = replace(OLD, samples=300, calls=(("execve", 300),))

    assert replaced([other, OLD], [new]) == replaced([OLD, new], [other]) == (other, new)


def test_a_data_file_reads_back():
    """
    What is written is what is read.
    """
    floors = (OLD, replace(OLD, no_new_privileges=True, action="exec"))

    assert read_floors(render_floors(floors), "f.json") == floors
