"""
Calls that need no second look: what is skipped has been recorded, and nothing else is skipped.
"""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.programs import FLAGS, SOURCES
from tests.live.recorded import PROFILE, RECORDING, read_complete

OWN = ("run", "-o", PROFILE, "--recording", RECORDING, "--")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is an x86 instruction")
def test_the_same_number_through_another_entry_is_another_call(
    seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A 64-bit program that has made a native call a thousand times makes the i386 one of its number.
    """
    mixed = tmp_path / "mixed"
    subprocess.run(["gcc", *FLAGS, "-o", str(mixed), str(SOURCES / "mixed.c")], check=True)

    done = seccomp_trace(*OWN, str(mixed))

    assert done.returncode == 0, done.stderr
    recording = read_complete(tmp_path / RECORDING)
    calls = {(one.architecture, one.name) for one in recording.observations if one.number == 39}
    assert calls == {("SCMP_ARCH_X86_64", "getpid"), ("SCMP_ARCH_X86", "mkdir")}


def test_a_program_that_a_familiar_task_executes_is_looked_at_again(
    seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A shell and the program that it becomes make the same calls: both are recorded with them.
    """
    loop = "i=0; while [ $i -lt 300 ]; do : <etc; i=$((i+1)); done; exec cat etc"
    (tmp_path / "etc").touch()

    done = seccomp_trace(*OWN, "sh", "-c", loop)

    assert done.returncode == 0, done.stderr
    recording = read_complete(tmp_path / RECORDING)
    opened = {one.executable for one in recording.observations if one.name == "openat"}
    assert {Path(path).name for path in opened} >= {"cat"} and len(opened) == 2
    assert {"read", "close", "openat"} <= {
        one.name for one in recording.observations if one.executable.endswith("/cat")
    }
