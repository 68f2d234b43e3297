"""
Live tests that the kernel runs the recorder's programs each time, however busy the host is.

They are worth most where the kernel preempts itself: `scripts/old-kernel` runs them in a virtual
machine with such a kernel (see scripts/benchmarks/README.md). SECCOMP_TRACE_ROUNDS says how much
the busy programs do.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM, SeccompTrace
from tests.live.oracle import calls_by_program
from tests.live.recorded import PROFILE, RECORDING, read_complete

ROUNDS = int(os.environ.get("SECCOMP_TRACE_ROUNDS", "2"))
CHECKOUT = Path(__file__).parents[2]

# Six shells that start programs and four programs that make calls as fast as they can, all at once.
BUSY = """
shell() {
    round=0
    while [ "$round" -lt "$1" ]; do
        /usr/bin/ls /; /usr/bin/id; /usr/bin/date
        round=$((round + 1))
    done
}
for each in 1 2 3 4 5 6; do shell "$1" & done
for each in 1 2 3 4; do /usr/bin/dd if=/dev/zero of=/dev/null bs=1 count="$2" & done
wait
"""
PROGRAMS = ("dash", "ls", "id", "date", "dd")

# The command line under test, with programs attached the classic way whatever this kernel does.
CLASSIC = """#!{python}
from tracer import cli
from tracer.kernel import preemption
preemption.is_classic = lambda: True
cli.main()
"""

# Sets a value so large that the kernel is mostly in the middle of that, and gives way to others.
UPDATING = """
import os, sys
from tracer.kernel import bpf
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
large = bpf.create_map("large", 2, 4, 1 << 22, 1, 0)
print("ready", flush=True)
while True:
    bpf.update(large, bytes(4), bytes(1 << 22))
"""


@pytest.fixture
def classic(tmp_path: Path) -> SeccompTrace:
    """
    Return the command line under test, attached the classic way; apart from the host's cache.
    """
    program = tmp_path / "classic"
    program.write_text(CLASSIC.format(python=PROGRAM.with_name("python")))
    program.chmod(0o755)
    wrapper = tmp_path / "wrapper"
    words = apart(["mount -t tmpfs none /var/cache"], [str(program)])
    wrapper.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + ' "$@"\n')
    wrapper.chmod(0o755)
    return SeccompTrace(tmp_path, wrapper)


def busy(rounds: int, calls: int) -> list[str]:
    """
    Return the command line of that: how often shells start programs, and others read and write.
    """
    # Without PWD, which is not the same for all: dash asks for it then, and always so.
    shell = ["/usr/bin/env", "-u", "PWD", "/usr/bin/dash", "-c", BUSY, "busy"]
    return [*shell, str(rounds), str(calls)]


def traced(directory: Path) -> dict[str, set[str]]:
    """
    Return what strace sees of a little of the same, by program.
    """
    lines = directory / "calls"
    command = ["strace", "-f", "-o", str(lines), *busy(1, 10)]
    subprocess.run(command, capture_output=True, check=True)
    return calls_by_program(lines.read_text().splitlines())


def recorded(directory: Path) -> dict[str, set[str]]:
    found = defaultdict(set)
    for seen in read_complete(directory / RECORDING).observations:
        found[seen.executable].add(seen.name or str(seen.number))
    return found


@pytest.mark.parametrize("way", ["seccomp_trace", "classic"])
def test_a_busy_host_loses_nothing(way: str, tmp_path: Path, request: pytest.FixtureRequest):
    """
    Ten programs at once on every processor are recorded completely, with the calls strace sees.
    """
    command: SeccompTrace = request.getfixturevalue(way)
    expected = traced(tmp_path)

    done = command(
        *("run", "-o", PROFILE, "--recording", RECORDING, "--", *busy(ROUNDS, ROUNDS * 10000)),
        timeout=3000,
    )

    assert done.returncode == 0, done.stderr
    found = recorded(tmp_path)
    for name in PROGRAMS:
        assert found[f"/usr/bin/{name}"] == expected[f"/usr/bin/{name}"], name


def preempts_itself() -> bool:
    """
    Tell whether the kernel preempts tasks inside of it, by its command line or else by how it was
    built; it does if neither says.
    """
    mode = re.search(r"\bpreempt=(\w+)", Path("/proc/cmdline").read_text())
    if mode:
        return mode[1] not in ("none", "voluntary")
    built, kept = Path("/proc/config.gz"), Path(f"/boot/config-{os.uname().release}")
    config = gzip.decompress(built.read_bytes()).decode() if built.exists() else ""
    config = config or (kept.read_text() if kept.exists() else "")
    return not re.search("^CONFIG_PREEMPT_(NONE|VOLUNTARY)=y$", config, re.MULTILINE)


def test_skipped_runs_make_a_recording_incomplete(classic: SeccompTrace, tmp_path: Path):
    """
    Where another process is preempted while it holds the kernel's guard, the recording says so; a
    kernel that preempts no task inside of it skips nothing.
    """
    updating = [
        subprocess.Popen(
            ["env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-c", UPDATING, str(processor)],
            stdout=subprocess.PIPE,
        )
        for processor in os.sched_getaffinity(0)
    ]
    try:
        for process in updating:
            assert process.stdout and process.stdout.readline() == b"ready\n"
        done = classic(
            *("run", "-o", PROFILE, "--recording", RECORDING, "--", *busy(ROUNDS, ROUNDS * 10000)),
            timeout=3000,
        )
    finally:
        for process in updating:
            process.kill()
            process.communicate()

    if not preempts_itself():
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 125, done.stderr
    document = json.loads((tmp_path / f"{RECORDING}.incomplete").read_text())
    reasons = [reason for run in document["runs"] for reason in run["integrity"]]
    assert [reason["code"] for reason in reasons] == ["programs-skipped"]
    assert "the kernel skipped runs of the recorder's programs" in done.stderr
