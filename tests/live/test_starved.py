"""
A kernel that refuses memory for task storage: every task is followed all the same.

The kernel charges task storage to the memory cgroup in which the map was made. The tracer is put
in one whose limit is then lowered to what it uses; the command leaves that cgroup before it runs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from tests.live.command import SeccompTrace
from tests.live.programs import SOURCES
from tracer.recording import from_json

VERSION_1 = Path("/sys/fs/cgroup/memory")
VERSION_2 = Path("/sys/fs/cgroup")


class MemoryLimit:
    """A memory cgroup of either version, and the files by which it is ruled."""

    def __init__(self) -> None:
        old = VERSION_1.is_dir()
        self.outside = VERSION_1 if old else VERSION_2
        self.directory = self.outside / "seccomp-trace-test"
        self.usage = self.directory / ("memory.usage_in_bytes" if old else "memory.current")
        self.limit = self.directory / ("memory.limit_in_bytes" if old else "memory.max")
        self.none = "-1" if old else "max"
        self.old = old

    def spare(self, process: int) -> None:
        """Let a process wait for memory where it would be killed for want of it."""
        if self.old:
            (self.directory / "memory.oom_control").write_text("1")
        else:
            Path(f"/proc/{process}/oom_score_adj").write_text("-1000")

    def lower(self) -> None:
        """Leave no room beyond what is used now, taking back what the kernel can free first."""
        while True:
            used = self.usage.read_text().strip()
            try:
                self.limit.write_text(used)
                return
            except OSError:  # EBUSY: it grew meanwhile
                continue


@pytest.fixture
def memory() -> Iterator[MemoryLimit]:
    """A memory cgroup of the test's own."""
    limit = MemoryLimit()
    if not VERSION_1.is_dir() and "memory" not in (VERSION_2 / "cgroup.controllers").read_text():
        pytest.skip("this host has no memory controller")
    limit.directory.mkdir(exist_ok=True)
    yield limit
    limit.directory.rmdir()


def test_nothing_is_lost_when_the_kernel_refuses_task_storage(
    memory: MemoryLimit, seccomp_trace: SeccompTrace, tmp_path: Path
) -> None:
    """
    Of 3,000 threads most get no task storage, and the one call of the last is in the recording.
    """
    crowd, go, kept = tmp_path / "crowd", tmp_path / "go", tmp_path / "crowd.recording"
    source = SOURCES / "crowd.c"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", str(crowd), str(source)], check=True)
    outside, inside = memory.outside / "cgroup.procs", memory.directory / "cgroup.procs"
    leave = f'echo 0 >{outside}; exec "$@"'
    seccomp_trace("run", "-o", "-", "--", "true")  # compiled and kept: little memory is needed now
    inside.write_text("0")
    try:
        process = seccomp_trace.start(
            *("run", "-o", str(tmp_path / "p.json"), "--recording", str(kept), "--"),
            *("sh", "-c", leave, "sh", str(crowd), "3000", str(go)),
            stdout=subprocess.PIPE,
        )
    finally:
        outside.write_text("0")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    memory.spare(process.pid)
    memory.lower()
    before = failures(memory)
    try:
        go.touch()
        assert process.stdout.readline() == "done\n"
        refused = failures(memory) - before
    finally:
        memory.limit.write_text(memory.none)

    assert process.wait() == 0
    assert refused > 0
    recording = from_json(kept.read_text(), str(kept))
    assert recording.complete
    calls = {one.name for one in recording.observations if one.executable == str(crowd)}
    assert {"sched_get_priority_max", "clone3"} <= calls


def failures(memory: MemoryLimit) -> int:
    """How often the cgroup's limit has been met so far."""
    if memory.old:
        return int((memory.directory / "memory.failcnt").read_text())
    events = (memory.directory / "memory.events").read_text().split()
    return int(events[events.index("max") + 1])
