"""
Tests of what a second look at the recorder found: what is taken for an engine, a container, a
request, a runtime, and what a hook or a flood of impossible calls may do to a recording.

Signals, time and the environment are in test_second_look_command.py, cgroups whose names mislead
in test_second_look_cgroups.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.programs import compile_programs
from tests.live.recorded import PROFILE, RECORDING, making, read_complete, record, record_command

REQUEST = "POST /v1.41/containers/{name}/start HTTP/1.1"
ENDS_WITHIN = 60
LINES_OF_REASONS = 22
CALLS = "/usr/local/bin/calls"


def test_a_script_that_is_told_docker_is_executed_once(
    docker: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A script with an engine's name among its arguments is not executed again to ask about what it
    started; docker is asked.
    """
    script = tmp_path / "script.sh"
    start = f"docker run --rm {busybox(docker)} true"
    script.write_text(f'#!/bin/sh\necho "$@" >>executed\n{start}\n')
    script.chmod(0o755)

    recorded = record_command(seccomp_trace, docker, ["./script.sh", "docker", "prod"])

    assert (tmp_path / "executed").read_text() == "docker prod\n"
    (run,) = recorded.recording.runs.values()
    assert (run.engine, run.image) == ("docker", busybox(docker))


@pytest.mark.parametrize(
    "command, program",
    [(["ls", "docker"], "ls"), (["sh", "-c", "echo hi", "podman"], "dash")],
    ids=["a file", "a name"],
)
def test_a_command_that_only_mentions_an_engine_is_a_plain_one(
    seccomp_trace: SeccompTrace, tmp_path: Path, command: list[str], program: str
):
    """
    A word that is an engine's name, but calls none, leaves a plain command with its recording.
    """
    (tmp_path / "docker").mkdir()

    done = seccomp_trace("run", "-o", PROFILE, "--recording", RECORDING, "--", *command)

    assert done.returncode == 0, done.stderr
    recording = read_complete(tmp_path / RECORDING)
    assert [run.container_id for run in recording.runs.values()] == [""]
    assert any(one.path.endswith(f"/{program}") for one in recording.executables)


@pytest.mark.parametrize("option", [[], ["--privileged"]], ids=["confined", "privileged"])
def test_what_a_hook_of_the_runtimes_does_is_not_the_containers(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    option: list[str],
):
    """
    A createContainer hook, executed in the container's namespaces before it has its root, may
    mount: that is no call of the container's.
    """
    hooks = hooks_that_mount(tmp_path)
    container = ["run", "--rm", *option, busybox(podman), "calls", *making("getpgrp")]

    recorded = record(seccomp_trace, podman, "--hooks-dir", str(hooks), *container)

    assert (tmp_path / "mounted").read_text() == "tmpfs\n"
    assert "getpgrp" in recorded.calls(CALLS)
    assert "mount" not in recorded.calls() | recorded.allowed()


def hooks_that_mount(directory: Path) -> Path:
    """
    Return a directory of hooks with one that mounts and says so, both below the directory.
    """
    target, script, hooks = directory / "target", directory / "hook.sh", directory / "hooks"
    target.mkdir()
    mount = f"mount -t tmpfs none {target} && stat -f -c %T {target} >{directory}/mounted"
    script.write_text(f"#!/bin/sh\nexport PATH=/usr/bin:/bin\n{mount}\n")
    script.chmod(0o755)
    hooks.mkdir()
    hook = {"version": "1.0.0", "hook": {"path": str(script)}, "when": {"always": True}}
    (hooks / "mounts.json").write_text(json.dumps({**hook, "stages": ["createContainer"]}))
    return hooks


def test_what_a_container_prints_does_not_hide_that_it_was_asked_for(
    docker: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A web server's log of 3,500 requests, printed by docker's client, does not drive out the one
    request that started the container.
    """
    # A process for each line, so that the client writes few of them at once.
    script = 'for n in $(seq 3500); do /bin/echo "POST /app/$n HTTP/1.1"; done'

    recorded = record(seccomp_trace, docker, "run", "--rm", busybox(docker), "sh", "-c", script)

    assert recorded.done.stdout.count("HTTP/1.1") == 3500
    (run,) = recorded.recording.runs.values()
    assert (run.engine, run.image) == ("docker", busybox(docker))


def test_what_a_container_prints_is_no_request(
    docker: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A container that prints how a stranger's container is started does not get that one recorded.
    """
    image = busybox(docker)
    script = f'echo ready; read line; echo "{REQUEST.format(name="stranger")}"'
    command = docker.command("run", "-i", "--name", "own", image, "sh", "-c", script)
    tracer = seccomp_trace.start("run", "-o", "./", "--", *command, env=docker.environment)
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"
    docker.run("run", "--name", "stranger", image, "true")

    stdout, stderr = tracer.communicate("go on\n", timeout=ENDS_WITHIN)

    assert (tracer.returncode, stdout) == (0, REQUEST.format(name="stranger") + "\n"), stderr
    assert [path.name for path in tmp_path.glob("*.recording.json")] == ["own.recording.json"]


def test_a_bystanders_impossible_calls_cost_us_nothing(
    seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Whoever makes 100,000 calls with numbers that no kernel has, in a namespace and under a filter
    of its own, takes no room from our recording.
    """
    compile_programs(tmp_path / "programs")
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--")
    # A program that has not been seen before needs room.
    tracer = seccomp_trace.start(*own, "sh", "-c", "echo ready; read line; ls")
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"
    bystander = "unshare --pid --fork programs/filtered programs/impossible 140000".split()
    subprocess.run(bystander, cwd=tmp_path, check=True)

    _, stderr = tracer.communicate("go on\n", timeout=ENDS_WITHIN)

    assert tracer.returncode == 0, stderr
    read_complete(tmp_path / RECORDING)


def test_impossible_calls_of_a_container_are_said_in_few_lines(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A container that makes 100,000 calls with numbers that no kernel has is not complete, which is
    said in no more lines than a person reads.
    """
    # A filter would answer them before they are seen.
    options = ["--rm", *podman.security("unconfined")]
    command = podman.command("run", *options, busybox(podman), "impossible", "100000")

    done = seccomp_trace("run", "-o", PROFILE, "--", *command, env=podman.environment)

    assert done.returncode == 125
    reasons = [line for line in done.stderr.splitlines() if "not complete: " in line]
    assert 2 <= len(reasons) <= LINES_OF_REASONS
    assert "more reasons" in reasons[-1]
