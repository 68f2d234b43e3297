"""
The recording as a value: what makes it complete, what it is called, how it merges.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.unit.recordings import check, observation, recording, recordings
from tracer import syscalls
from tracer.recording import Executable, Reason, Recording, Run, Sighting, merge


@given(recordings(), recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merge_is_associative(a: Recording, b: Recording, c: Recording):
    """
    Merging gives the same whichever two recordings are merged first.
    """
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merge_is_commutative(a: Recording, b: Recording):
    """
    Merging gives the same in either order.
    """
    assert merge(a, b) == merge(b, a)


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merge_is_idempotent(a: Recording, b: Recording):
    """
    Merging what has been merged already changes nothing.
    """
    merged = merge(a, b)

    assert merge(a, a) == a
    assert merge(merged, b) == merged


@given(recordings(), recordings())
@settings(deadline=None, max_examples=50)
def test_merge_loses_nothing(a: Recording, b: Recording):
    """
    Every run, executable, observation and check of either recording is in the merged one.
    """
    merged = merge(a, b)

    assert merged.runs.keys() == a.runs.keys() | b.runs.keys()
    assert {one.path for one in merged.executables} == {
        one.path for one in a.executables + b.executables
    }
    for one in a.observations + b.observations:
        same = next(seen for seen in merged.observations if seen.key == one.key)
        assert same.runs >= one.runs
        assert same.first <= one.first
    counts = {check.key: dict(check.counts) for check in merged.checks}
    for asked in a.checks + b.checks:
        assert all(counts[asked.key][run] >= count for run, count in asked.counts)


def test_merge_with_an_empty_recording_changes_nothing():
    """
    The empty recording is where a merge of many starts.
    """
    one = recording("read", "write")

    assert merge(Recording(), one) == one


def test_merge_keeps_what_only_one_run_showed():
    """
    An observation names the runs that made it, so one in many stays visible.
    """
    a = recording("read", run=Run("a"))
    b = recording("read", "write", run=Run("b"))

    merged = merge(a, b)

    assert {seen.name: seen.runs for seen in merged.observations} == {
        "read": {"a", "b"},
        "write": {"b"},
    }


def test_merge_counts_a_check_once_for_each_run():
    """
    The same run in two recordings is counted once, at its largest; two runs are added up.
    """
    ids = ("one", "two")
    early, late, other = (
        Recording({id: Run(id)}, checks=(check("CAP_CHOWN", "chown", run=id, count=count),))
        for id, count in (("one", 2), ("one", 5), ("two", 1))
    )

    (merged,) = merge(early, late, other).checks

    assert dict(merged.counts) == dict(zip(ids, (5, 1)))
    assert merged.count == 6


def test_merge_keeps_checks_apart_that_differ_in_their_answer():
    """
    A check that was granted and one that was refused are two, and so are two who asked.
    """
    kinds = (
        check("CAP_CHOWN"),
        check("CAP_CHOWN", granted=False),
        check("CAP_CHOWN", caller="setattr_prepare"),
        check("CAP_CHOWN", audited=None),
    )

    assert len(Recording({"run": Run("run")}, checks=kinds * 2).checks) == 4


def test_merge_completes_a_run_that_was_written_before_it_ended():
    """
    The snapshot of a running container and its final recording become one run.
    """
    early = recording("read", run=Run("a", started=5, ended=None, filter="none"))
    final = recording("read", run=Run("a", started=5, ended=9, filter="engine"))

    assert merge(early, final).runs == {"a": Run("a", started=5, ended=9, filter="engine")}


def test_equal_content_in_any_order_is_an_equal_recording():
    """
    The order in which records are given makes no difference, nor does giving one twice.
    """
    run = Run("run")
    read, write = observation("read"), observation("write")

    assert Recording({"run": run}, (), (read, write)) == Recording(
        {"run": run}, (), (write, read, write)
    )


def test_sightings_are_ordered_by_time_first():
    """
    The first of two sightings is the earlier one, then the lower thread.
    """
    assert min(Sighting(2, 1, "a"), Sighting(1, 9, "z")) == Sighting(1, 9, "z")
    assert min(Sighting(1, 2, "a"), Sighting(1, 1, "z")) == Sighting(1, 1, "z")


def test_a_recording_without_any_doubt_is_complete():
    """
    No reason in any run and a name for every number make a recording complete.
    """
    assert recording("read", "write").complete
    assert recording("read", "write").reasons == ()


def test_a_reason_in_any_run_makes_it_incomplete():
    """
    One run that may lack something makes the whole recording incomplete.
    """
    doubt = Reason("map-full", "the map of observations was full", 3)
    merged = merge(recording("read"), recording("read", run=Run("late", integrity=(doubt,))))

    assert not merged.complete
    assert merged.reasons == (doubt,)


def test_a_number_without_a_name_makes_it_incomplete():
    """
    A call that nobody can name is a reason that tells the number, the architecture and who.
    """
    seen = observation(None, number=9999)
    doubtful = Recording({"run": Run("run")}, (), (seen,))

    assert not doubtful.complete
    assert doubtful.reasons == (
        Reason(
            "unknown-call",
            f"call number 9999 of {syscalls.X86_64} is unknown, made by /bin/ls",
            1,
        ),
    )


def test_a_recording_of_nothing_is_not_complete():
    """
    Without a run there is nothing that a profile could be made of.
    """
    assert not Recording().complete


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (Run("r", container_name="web", container_id="0123456789abcdef", command=("x",)), "web"),
        (Run("r", container_id="0123456789abcdef", command=("x",)), "0123456789ab"),
        (Run("r", command=("/usr/bin/python3", "-m", "http.server")), "python3"),
        (Run("r", command=("./tools/",)), "tools"),
        (Run("r", container_name="../../etc/passwd"), "_.._etc_passwd"),
        (Run("r", container_name="a\n\x1b[2Jb"), "a_2Jb"),
        (Run("r", command=("..",)), "recording"),
        (Run("r", container_name="-o"), "o"),
        (Run("r"), "recording"),
        (Run("r", container_name="x" * 300), "x" * 100),
    ],
)
def test_a_recording_is_named_after_its_container_or_command(run: Run, name: str):
    """
    The name is the container's, else its short id, else the command's, and safe as a file name.
    """
    assert Recording({"r": run}).name == name


def test_a_recording_of_several_runs_is_named_after_the_first():
    """
    The run that started first gives the name, whatever its id.
    """
    runs = {"a": Run("a", container_name="late", started=9)}
    runs["b"] = Run("b", container_name="early", started=3)

    assert Recording(runs).name == "early"


def test_recordings_can_be_hashed():
    """
    Equal recordings have equal hashes, so sets of them work.
    """
    assert len({recording("read"), recording("read"), recording("write")}) == 2


def test_an_executable_seen_by_two_runs_is_one():
    """
    Executables of the same path are one, with both runs.
    """
    runs = {"a": Run("a"), "b": Run("b")}
    twice = (Executable("/bin/ls", frozenset("a")), Executable("/bin/ls", frozenset("b")))

    assert Recording(runs, twice).executables == (Executable("/bin/ls", frozenset("ab")),)
