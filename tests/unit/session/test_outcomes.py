"""
Tests of how the kernel side's counts become outcomes of observations, or a note why there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.session import heads
from tracer import syscalls
from tracer.kernel import outcomes, wire
from tracer.kernel.outcomes import Call, Ended
from tracer.kernel.recorder import Content
from tracer.recording import Reason, Recording, Run
from tracer.session.assembly import Host, recording_of
from tracer.session.outcomes import with_outcomes

HERE = Host("6.18", syscalls.X86_64, 1000)
READ, STATX = 0, 332
SHELL, OTHER_SHELL = 9, 10
ENOSYS = 38


@dataclass(frozen=True)
class Kernel:
    """
    What the kernel side has counted; it has done so since 4.
    """

    ended: Mapping[Call, Ended] = field(default_factory=dict)
    without_room: int = 0
    since: int = 4

    def of(self, recordings: Set[int]) -> Mapping[Call, Ended]:
        return {call: ended for call, ended in self.ended.items() if call.recording in recordings}

    def lost(self, recordings: Set[int]) -> int:
        return self.without_room


def call(number: int, executable: int = SHELL, recording: int = 1) -> Call:
    return Call(recording, executable, wire.AUDIT_ARCH_X86_64, number)


def content(*calls: Call) -> Content:
    seen = tuple(wire.Call(*one, first=5, thread=6, comm="sh") for one in calls)
    return Content(seen, {SHELL: "/bin/sh", OTHER_SHELL: "/bin/sh"})


def told(
    kernel: Kernel, *calls: Call, head: Mapping[str, Any] = {}, run: Run = Run("run")
) -> Recording:
    """
    A recording of these calls with what the kernel side has counted.
    """
    numbers = sorted({one.recording for one in calls})
    contents = {
        number: content(*(one for one in calls if one.recording == number)) for number in numbers
    }
    recording = recording_of(run, contents.values(), HERE)
    known = {number: heads.command(**{"born": 5, **head}) for number in numbers}
    return with_outcomes(recording, cast(outcomes.Outcomes, kernel), contents, known)


def words(recording: Recording) -> dict[str, set[str]]:
    return {str(one.name): set(dict(one.outcomes)["run"]) for one in recording.observations}


def test_errors_have_names():
    """
    Success, an error and an interruption are words; an error without a name is its number.
    """
    kernel = Kernel({call(READ): Ended(4, {0: 1, 4: 1, 512: 1, 516: 1, 524: 1})})

    assert words(told(kernel, call(READ))) == {"read": {"success", "EINTR", "interrupted", "524"}}


def test_what_has_not_ended_may_have_ended_in_anything():
    """
    A call under way is told as unfinished, and so is one of which nothing was counted.
    """
    kernel = Kernel({call(READ): Ended(2, {ENOSYS: 1})})

    found = words(told(kernel, call(READ), call(STATX)))

    assert found == {"read": {"ENOSYS", "unfinished"}, "statx": {"unfinished"}}


def test_one_program_in_several_of_the_kernels_recordings_is_one():
    """
    What a path's calls ended in is united, whatever numbers the kernel side has for it.
    """
    ended = {
        call(STATX): Ended(1, {ENOSYS: 1}),
        call(STATX, OTHER_SHELL): Ended(1, {0: 1}),
        call(STATX, SHELL, 2): Ended(1, {1: 1}),
    }

    assert words(told(Kernel(ended), *ended)) == {"statx": {"ENOSYS", "success", "EPERM"}}


@pytest.mark.parametrize(
    "kernel, head, why",
    [
        (Kernel(), {"born": 3}, "running before"),
        (Kernel(), {"late": True}, "running before"),
        (Kernel(), {"strays": 1}, "no memory for some of its threads"),
        (Kernel(), {"lost": 2}, "calls were seen for which no map had room (2)"),
        (Kernel(), {"lost_tasks": 3}, "threads were born that could not be followed (3)"),
        (Kernel(without_room=7), {}, "no room for all of it (7)"),
    ],
)
def test_nothing_is_told_of_a_run_that_is_in_doubt(
    kernel: Kernel, head: Mapping[str, Any], why: str
):
    """
    What was missed may have succeeded: no outcome is kept, and a note says why.
    """
    made = told(kernel, call(READ), head=head)

    assert made.observations[0].outcomes == ()
    assert why in made.runs["run"].notes[0]


def test_nothing_is_told_of_a_run_that_is_not_complete():
    """
    Whatever the reason, what nobody saw may have ended in anything.
    """
    doubtful = Run("run", integrity=(Reason("programs-skipped", "the kernel skipped", 1),))

    made = told(Kernel(), call(READ), run=doubtful)

    assert made.observations[0].outcomes == ()
    assert "not known: the kernel skipped (1)" in made.runs["run"].notes[0]


def test_nothing_is_told_of_what_was_let_go_meanwhile():
    """
    A recording without a head may have been forgotten while it was read.
    """
    contents = {1: content(call(READ))}
    recording = recording_of(Run("run"), contents.values(), HERE)

    made = with_outcomes(recording, cast(outcomes.Outcomes, Kernel()), contents, {})

    assert made.observations[0].outcomes == ()
    assert "let go" in made.runs["run"].notes[0]


def test_without_the_option_there_are_neither_outcomes_nor_notes():
    """
    A recording is what it was.
    """
    recording = recording_of(Run("run"), [content(call(READ))], HERE)

    assert with_outcomes(recording, None, {}, {}) == recording
