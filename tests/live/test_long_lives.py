"""
Tests of containers that outlive the command that started them, and of what enters them meanwhile.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, Recorded, making, recorded_in

CALLS = "/usr/local/bin/calls"
ENDS_WITHIN = 30
EXECS = 10
# Until somebody says that it may end, by a file; then one more call.
LAST_ACT = f"while ! [ -e /data/end ]; do sleep 0.05; done; {CALLS} {' '.join(making('getpgrp'))}"


def test_a_detached_container_is_recorded_until_it_ends(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What a container does after its command has returned is in the recording.
    """
    with detached(engine, busybox, seccomp_trace) as process:
        (seccomp_trace.directory / "end").touch()
        recorded = end_of(process, seccomp_trace.directory)

    assert "getpgrp" in recorded.calls(CALLS)


def test_what_is_executed_in_a_recorded_container_is_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    `exec`, from outside the recorded command, adds to the recording: program and runtime alike.
    """
    with detached(engine, busybox, seccomp_trace) as process:
        engine.run("exec", "lasting", "calls", *making("getsid"))
        engine.run("exec", "--user", "1000", "lasting", "calls", *making("times"))
        (seccomp_trace.directory / "end").touch()
        recorded = end_of(process, seccomp_trace.directory)

    assert {"getsid", "times", "getpgrp"} <= recorded.calls(CALLS)
    assert not recorded.calls() & {"setns", "pivot_root", "mount"}


def test_exec_works_under_the_profile(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A container recorded with an `exec` can be started, and executed in, under its profile.
    """
    with detached(engine, busybox, seccomp_trace) as process:
        engine.run("exec", "lasting", "ls", "/")
        (seccomp_trace.directory / "end").touch()
        recorded = end_of(process, seccomp_trace.directory)
    engine.run("rm", "--force", "lasting")
    (seccomp_trace.directory / "end").unlink()

    engine.run(*lasting(engine, busybox, seccomp_trace.directory, recorded.profile))
    ends = [engine.run("exec", "lasting", "ls", "/", check=False) for _ in range(EXECS)]
    (seccomp_trace.directory / "end").touch()

    assert [end.stderr for end in ends if end.returncode != 0] == []


@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_container_that_is_started_by_its_name_is_recorded_until_it_ends(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    `start` returns at once too, and only the engine knows which container the name means.
    """
    create = ["create", *lasting(engine, busybox, seccomp_trace.directory)]
    engine.run(*(word for word in create if word not in ("run", "--detach")))

    with recording(seccomp_trace, engine, "start", "lasting") as process:
        (seccomp_trace.directory / "end").touch()
        recorded = end_of(process, seccomp_trace.directory)

    assert "getpgrp" in recorded.calls(CALLS)


def detached(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
) -> contextlib.AbstractContextManager["subprocess.Popen[str]"]:
    arguments = lasting(engine, busybox, seccomp_trace.directory)
    return recording(seccomp_trace, engine, *arguments)


@contextlib.contextmanager
def recording(
    seccomp_trace: SeccompTrace, engine: Engine, *arguments: str
) -> Iterator["subprocess.Popen[str]"]:
    """Record a container until the engine's command has returned, and the container still runs."""
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--")
    command = engine.command(*arguments)
    process = seccomp_trace.start(*own, *command, env=engine.environment)
    assert process.stdout and process.stdout.readline()  # its id, or its name
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    eventually(lambda: not children.read_text(), what="the engine's command has returned")
    try:
        yield process
    finally:
        (seccomp_trace.directory / "end").touch()


def lasting(
    engine: Engine, busybox: ImageLoader, directory: Path, profile: Optional[Path] = None
) -> list[str]:
    """Return the arguments that start the container, which ends once there is a file."""
    security = engine.security(profile) if profile else []
    options = ["--detach", "--name", "lasting", "--volume", f"{directory}:/data", *security]
    return ["run", *options, busybox(engine), "sh", "-c", LAST_ACT]


def end_of(process: "subprocess.Popen[str]", directory: Path) -> Recorded:
    stdout, stderr = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 0, stdout + stderr
    done = subprocess.CompletedProcess(process.args, 0, stdout, stderr)
    return recorded_in(directory, done)
