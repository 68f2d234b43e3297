"""
Tests of the summary: what it says, and that nothing in it can steer a terminal.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.profile.floor_choice import NONE, FloorChoice
from tracer.profile.generate import generate
from tracer.profile.making import Made, Wanted, make
from tracer.recording import RUNTIME, Recording, Run
from tracer.report.summary import allowed, summary

RUN = Run(
    "run",
    engine="podman",
    container_name="web",
    runtime="runc",
    runtime_version="1.1.5",
    architecture=syscalls.X86_64,
)
EVIL = "\x1b[2J\n\u202e\udcff"


def summarized(one: Recording, profile: str = "web.json", kept: str = "") -> str:
    return summary(one, made_of(one), profile, kept)


def made_of(one: Recording) -> Made:
    return make(one, Wanted(FloorChoice(NONE)))


def with_runtime(*names: str) -> Recording:
    """
    A recording of `ls`, and of a runtime that made these calls.
    """
    seen = tuple(observation(name, executable=RUNTIME) for name in names)
    whole = recording("read", "write", run=RUN)
    return dataclasses.replace(whole, observations=whole.observations + seen)


def test_it_counts_calls_once_and_names_the_runtime():
    """
    A call that several executables made is one call; those that only the runtime made are told.
    """
    first, *rest = summarized(with_runtime("read", "chdir", "capset")).splitlines()

    assert first == (
        "web: 4 system calls recorded, under podman, runc 1.1.5; 2 of them only the runtime made"
    )
    assert rest[:2] == ["     2  /bin/ls", f"     3  {RUNTIME}"]


def test_it_says_where_the_files_are():
    """
    The whole path of the profile is there, however long, and the recording's if it was kept.
    """
    place = "/very/long/" + "directory/" * 20 + "web.json"

    text = summarized(recording("read", run=RUN), place, "/kept/web.recording.json")

    assert place in text
    assert "recording  /kept/web.recording.json" in text
    assert "recording  " not in summarized(recording("read", run=RUN))


def test_it_counts_what_the_profile_allows():
    """
    The number of allowed calls is that of the profile's ALLOW groups, the kernel's among them.
    """
    one = recording("read", "write", run=RUN)

    assert allowed(made_of(one).text) == 2 + 6
    assert "allows 8 calls, 6 of them for the kernel)" in summarized(one)


def test_it_tells_what_a_floor_added():
    """
    Calls that are allowed for a runtime's floor alone are counted, with the runtime's name.
    """
    one = recording("read", run=RUN)
    made = Made(made_of(one).text, frozenset({"futex", "tgkill"}), "runc 1.1.5 and 1.3.6", ())

    text = summary(one, made, "p", "")

    assert "2 of them for the runtime floor of runc 1.1.5 and 1.3.6)" in text


def test_it_tells_what_is_allowed_for_the_kernel():
    """
    Calls that are allowed for the kernel alone are counted, if the profile does allow them.
    """
    text = json.dumps(generate(recording("read", run=RUN)))
    kernel = frozenset({"restart_syscall", "time", "denied_by_the_baseline"})
    floor = frozenset({"tgkill"})

    alone = summary(recording("read"), Made(text, frozenset(), "", (), kernel_only=kernel), "", "")
    beside = summary(recording("read"), Made(text, floor, "runc", (), kernel_only=kernel), "", "")

    assert "(allows 7 calls, 2 of them for the kernel)" in alone
    assert "(allows 7 calls, 1 of them for the runtime floor of runc, 2 for the kernel)" in beside


def test_notes_are_told_whole():
    """
    A note is not cut, since its end may be what matters.
    """
    note = "a program was executed in the container without its filter " * 3 + "END"
    run = dataclasses.replace(RUN, notes=(note,))

    assert f"  note: {note}\n" in summarized(recording("read", run=run))


def test_many_programs_are_counted():
    """
    Of very many programs the busiest are named and the others counted.
    """
    whole = recording("read", "write", run=RUN)
    others = tuple(observation("read", executable=f"/bin/{number:02}") for number in range(20))

    text = summarized(dataclasses.replace(whole, observations=whole.observations + others))

    assert "and 9 more programs" in text
    assert text.index("/bin/ls") < text.index("/bin/00")


def test_it_ends_with_a_line_break():
    """
    The text is whole lines.
    """
    text = summarized(recording("read", run=RUN))

    assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize(
    "run",
    [
        dataclasses.replace(RUN, container_name=EVIL),
        dataclasses.replace(RUN, engine=EVIL),
        dataclasses.replace(RUN, runtime=EVIL),
        dataclasses.replace(RUN, runtime_version=EVIL),
    ],
)
def test_a_hostile_identity_is_harmless(run: Run):
    """
    No field of a run gets an escape or a line break into the summary.
    """
    assert_harmless(summarized(recording("read", run=run)))


def test_hostile_programs_notes_and_places_are_harmless():
    """
    No path, note or file name gets an escape or a line break into the summary.
    """
    run = dataclasses.replace(RUN, notes=(EVIL,))
    whole = recording("read", run=run)
    seen = observation("write", executable=f"/bin/{EVIL}")

    text = summarized(
        dataclasses.replace(whole, observations=(*whole.observations, seen)), EVIL, EVIL
    )

    assert_harmless(text)
    assert r"/bin/\x1b[2J\x0a\u202e\xff" in text


def assert_harmless(text: str) -> None:
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) <= 6
