"""
Live tests of calls that are made through the vsyscall page: seccomp is asked about them, and no
entry or exit is reported.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, record
from tests.live.watched import deny, profile, watching

pytestmark = pytest.mark.skipif(
    "[vsyscall]" not in Path("/proc/self/maps").read_text(), reason="this kernel has no vsyscalls"
)
VSYSCALLS = {"gettimeofday", "time", "getcpu"}
PROGRAM = "/usr/local/bin/vsyscalls"
WORSE = "worse.json"


def without_time(path: Path) -> None:
    """
    Write the profile beside it as WORSE, without the call `time`.
    """
    value = json.loads(path.read_text())
    for rule in value["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name != "time"]
    path.with_name(WORSE).write_text(json.dumps(value))


def test_a_vsyscall_is_recorded_and_verify_finds_its_denial(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What a program asks by vsyscalls is recorded and works under its profile; with `time` taken out
    the program is refused, goes on, and `verify` says so.
    """
    container = ["--network=none", busybox(podman), PROGRAM]
    recorded = record(seccomp_trace, podman, "run", "--rm", *container)
    without_time(recorded.profile)
    command = podman.command("run", *container)

    works, fails = (
        seccomp_trace("verify", path, "--", *command, env=podman.environment)
        for path in (PROFILE, WORSE)
    )

    assert recorded.calls(PROGRAM) >= VSYSCALLS
    assert works.returncode == 0, works.stderr
    assert works.stdout.splitlines() == ["gettimeofday ok", "time ok", "getcpu ok"]
    assert fails.stdout.splitlines() == ["gettimeofday ok", "time 1", "getcpu ok"]
    assert fails.returncode == 1, fails.stderr
    assert f"denied: time -> EPERM on x86_64 by {PROGRAM} [vsyscalls 1]" in fails.stderr
    assert "denied: time\n" in fails.stderr


def test_watch_says_that_an_answer_to_a_vsyscall_is_not_visible(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A filtered program's vsyscalls are told, refused or not, with an answer that says so; what was
    logged is told by the audit message besides, and the exit code is 1.
    """
    rules = [deny("time"), deny("getcpu", action="SCMP_ACT_LOG")]
    security = podman.security(profile(tmp_path, *rules))
    container = ["run", "--rm", "--network", "none", "--name", "page", *security]

    watch = watching(seccomp_trace, "page", env=podman.environment)
    podman.run(*container, busybox(podman), PROGRAM)
    told = watch.end()

    theirs = [denial for denial in told.denials if denial["executable"] == PROGRAM]
    assert {(denial["syscall"], denial["answer"], denial["count"]) for denial in theirs} == {
        *((name, "not visible", 1) for name in VSYSCALLS),
        ("getcpu", "log", 1),
    }
    assert told.status == 1
    assert "not told: 3 answers to vsyscalls, which are not visible" in told.said
