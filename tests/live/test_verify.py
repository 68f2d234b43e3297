"""
Tests of `verify`: a profile that lacks something does not work, and the one that was recorded does.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, record
from tests.live.runtime_copies import version_of

WORSE = "worse.json"

# A podman that is killed when it has made a container, and not yet started it.
HASTY = """#!/bin/sh
[ "$1" = run ] || exec {podman} "$@"
shift
for word; do shift; [ "$word" = --detach=false ] || set -- "$@" "$word"; done
{podman} init "$({podman} create "$@")"
kill -KILL $$
"""


def without(profile: Path, name: str) -> None:
    """
    Write the profile beside it as WORSE, without one call.
    """
    value = json.loads(profile.read_text())
    for rule in value["syscalls"]:
        rule["names"] = [one for one in rule["names"] if one != name]
    profile.with_name(WORSE).write_text(json.dumps(value))


@pytest.mark.parametrize("engine", ["podman_crun", "docker"], indirect=True)
def test_a_profile_works_until_a_call_is_taken_from_it(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What was recorded passes, under a runtime that is named; without a call it fails, by its name.
    """
    container = ["--network=none", busybox(engine), "sync"]
    recorded = record(seccomp_trace, engine, "run", "--rm", *container)
    without(recorded.profile, "sync")
    # The old option goes, and the container does not stay in the background.
    command = engine.command("run", "-d", "--security-opt", "seccomp=/nowhere", *container)

    works = seccomp_trace("verify", PROFILE, "--", *command, env=engine.environment)
    fails = seccomp_trace("verify", WORSE, "--", *command, env=engine.environment)

    assert works.returncode == 0, works.stderr
    assert f"{engine.name} with {engine.runtime} {version_of(engine)}" in works.stderr
    assert fails.returncode == 1, fails.stderr
    assert "denied: sync -> EPERM on x86_64 by /bin/sync [sync 1]" in fails.stderr


def test_a_rules_answer_and_a_log_are_no_denials_but_death_is(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    What a rule answers with an error, and what is logged, is told and fails nothing; a kill fails.
    """
    actions = {"SCMP_ACT_ERRNO": 0, "SCMP_ACT_LOG": 0, "SCMP_ACT_KILL_PROCESS": 1}
    said = {}
    for action, status in actions.items():
        rule = {"names": ["sync"], "action": action}
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
        (tmp_path / PROFILE).write_text(json.dumps(profile))

        command = podman.command("run", busybox(podman), "sync")
        done = seccomp_trace("verify", PROFILE, "--", *command, env=podman.environment)

        assert done.returncode == status, done.stderr
        said[action] = done.stderr
    assert "answered by a rule of the profile: sync -> EPERM" in said["SCMP_ACT_ERRNO"]
    assert "logged: sync -> log on x86_64 by /bin/" in said["SCMP_ACT_LOG"]
    assert "denied: sync -> kill-process" in said["SCMP_ACT_KILL_PROCESS"]


def test_a_runtime_that_is_killed_is_told(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A runtime whose filter kills it is told of, though the last of its threads has no filter.
    """
    rule = {"names": ["execve"], "action": "SCMP_ACT_KILL_PROCESS"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    (tmp_path / PROFILE).write_text(json.dumps(profile))

    command = podman.command("run", busybox(podman), "true")
    done = seccomp_trace("verify", PROFILE, "--", *command, env=podman.environment)

    assert done.returncode == 1
    assert "denied: execve -> kill-process on x86_64 by (runtime) [runc:" in done.stderr


def test_a_drive_is_told_its_container_and_its_exit_code_counts(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A container that serves is stopped when its drive has ended; a drive that fails fails the run.
    """
    (tmp_path / PROFILE).write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    serves = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
    command = podman.command("run", "--name", "server", busybox(podman), "sh", "-c", serves)
    enters = "$SECCOMP_TRACE_ENGINE exec $SECCOMP_TRACE_CONTAINER test -e /bin/sh"
    drive = shlex.join(["sh", "-c", f'{enters} && test "$SECCOMP_TRACE_NAME" = server'])

    works, fails = (
        seccomp_trace("verify", "--drive", one, PROFILE, "--", *command, env=podman.environment)
        for one in (drive, "sh -c 'exit 7'")
    )

    assert works.returncode == 0, works.stderr
    assert "good: exit code 0 when it was stopped, the drive's 0" in works.stderr
    assert fails.returncode == 1
    assert "the drive's exit code 7" in fails.stderr
    assert not podman.run("ps", "--all", "--quiet").stdout


def test_a_container_that_was_made_and_not_started_is_removed(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    As by Ctrl-C at the wrong moment: its runtime waits, and podman kills only what it has started.
    """
    (tmp_path / PROFILE).write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    own, path = tmp_path / "bin", podman.environment["PATH"]
    own.mkdir()
    (own / "podman").write_text(HASTY.format(podman=shutil.which("podman", path=path)))
    (own / "podman").chmod(0o755)

    command = podman.command("run", busybox(podman), "true")
    environment = {**podman.environment, "PATH": f"{own}:{path}"}
    done = seccomp_trace("verify", PROFILE, "--", *command, env=environment)

    assert done.returncode == 1 and "exit code 137" in done.stderr
    left = ("ps", "--all", "--quiet")
    eventually(lambda: not podman.run(*left).stdout, what="no container stays")


def test_a_container_that_ignores_an_interruption_is_killed_by_the_second(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Without a time limit the first signal is the container's alone; the second ends it for all that.
    """
    (tmp_path / PROFILE).write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    deaf = "trap '' INT QUIT; echo ready; while :; do sleep 0.1; done"
    command = podman.command("run", busybox(podman), "sh", "-c", deaf)

    process = seccomp_trace.start("verify", PROFILE, "--", *command, env=podman.environment)
    assert process.stdout and process.stdout.readline() == "ready\n"
    running = ("ps", "--quiet", "--filter", "status=running")  # podman proxies no signal before
    eventually(lambda: podman.run(*running).stdout, what="the engine knows that it runs")
    for number in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(number)
    _, said = process.communicate(timeout=20)

    assert process.returncode == 1 and "run 1: it was interrupted and killed" in said
    left = ("ps", "--all", "--quiet")  # podman may still be at it: conmon has it clean up, too
    eventually(lambda: not podman.run(*left).stdout, what="no container stays")
