"""
Tests of how programs are attached: which way for which tracepoint, and how the kernel is asked.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Optional

import pytest

from tests.unit.kernel.btf_blob import Blob
from tracer.errors import HostError
from tracer.kernel import (
    bpf,
    btf,
    checks,
    denials,
    image,
    layout,
    outcomes,
    perf,
    preemption,
    probe,
    program,
)

SOURCES = (
    program.RECORDER,
    denials.SOURCE,
    denials.RESIDENT,
    checks.SOURCE,
    checks.RESIDENT,
    outcomes.SOURCE,
)
CALL, ADDRESS, WORD = 0x85, 0x18, 0x61  # operations of struct bpf_insn
THIS_PROCESSOR, TASK = 154, 158  # helpers, include/uapi/linux/bpf.h


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.file)
def test_each_program_has_a_place_where_nothing_preempts_it(source: program.Source):
    """
    Every raw tracepoint that a program is for has a trace event, or one with a lock held, instead.
    """
    assert set(source.programs.values()) <= preemption.CLASSIC.keys() | preemption.HELD.keys()


@pytest.mark.parametrize(
    "name, classic, place",
    [
        ("sys_enter", False, "sys_enter"),
        ("sched_process_fork", False, "sched_process_fork"),
        ("sched_process_fork", True, "sched_wakeup_new"),
        ("cgroup_attach_task", True, "cgroup_attach_task"),
    ],
)
def test_where_a_program_at_a_raw_tracepoint_goes(
    monkeypatch: pytest.MonkeyPatch, name: str, classic: bool, place: str
):
    """
    A fork moves to where a lock is held if need be; nothing moves while raw tracepoints are safe.
    """
    types = kernel_with_tracepoints(place)
    monkeypatch.setattr(preemption, "is_classic", lambda: classic)
    source = program.Source("any.c", MappingProxyType({"on_it": name}), ())

    found = program._target(types, source, "on_it")

    assert found == (layout.tracepoint_type(types, place), bpf.TRACE_RAW_TP)


def test_a_program_at_a_trace_event_has_its_number(monkeypatch: pytest.MonkeyPatch):
    """
    The classic way attaches to the trace event of that name, whose number tracefs tells.
    """
    monkeypatch.setattr(preemption, "is_classic", lambda: True)
    monkeypatch.setattr(perf, "number", lambda *event: {("raw_syscalls", "sys_enter"): 17}[event])
    source = program.Source("any.c", MappingProxyType({"on_it": "sys_enter"}), ())

    found = program._target(kernel_with_tracepoints(), source, "on_it")

    assert found == (17, bpf.PERF_EVENT)


@pytest.mark.parametrize(
    "variables, machine, helper, offset",
    [
        ({"__preempt_count": 0}, "x86_64", THIS_PROCESSOR, 0),
        ({"pcpu_hot": 8}, "x86_64", THIS_PROCESSOR, 8),
        ({}, "aarch64", TASK, 24),
    ],
)
def test_where_the_preemption_count_is_read(
    variables: Mapping[str, int], machine: str, helper: int, offset: int
):
    """
    x86-64 has the count in a variable of each processor, arm64 in the task.
    """
    blob = Blob()
    number = blob.integer("int", 4)
    inner = blob.structure("thread_info", 32, [("preempt_count", number, 8)])
    blob.structure("task_struct", 64, [("thread_info", inner, 16)])
    hot = blob.structure("pcpu_hot", 16, [("preempt_count", number, 8)])
    for name in variables:
        blob.variable(name, hot if name == "pcpu_hot" else number)

    code = preemption.reading_count(btf.TypeInformation(blob.whole()), 5, machine)

    operations = list(struct.iter_unpack("=BBhi", code))
    assert [value for op, _, _, value in operations if op == CALL] == [helper]
    assert [at for op, _, at, _ in operations if op == WORD] == [offset]
    assert (ADDRESS, 2 << 4 | 1, 0, 5) in operations


def test_a_kernel_that_counts_elsewhere_cannot_be_asked():
    """
    Without any place that is known to have the count, nobody guesses one.
    """
    with pytest.raises(HostError, match="where it counts"):
        preemption.reading_count(kernel_with_tracepoints(), 5, "x86_64")


@pytest.mark.parametrize(
    "counts, on, needed", [(True, True, True), (True, False, False), (False, True, False)]
)
def test_a_kprobe_is_for_where_functions_returns_are_preempted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: bool, on: bool, needed: bool
):
    """
    A kprobe takes the place of fexit if preemption is on and the kernel counts what it skips.
    """
    blob = Blob()
    number = blob.integer("int", 4)
    probe_link = blob.structure("", 8, [("missed", number, 0)] if counts else [])
    blob.structure("bpf_link_info", 16, [("kprobe_multi", probe_link, 8)])
    monkeypatch.setattr(perf, "KPROBES", tmp_path)
    monkeypatch.setattr(preemption, "can_preempt", lambda types: True)
    monkeypatch.setattr(preemption, "_is_switched_on", lambda: on)

    assert preemption.needs_kprobe(btf.TypeInformation(blob.whole())) == needed


@pytest.mark.parametrize(
    "modes, on",
    [
        ("none voluntary (full)", True),
        ("full (lazy)", True),
        ("none (voluntary) full", False),
        (None, True),
    ],
)
def test_whether_preemption_is_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modes: Optional[str], on: bool
):
    """
    The mode in parentheses is in force; a kernel that offers none to choose is always preemptible.
    """
    if modes is not None:
        (tmp_path / "sched").mkdir()
        (tmp_path / "sched/preempt").write_text(modes + "\n")
    monkeypatch.setattr(perf, "unplaced", lambda kind: os.open(tmp_path, os.O_PATH))

    assert preemption._is_switched_on() == on


@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_is_kept_until_the_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
):
    """
    The kernel is asked once; what it answered is read from then on.
    """
    kept: dict[str, str] = {}
    monkeypatch.setattr(image, "kept_text", kept.get)
    monkeypatch.setattr(image, "keep_text", kept.__setitem__)
    answers = [answer]
    monkeypatch.setattr(btf, "read", kernel_with_tracepoints)
    monkeypatch.setattr(preemption, "can_preempt", lambda types: True)
    monkeypatch.setattr(preemption, "_may_preempt_program", lambda types: answers.pop())

    assert [preemption.is_preemptible(), preemption.is_preemptible()] == [answer, answer]
    assert not answers


def test_a_kernel_that_refuses_to_be_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    """
    Where nobody can tell, that is what is said, and nothing is kept.
    """

    def refuse() -> btf.TypeInformation:
        raise HostError("no type information")

    monkeypatch.setattr(image, "kept_text", lambda key: None)
    monkeypatch.setattr(btf, "read", refuse)

    assert preemption.is_preemptible() is None


@pytest.mark.parametrize(
    "preempts, classic, verdict, said",
    [
        (False, False, "ok", "at raw tracepoints, where this kernel preempts none"),
        (True, True, "ok", "at trace events: this kernel preempts them at raw tracepoints"),
        (True, False, "note", "at raw tracepoints, and this kernel preempts them"),
        (None, False, "note", "nobody can tell whether it preempts them"),
    ],
)
def test_doctor_says_how_programs_are_attached(
    monkeypatch: pytest.MonkeyPatch,
    preempts: Optional[bool],
    classic: bool,
    verdict: str,
    said: str,
):
    """
    One line names the way; where runs may be skipped it says what then becomes of a recording.
    """
    monkeypatch.setattr(preemption, "is_preemptible", lambda: preempts)
    monkeypatch.setattr(preemption, "is_classic", lambda: classic)

    found = probe.programs()

    assert (found.verdict, found.subject) == (verdict, "programs")
    assert said in found.text
    assert ("make a recording incomplete" in found.remedy) == (verdict == "note")


def kernel_with_tracepoints(*names: str) -> btf.TypeInformation:
    blob = Blob()
    for name in names:
        blob.named(btf.TYPEDEF, f"btf_trace_{name}", 0)
    return btf.TypeInformation(blob.whole())
