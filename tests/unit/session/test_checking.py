"""
Tests of how capability checks become part of a recording, or a note why there are none.
"""

from __future__ import annotations

import os
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.container.process import read_process
from tracer.errors import HostError
from tracer.kernel import checks, wire
from tracer.kernel.recorder import Recorder
from tracer.recording import CONTAINER, HOST, RUNTIME, UNKNOWN, Capabilities, Check, Circumstances
from tracer.recording import Recording, Run
from tracer.session.assembly import LATE, Host
from tracer.session.checking import Checking, Noted, checking, held_by, noted, with_checks

HERE = Host("6.18", syscalls.X86_64, 1000)
HOSTS_MAP = (0, 0, 2**32 - 1)
HOLDER = checks.Holder(
    *(0, 1, 1, 3, 0),
    namespace=99,
    checks=1,
    lost=2,
    since=0,
    executable=9,
    user=0,
    level=0,
    real_user=1000,
    securebits=0x4C,
    uid_map=checks.EXTENT.pack(*HOSTS_MAP) + bytes(48),
    extents=1,
)
IN_A_CONTAINER = Run("run", container_id="c" * 64)
PROGRAM = 9


@dataclass(frozen=True)
class Kernel:
    """
    What the kernel side has noted.
    """

    found: tuple[checks.Check, ...] = ()

    def of(self, recordings: Set[int]) -> tuple[checks.Check, ...]:
        return tuple(one for one in self.found if one.recording in recordings)

    def holders(self) -> dict[int, checks.Holder]:
        return {1: HOLDER}

    def lost(self) -> int:
        return 3


@dataclass(frozen=True)
class SharingThreads:
    """
    A recorder, as far as it is asked for its map.
    """

    threads: int = 3


def check(recording: int = 1, executable: int = PROGRAM, number: int = 92) -> checks.Check:
    return checks.Check(
        recording=recording,
        executable=executable,
        architecture=wire.AUDIT_ARCH_X86_64,
        number=number,
        capability=0,
        namespace=checks.HOSTS,
        granted=True,
        idle=False,
        audited=True,
        caller="setattr_prepare",
        count=4,
        first=5,
        thread=6,
        comm="chown",
    )


def recorded(*found: checks.Check, run: Run = IN_A_CONTAINER) -> Recording:
    checking = Checking(cast(checks.Checks, Kernel(found)))
    parts = noted(checking, {1: {PROGRAM: "/bin/chown"}})
    return with_checks(recording("read", run=run), checking, tuple(parts.values()), HERE)


def only_check(recording: Recording) -> Check:
    (one,) = recording.checks
    return one


def test_a_check_has_names_and_a_time_of_day():
    """
    The kernel's numbers become names, its clock the time of day, its count the run's.
    """
    one = only_check(recorded(check()))

    assert (one.executable, one.name, one.capability) == ("/bin/chown", "chown", "CAP_CHOWN")
    assert (one.namespace, one.granted, one.caller) == (HOST, True, "setattr_prepare")
    assert (one.first.time, one.first.thread, one.counts) == (1005, 6, (("run", 4),))


def test_a_check_of_another_recording_is_not_in_it():
    """
    What was noted of other containers meanwhile is theirs.
    """
    assert recorded(check(recording=2)).checks == ()


def test_a_check_outside_of_a_call_has_no_number():
    """
    What stands for no number at all is not called impossible.
    """
    one = only_check(recorded(check(number=wire.IMPOSSIBLE)))

    assert (one.number, one.name) == (-1, None)


def test_who_has_no_path_is_the_runtime_in_a_container_alone():
    """
    Before the first program of a container its runtime is asked; a plain command has none.
    """
    early = check(executable=wire.EXECUTABLE_RUNTIME)

    assert only_check(recorded(early)).executable == RUNTIME
    assert only_check(recorded(early, run=Run("run"))).executable == UNKNOWN


def test_the_run_says_what_its_first_program_held():
    """
    The sets as masks, in which user namespace, and how many checks nobody could keep.
    """
    (run,) = recorded(check()).runs.values()

    assert run.capabilities is not None
    assert (run.capabilities.bounding, run.capabilities.effective) == (3, 1)
    assert (run.capabilities.namespace, run.capabilities.lost) == (HOST, 5)


def test_the_run_says_what_its_first_programs_execve_depended_on():
    """
    Which program it was by its path, its real user, its securebits and its namespace's map.
    """
    (run,) = recorded(check()).runs.values()

    assert run.capabilities is not None
    assert run.capabilities.circumstances == Circumstances("/bin/chown", 1000, 0x4C, (HOSTS_MAP,))


def test_a_map_of_more_lines_than_are_kept_is_not_known():
    """
    Where the kernel keeps more than five, what we have read is where they are.
    """
    assert checks.uid_map_of(replace(HOLDER, extents=6)) is None


def test_kinds_of_checks_that_are_not_there_any_more_are_lost():
    """
    What the kernel side has counted and does not hold has been dropped.
    """
    (run,) = recorded().runs.values()

    assert run.capabilities is not None and run.capabilities.lost == 3 + 2 + 1


@pytest.mark.parametrize("since", [5, 7])
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_what_began_after_the_first_programs_first_call_has_been_dropped_before(
    since: int, drops: bool, late: bool
):
    """
    Where the kernel side drops what is old, and the program was there from its execution on: what
    is held now is somebody else's.
    """
    seen = recording("read", run=replace(IN_A_CONTAINER, integrity=(LATE,) * late))
    first = min(one.first.time for one in seen.observations)
    host = replace(HERE, boot=first - 6)
    holder = replace(HOLDER, checks=0, lost=0, since=since)
    asked = Checking(cast(checks.Checks, Kernel()), drops=drops)

    made = with_checks(seen, asked, (Noted((), holder, {}),), host)

    (run,) = made.runs.values()
    dropped = since > 6 and drops and not late
    assert (run.capabilities is None) == dropped
    assert any("no room" in note for note in run.notes) == dropped


def test_what_runs_already_was_asked_what_it_holds():
    """
    Who attaches knows that better than whose check came first.
    """
    held = Capabilities(1000, CONTAINER, 1, 2, 3, 4, 5)
    asked = Checking(cast(checks.Checks, Kernel()))

    made = with_checks(recording("read"), asked, (), HERE, held)

    assert made.runs["run"].capabilities == replace(held, lost=3)


def test_a_process_holds_what_proc_says_of_it():
    """
    This very process, in this very user namespace.
    """
    held = held_by(read_process(os.getpid()))

    assert (held.user, held.namespace) == (os.geteuid(), HOST)
    assert held.circumstances is not None
    assert (held.circumstances.executable, held.circumstances.real_user) == ("", os.getuid())
    assert f"CapBnd:\t{held.bounding:016x}\n" in Path("/proc/self/status").read_text()


def test_a_user_namespace_of_its_own_is_the_containers():
    """
    Any but the first is the container's, however deep it lies.
    """
    holder = replace(HOLDER, user=100000, level=2)
    checking = Checking(cast(checks.Checks, Kernel()))

    made = with_checks(recording("read"), checking, (Noted((), holder, {}),), HERE)

    assert made.runs["run"].capabilities.namespace == CONTAINER  # type: ignore[union-attr]


def test_a_recording_is_made_without_checks_and_says_so():
    """
    Where the kernel cannot tell them there is a note, and nothing that says all were seen.
    """
    made = with_checks(recording("read"), Checking(why="not recorded: no tracepoint"), (), HERE)

    assert made.runs["run"].notes == ("not recorded: no tracepoint",)
    assert made.runs["run"].capabilities is None
    assert made.complete


def test_what_the_kernel_refuses_to_load_is_no_reason_to_record_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    """
    A kernel without the tracepoint leaves a session that goes on, and knows why there is none.
    """

    def refuse(threads: int) -> None:
        raise HostError("this kernel has no tracepoint cap_capable", "a newer one is needed")

    monkeypatch.setattr(checks, "load", refuse)

    with checking(cast(Recorder, SharingThreads())) as asked:
        asked.release({1})

    assert asked.kernel is None
    assert asked.why.endswith("this kernel has no tracepoint cap_capable")
