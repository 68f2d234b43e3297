"""
What `check` says of a profile is what the runtime does with it.
"""

from __future__ import annotations

import errno
import json
import platform
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import Recorded, record
from tracer import syscalls
from tracer.profile import libseccomp

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="asks.c is for x86-64")

OPENAT2 = syscalls.number_of(syscalls.X86_64, "openat2")
ANSWERS = {"runc": 38, "crun": 1}
# libseccomp knows them from 2.5.6 on.
NEW = ("mseal", "setxattrat")
THIS_RUNTIME = ("--runtime-floor", "exact")


@pytest.mark.parametrize("name", ["podman", "podman_crun"])
def test_a_call_that_is_newer_than_the_profile_is_judged_by_the_runtime_that_ran(
    request: pytest.FixtureRequest,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    name: str,
):
    """
    runc answers ENOSYS to such a call, crun the profile's EPERM; check names the same answer.
    """
    engine: Engine = request.getfixturevalue(name)
    command = (busybox(engine), "asks", f"x86_64 {OPENAT2}")
    recorded = record(seccomp_trace, engine, "run", "--rm", *command)
    profile = tmp_path / "older.json"
    profile.write_text(_older_than_openat2(recorded))

    done = engine.run("run", "--rm", *engine.security(profile), *command)
    checked = seccomp_trace("check", "--runtime-floor", "none", str(profile), "recording.json")

    number = ANSWERS[engine.runtime]
    assert done.stdout == f"-{number}\n"
    (line,) = [line for line in checked.stdout.splitlines() if " openat2 " in line]
    assert line.split()[:3] == ["denied", "openat2", f"ERRNO({number})"]


@pytest.mark.parametrize("name", ["podman", "podman_crun"])
def test_run_names_the_calls_that_libseccomp_here_does_not_know(
    request: pytest.FixtureRequest, busybox: ImageLoader, seccomp_trace: SeccompTrace, name: str
):
    """
    Recorded calls get the answer that `run` and `check` name if libseccomp here does not know them,
    and the recorded answer if it does.
    """
    engine: Engine = request.getfixturevalue(name)
    asked = [f"x86_64 {syscalls.number_of(syscalls.X86_64, call)}" for call in NEW]
    command = (busybox(engine), "asks", *asked)
    recorded = record(
        seccomp_trace, engine, "run", "--rm", *command, options=["--unconfined", *THIS_RUNTIME]
    )
    number = ANSWERS[engine.runtime]
    unknown = [call for call in NEW if not libseccomp.knows(call)]

    done = engine.run("run", "--rm", *engine.security(recorded.profile), *command)
    checked = seccomp_trace("check", *THIS_RUNTIME, "profile.json", "recording.json")

    before = recorded.done.stdout.split()
    assert done.stdout.split() == [
        f"-{number}" if call in unknown else answer for call, answer in zip(NEW, before)
    ]
    messages = [line for line in recorded.done.stderr.splitlines() if " does not know " in line]
    assert [f"know {', '.join(unknown)}: " in line for line in messages] == [True] * bool(unknown)
    assert all(f"get {errno.errorcode[number]};" in line for line in messages)
    denied = [line.split()[:3] for line in checked.stdout.splitlines() if " know " in line]
    assert denied == [["denied", call, f"ERRNO({number})"] for call in unknown]


def _older_than_openat2(recorded: Recorded) -> str:
    """What was recorded, as far as a profile written before openat2 could name it."""
    assert OPENAT2 is not None
    names = [
        name
        for name in sorted(recorded.allowed() | {"faccessat"})  # what runc does after ENOSYS
        if (syscalls.number_of(syscalls.X86_64, name) or 0) < OPENAT2
    ]
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": [syscalls.X86_64],
            "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
        }
    )
