"""
What `check` says of a profile is what the runtime does with it.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import Recorded, record
from tracer import syscalls

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="asks.c is for x86-64")

OPENAT2 = syscalls.number_of(syscalls.X86_64, "openat2")
ANSWERS = {"runc": 38, "crun": 1}


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
