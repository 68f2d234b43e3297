"""
Tests of the way to a trace event: its number, and a process that holds its processor meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.kernel import bpf, perf


@pytest.fixture
def tracefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A directory that is taken for tracefs, with one trace event.
    """
    monkeypatch.setattr(perf, "TRACEFS", str(tmp_path))
    event = tmp_path / "events/raw_syscalls/sys_enter"
    event.mkdir(parents=True)
    (event / "id").write_text("402\n")
    return tmp_path


def test_tracefs_tells_the_number_of_a_trace_event(tracefs: Path):
    """
    The number of a trace event is what its file `id` says.
    """
    assert perf.number("raw_syscalls", "sys_enter") == 402
    assert perf.is_reachable()


def test_a_kernel_without_the_event_cannot_be_reached_that_way(tracefs: Path):
    """
    Without such an event there is no number, and this way is not taken.
    """
    (tracefs / "events/raw_syscalls/sys_enter/id").unlink()

    with pytest.raises(FileNotFoundError):
        perf.number("raw_syscalls", "sys_enter")
    assert not perf.is_reachable()


@pytest.mark.parametrize("policy", [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_RR])
def test_a_process_holds_its_processor_while_it_is_in_a_map(
    monkeypatch: pytest.MonkeyPatch, policy: int
):
    """
    Around each access the policy is that of real time, and then what it was; one that is stays.
    """
    story: list[object] = []
    monkeypatch.setattr(bpf, "_holds_processor", True)
    monkeypatch.setattr(os, "sched_getscheduler", lambda process: policy)
    monkeypatch.setattr(os, "sched_setscheduler", lambda process, to, _: story.append(to))
    monkeypatch.setattr(bpf, "call", lambda command, attributes: story.append(command))

    bpf.delete(3, bytes(4))

    held = [os.SCHED_FIFO, bpf.MAP_DELETE, policy]
    assert story == ([bpf.MAP_DELETE] if policy == os.SCHED_RR else held)


def test_who_may_not_hold_its_processor_reads_all_the_same(monkeypatch: pytest.MonkeyPatch):
    """
    Where real time is refused the access is made without, and what is skipped is counted.
    """

    def refuse(process: int, policy: int, parameters: object) -> None:
        raise PermissionError

    story: list[int] = []
    monkeypatch.setattr(bpf, "_holds_processor", True)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(bpf, "call", lambda command, attributes: story.append(command))

    bpf.delete(3, bytes(4))

    assert story == [bpf.MAP_DELETE]
