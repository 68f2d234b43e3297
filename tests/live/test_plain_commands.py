"""
Tests of `run` with a plain command: its tree of processes, whole, and nothing beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.programs import compile_programs
from tests.live.recorded import PROFILE, RECORDING, Recorded, making, recorded_in

ENDS_WITHIN = 30


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The test program `calls`, on the host.
    """
    directory = tmp_path_factory.mktemp("programs")
    return next(path for path in compile_programs(directory) if path.name == "calls")


def test_a_plain_command_is_recorded_with_its_children(seccomp_trace: SeccompTrace, calls: Path):
    """
    A command's own calls and its children's are recorded, each with its program.
    """
    (getsid,) = making("getsid")

    recorded = record_plain(seccomp_trace, "sh", "-c", f"(ls /; {calls} {getsid}) | cat; times")

    assert "proc" in recorded.done.stdout.split()
    assert "getsid" in recorded.calls(str(calls))
    assert "getdents64" in recorded.calls("/usr/bin/ls")
    assert "pipe2" in recorded.calls("/usr/bin/dash") or "pipe" in recorded.calls("/usr/bin/dash")
    programs = {executable.path for executable in recorded.recording.executables}
    assert programs == {"/usr/bin/dash", "/usr/bin/ls", "/usr/bin/cat", str(calls)}


def test_what_a_command_leaves_running_is_recorded_until_it_ends(
    seccomp_trace: SeccompTrace, calls: Path
):
    """
    A child that made itself a daemon is recorded after the command has ended.
    """
    (getsid,) = making("getsid")
    daemon = f"while ! [ -e end ]; do sleep 0.05; done; exec {calls} {getsid}"
    script = f"setsid sh -c '{daemon}' </dev/null >/dev/null 2>&1 & echo started"
    process = start_plain(seccomp_trace, "sh", "-c", script)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    assert process.stdout and process.stdout.readline() == "started\n"
    eventually(lambda: not children.read_text(), what="the command has ended")

    (seccomp_trace.directory / "end").touch()
    recorded = end_of(process, seccomp_trace.directory)

    assert "getsid" in recorded.calls(str(calls))


def test_what_happens_beside_a_command_is_not_recorded(seccomp_trace: SeccompTrace, calls: Path):
    """
    What runs on the host at the same time, and the tracer itself, are in nobody's recording.
    """
    script = "echo started; until sleep 0.05; [ -e end ]; do :; done"
    process = start_plain(seccomp_trace, "sh", "-c", script)
    assert process.stdout and process.stdout.readline() == "started\n"

    subprocess.run([str(calls), *making("getsid")], check=True)
    (seccomp_trace.directory / "end").touch()
    recorded = end_of(process, seccomp_trace.directory)

    programs = {executable.path for executable in recorded.recording.executables}
    assert programs == {"/usr/bin/dash", "/usr/bin/sleep"}
    assert not recorded.calls() & {"getsid", "bpf"}


def test_a_plain_commands_profile_names_this_machine(seccomp_trace: SeccompTrace):
    """
    A command that no runtime started has a profile all the same, with what runtimes need.
    """
    recorded = record_plain(seccomp_trace, "true")

    (run,) = recorded.recording.runs.values()
    assert (run.engine, run.container_id, run.filter) == ("", "", "none")
    profile = json.loads(recorded.profile.read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "capset" in recorded.allowed() - recorded.calls()


def record_plain(seccomp_trace: SeccompTrace, *command: str) -> Recorded:
    return end_of(start_plain(seccomp_trace, *command), seccomp_trace.directory)


def start_plain(seccomp_trace: SeccompTrace, *command: str) -> "subprocess.Popen[str]":
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--")
    return seccomp_trace.start(*own, *command, env={**os.environ, "PATH": "/usr/bin:/bin"})


def end_of(process: "subprocess.Popen[str]", directory: Path) -> Recorded:
    stdout, stderr = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 0, stdout + stderr
    done = subprocess.CompletedProcess(process.args, 0, stdout, stderr)
    return recorded_in(directory, done)
