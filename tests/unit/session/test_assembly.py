"""
Tests of making recordings of what the maps hold: names, times, reasons and notes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.container import elf_files
from tests.unit.session.heads import ID, command, container
from tracer import syscalls
from tracer.kernel import wire
from tracer.kernel.recorder import Content
from tracer.recording import RUNTIME, UNKNOWN, Run
from tracer.session import assembly, runtimes
from tracer.session.assembly import Doubts, Host
from tracer.session.belonging import Container

HOST = Host("6.18.0", syscalls.X86_64, boot=1000)
RUN = Run("run")
CONTAINER_RUN = Run("run", container_id="0" * 64)


def call(number: int, **fields: Any) -> wire.Call:
    given = {
        "recording": 2,
        "executable": 9,
        "architecture": wire.AUDIT_ARCH_X86_64,
        "number": number,
        "first": 7,
        "thread": 3,
        "comm": "ls",
        **fields,
    }
    return wire.Call(**given)


def contained(**fields: Any) -> Container:
    given = {
        "recording": 2,
        "head": container(observations=1),
        "engine": "podman",
        "id": ID,
        "name": "web",
        "image": "nginx",
        "runtime": "/usr/bin/runc",
        "late": False,
        "infra": False,
        **fields,
    }
    return Container(**given)


def run_of(**fields: Any) -> Run:
    return assembly.run_of_container(contained(**fields), ("podman", "run"), False, HOST)


@pytest.mark.parametrize(
    "audit, number, token",
    [
        (wire.AUDIT_ARCH_X86_64, 0, syscalls.X86_64),
        (wire.AUDIT_ARCH_X86_64, syscalls.X32_BIT, syscalls.X32),
        (wire.AUDIT_ARCH_I386, 4, syscalls.X86),
        (wire.AUDIT_ARCH_AARCH64, 64, syscalls.AARCH64),
        (wire.AUDIT_ARCH_ARM, 4, syscalls.ARM),
    ],
)
def test_an_architecture_has_libseccomps_token(audit: int, number: int, token: str):
    """
    The kernel's constant, and x32's bit in the number, become libseccomp's token.
    """
    assert assembly.architecture_of(audit, number) == token


@pytest.mark.parametrize(
    "audit, number, name",
    [
        (wire.AUDIT_ARCH_X86_64, 1, "write"),
        (wire.AUDIT_ARCH_I386, 1, "exit"),
        (wire.AUDIT_ARCH_X86_64, syscalls.X32_BIT | 1, "write"),
        (wire.AUDIT_ARCH_X86_64, 9999, None),
        (wire.AUDIT_ARCH_X86_64, 0xFFFFFFFF, None),
    ],
)
def test_a_number_gets_its_architectures_name(audit: int, number: int, name: str):
    """
    The same number is another call on another architecture; one without a name has none.
    """
    content = Content((call(number, architecture=audit),), {9: "/bin/ls"})

    (seen,) = assembly.recording_of(RUN, [content], HOST).observations

    assert (seen.number, seen.name) == (number, name)


@pytest.mark.parametrize(
    "executable, path",
    [
        (wire.EXECUTABLE_RUNTIME, RUNTIME),
        (wire.EXECUTABLE_UNKNOWN, UNKNOWN),
        (9, "/bin/ls"),
        (10, UNKNOWN),
    ],
)
def test_a_call_is_its_executables(executable: int, path: str):
    """
    Ids of executables become paths; one whose path was not kept is unknown.
    """
    content = Content((call(0, executable=executable),), {9: "/bin/ls"})

    (seen,) = assembly.recording_of(CONTAINER_RUN, [content], HOST).observations

    assert (seen.executable, seen.first.time, seen.first.thread) == (path, 1007, 3)


def test_a_command_has_no_runtime():
    """
    A plain program that loads a filter of its own is no runtime: who called is just not known.
    """
    content = Content((call(0, executable=wire.EXECUTABLE_RUNTIME),), {})

    (seen,) = assembly.recording_of(RUN, [content], HOST).observations

    assert seen.executable == UNKNOWN


def test_several_contents_make_one_recording():
    """
    A command's tree is one recording, whatever namespaces its processes made.
    """
    contents = [Content((call(0),), {9: "/bin/ls"}), Content((call(1),), {9: "/bin/cat"})]

    recording = assembly.recording_of(RUN, contents, HOST)

    assert [one.path for one in recording.executables] == ["/bin/cat", "/bin/ls"]
    assert {seen.name for seen in recording.observations} == {"read", "write"}


def test_a_run_says_who_it_was():
    """
    A container's run carries its identity, and times since the Unix epoch.
    """
    run = run_of()

    assert (run.engine, run.container_id, run.container_name) == ("podman", ID, "web")
    assert (run.runtime, run.image) == ("runc", "nginx")
    assert (run.command, run.kernel) == (("podman", "run"), "6.18.0")
    assert (run.started, run.ended, run.integrity) == (1005, None, ())


def test_a_run_says_which_file_its_runtime_was(tmp_path: Path):
    """
    The runtime's version, path and build id are in the run; without them a note says why not.
    """
    path = tmp_path / "runc"
    path.write_bytes(elf_files.runc("1.3.6+ds1"))
    executed = wire.RuntimeExecuted(path.stat().st_ino, time.time_ns(), str(path))

    known, unknown = run_of(head=container(runtime=executed)), run_of()

    assert (known.runtime, known.runtime_version) == ("runc", "1.3.6+ds1")
    assert (known.runtime_path, known.runtime_build_id) == (str(path), elf_files.BUILD_ID)
    assert known.notes == ()
    assert (unknown.runtime, unknown.runtime_version, unknown.runtime_path) == ("runc", "", "")
    assert unknown.notes == (runtimes.NOT_SEEN,)


@pytest.mark.parametrize(
    "filtered, marker, name",
    [(True, False, "engine"), (True, True, "marker"), (False, True, "none")],
)
def test_a_run_says_whose_filter_opened_the_window(filtered: bool, marker: bool, name: str):
    """
    The window's filter is the engine's, our marker, or there was none.
    """
    one = contained(head=container(filtered=filtered))

    assert assembly.run_of_container(one, (), marker, HOST).filter == name


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"head": container(lost=3)}, "calls-lost"),
        ({"head": container(lost_tasks=3)}, "tasks-lost"),
        ({"late": True}, "attached-late"),
    ],
)
def test_what_was_missed_is_a_reason(fields: dict[str, Any], code: str):
    """
    Lost calls and threads, and a late beginning, speak against a container's recording.
    """
    assert [reason.code for reason in run_of(**fields).integrity] == [code]


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"outsider": 1}, "without its filter"),
        ({"unnamed": 4}, "4 executions"),
        ({"alive": 1}, "still running"),
    ],
)
def test_what_a_person_should_know_is_a_note(fields: dict[str, Any], words: str):
    """
    What does not make a recording incomplete is a note, and no reason.
    """
    run = run_of(head=container(**fields))

    text, _ = run.notes  # and which file its runtime was is not known
    assert words in text
    assert run.integrity == ()


def test_an_ended_run_says_when():
    """
    A run has an end once nobody of it lives.
    """
    assert run_of(head=container(last_exit=50)).ended == 1050
    assert run_of(head=container(last_exit=50, alive=1)).ended is None


def test_runs_of_different_births_have_different_ids():
    """
    Two runs on one host never share an id, and one run has the same id each time.
    """
    first = assembly.run_of_command(command(born=1, first_process=7), ("ls",), HOST)
    again = assembly.run_of_command(command(born=1, first_process=7), ("ls",), HOST)
    second = assembly.run_of_command(command(born=2, first_process=7), ("ls",), HOST)

    assert first.id == again.id != second.id


@pytest.mark.parametrize(
    "state, skipped, code",
    [
        (wire.State(0, 0, 0, 0, 0), {"on_exec": 2, "on_fork": 0}, "programs-skipped"),
        (wire.State(0, 2, 0, 0, 0), {}, "recordings-lost"),
        (wire.State(0, 0, 2, 0, 0), {}, "namespaces-lost"),
        (wire.State(0, 0, 0, 2, 0), {}, "requests-lost"),
    ],
)
def test_the_recorders_own_losses_are_everybodys_doubts(
    state: wire.State, skipped: dict[str, int], code: str
):
    """
    What the whole recorder missed is a reason that counts how often.
    """
    (reason,) = Doubts(state, skipped).reasons()

    assert (reason.code, reason.count) == (code, 2)


def test_a_recorder_that_missed_nothing_leaves_no_doubt():
    """
    Counters at zero, and tasks that only waited a moment for their storage, are no reason.
    """
    assert Doubts(wire.State(5, 0, 0, 0, 0), {"on_exec": 0}).reasons() == ()
