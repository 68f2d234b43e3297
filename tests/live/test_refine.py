"""
Tests of `refine`: what a profile lacks is found by trying, and added, and nothing else.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.live import drives
from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.driving import NGINX, prepare
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, allowed_by, record
from tests.live.serving import Running, free_port, running
from tracer.profile.floors import permitted, shipped
from tracer.profile.kernel_calls import KERNEL_CALLS

CHECKOUT = Path(__file__).parents[2]


def recorder(
    seccomp_trace: SeccompTrace, engine: Engine, profile: str
) -> "Callable[[Sequence[str]], subprocess.Popen[str]]":
    """
    Return what starts a command that is recorded into a profile.
    """

    def start(command: Sequence[str]) -> "subprocess.Popen[str]":
        return seccomp_trace.start("run", "-o", profile, "--", *command, env=engine.environment)

    return start


def test_a_profile_of_a_start_is_mended_by_real_requests(
    podman: Engine, servers: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Under the profile of nginx's start requests fail; what refine adds is what a recording with the
    requests has, and then they work every time.
    """
    image, port = servers(podman), free_port()
    for profile, drive in (("start.json", lambda one: None), ("driven.json", drives.drive_nginx)):
        start = recorder(seccomp_trace, podman, profile)
        with running(NGINX, podman, image, tmp_path / profile[:-5], start=start) as one:
            drive(one)
    prepare(Running(NGINX, podman, "", port, tmp_path / "data"))
    own = ["--network=host", "--stop-signal=QUIT", "--volume", f"{tmp_path}/data:/data"]
    command = podman.command("run", *own, image, *NGINX.command)
    requests = [sys.executable, "-m", "tests.live.driving", str(port), f"{tmp_path}/data"]
    drive_option = ["--drive", shlex.join(["env", f"PYTHONPATH={CHECKOUT}", *requests])]

    def trace(*words: str) -> "subprocess.CompletedProcess[str]":
        return seccomp_trace(*words, *drive_option, "--", *command, env=podman.environment)

    fails = trace("verify", "start.json")
    mends = trace("refine", "start.json", "-o", "mended.json")
    works = trace("verify", "--times", "10", "mended.json")

    assert fails.returncode == 1 and "denied: writev -> EPERM" in fails.stderr, fails.stderr
    assert mends.returncode == 0 and "+ sendfile  asked for by " in mends.stderr, mends.stderr
    assert works.returncode == 0 and "10 of 10 runs were good" in works.stderr, works.stderr
    names = ("start.json", "driven.json", "mended.json")
    start_only, driven, mended = (allowed_by(tmp_path / name) for name in names)
    assert mended - start_only == driven - start_only


def test_what_is_denied_is_added_run_by_run(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Trying under the profile as it is finds what one run under a loosened one does, and what a
    person keeps out by an option, or by an answer, is not added.
    """
    image = busybox(podman)
    record(seccomp_trace, podman, "run", "--rm", image, "true")

    said: list[str] = []

    def added(command: Sequence[str], *options: str, answers: str = "") -> "set[str]":
        done = seccomp_trace(
            *("refine", PROFILE, "-o", "new.json", *options, "--"),
            *podman.command("run", image, *command),
            env=podman.environment,
            input=answers,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
        return allowed_by(tmp_path / "new.json") - allowed_by(tmp_path / PROFILE)

    makes, shell = ("mkdir", "-p", "/tmp/a/b"), ("sh", "-c", "sync; mkdir /tmp/a; exit 0")
    probed, strictly = added(makes), added(makes, "--strict")
    asked = added(shell, "--deny", "sync", "--ask", answers="n\n" + "y\n" * 40)

    assert "mkdir" in probed and probed == strictly
    assert "mkdir" in asked and "sync" not in asked and len(asked) > 2
    assert "kept out: sync  asked for by /bin/sh" in said[-1]


STARTS = 20


@pytest.mark.parametrize("engine", ["podman", "podman_crun"], indirect=True)
def test_what_is_not_missed_is_dropped(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    The profile of `ls /` loses calls by experiment, none of a runtime's or of those that the kernel
    makes, and starts it every time.
    """
    image = busybox(engine)
    recorded = record(seccomp_trace, engine, "run", "--rm", image, "ls", "/")

    command = engine.command("run", image, "ls", "/")
    done = seccomp_trace(
        *("refine", "--minimise", PROFILE, "-o", "less.json", "--", *command),
        env=engine.environment,
    )

    assert done.returncode == 0, done.stderr
    assert "this proves only" in done.stderr
    assert "without 1 call: " in done.stderr and " 1 calls" not in done.stderr
    left = allowed_by(tmp_path / "less.json")
    assert left < recorded.allowed()
    kept = (
        permitted(floor for floor in shipped() if floor.runtime == engine.runtime)
        | KERNEL_CALLS.keys()
    )
    assert kept & recorded.allowed() <= left
    under_it = engine.security(tmp_path / "less.json")
    created = engine.run("create", *under_it, image, "ls", "/").stdout.strip()
    for _ in range(STARTS):
        engine.run("start", "--attach", created)
    assert engine.run("logs", created).stdout.split().count("proc") == STARTS


def test_a_command_that_works_but_once_is_no_measure(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Where every later run fails, with the whole profile too, nothing is said to be missed.
    """
    rule = {"names": ["keyctl"], "action": "SCMP_ACT_ALLOW"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    (tmp_path / PROFILE).write_text(json.dumps(profile))

    command = podman.command("run", "--cidfile=once", busybox(podman), "true")
    done = seccomp_trace(
        *("refine", "--minimise", PROFILE, "-o", "less.json", "--", *command),
        env=podman.environment,
    )

    assert done.returncode == 1
    assert "nothing was written: with all of the profile it works only now and then" in done.stderr
    assert not (tmp_path / "less.json").exists()


def test_an_interruption_is_all_that_is_said_of_it(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Minimising that is interrupted writes nothing, and calls no result doubtful: there is none.
    """
    rules = [{"names": ["keyctl", "sync", "acct"], "action": "SCMP_ACT_ALLOW"}]
    (tmp_path / PROFILE).write_text(
        json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    )

    command = podman.command("run", busybox(podman), "sh", "-c", "echo begun; sleep 1")
    process = seccomp_trace.start(
        *("refine", "--minimise", PROFILE, "-o", "less.json", "--", *command),
        env=podman.environment,
    )
    assert process.stdout
    for _ in range(2):  # in the second run
        assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said.splitlines()[-1] == "seccomp-trace: nothing was written: interrupted"
    assert not (tmp_path / "less.json").exists()
