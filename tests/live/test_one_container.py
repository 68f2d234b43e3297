"""
Tests of `run` with one container: whatever options it is started with, it is recorded whole.
"""

from __future__ import annotations

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import making, record, record_command

CALLS = "/usr/local/bin/calls"
# What a runtime does before the filter is there, and these containers never do.
BEFORE_THE_WINDOW = {"mount", "pivot_root", "setns", "unshare"}

OPTIONS = [
    "",
    "--rm",
    "--rm --init",
    "--rm --user 1000:1000",
    "--rm --read-only",
    "--rm --tty",
    "--rm --network host",
    "--rm --cap-drop ALL",
    "--rm --security-opt no-new-privileges",
    "--rm --security-opt seccomp=unconfined",
]
# Not under crun, which this host may only run without cgroups, and then with a PID namespace.
RUNC_OPTIONS = [
    "--rm --pid host",
    "--rm --pid host --network host --ipc host --uts host",
    "--rm --pid host --security-opt seccomp=unconfined",
]
# Docker's --privileged asks for more than this host may have.
PODMAN_OPTIONS = [
    "--rm --privileged",
    "--rm --privileged --pid host",
    "--rm --uidmap 0:100000:2000",
]
UNFILTERED = {"--privileged", "seccomp=unconfined"}


@pytest.fixture
def podman_pods(podman: Engine):
    """
    Podman with runc, whose pods are removed.
    """
    yield podman
    podman.run("pod", "rm", "--all", "--force")


@pytest.mark.parametrize("options", OPTIONS)
def test_a_container_is_recorded_whatever_its_options(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, options: str
):
    """
    A container is recorded, and nothing of its engine; the same one starts under its profile.
    """
    record_and_start_again(engine, busybox(engine), seccomp_trace, options)


@pytest.mark.parametrize("options", RUNC_OPTIONS)
@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_container_in_the_hosts_namespaces_is_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, options: str
):
    """
    Where no PID namespace tells a container from the host, it is recorded all the same.
    """
    record_and_start_again(engine, busybox(engine), seccomp_trace, options)


@pytest.mark.parametrize("options", PODMAN_OPTIONS)
def test_a_container_of_podman_is_recorded_whatever_its_options(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, options: str
):
    """
    A container is recorded that has all privileges, or users of its own.
    """
    record_and_start_again(podman, busybox(podman), seccomp_trace, options)


@pytest.mark.parametrize("pod", ["new:pod", "pod", "pod --share pid"])
def test_a_container_in_a_pod_is_recorded(
    podman_pods: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, pod: str
):
    """
    In a pod, made with it or before, the container alone is recorded, not what holds the pod.
    """
    name, *options = pod.split()
    if name == "pod":
        podman_pods.run("pod", "create", *options, "--name", "pod")
    container = ["run", "--rm", "--name", "mine", "--pod", name, busybox(podman_pods)]

    recorded = record(seccomp_trace, podman_pods, *container, "calls", *making("getpgrp"))

    (run,) = recorded.recording.runs.values()
    assert run.container_name == "mine"
    assert "getpgrp" in recorded.calls(CALLS)


def record_and_start_again(
    engine: Engine, image: str, seccomp_trace: SeccompTrace, options: str
) -> None:
    container = [*options.split(), image, "sh", "-c", f"{CALLS} {' '.join(making('getpgrp'))}; ls"]

    recorded = record(seccomp_trace, engine, "run", *container)

    assert "getpgrp" in recorded.calls(CALLS)
    assert not recorded.calls() & BEFORE_THE_WINDOW
    (run,) = recorded.recording.runs.values()
    assert run.filter == ("none" if UNFILTERED & set(container) else "engine")
    engine.run("run", *engine.security(recorded.profile), *container)


@pytest.mark.parametrize("wanted", [False, True])
def test_no_new_privileges_is_noted(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, wanted: bool
):
    """
    A recording knows whether its container could gain privileges.
    """
    options = ["--security-opt", "no-new-privileges"] if wanted else []

    recorded = record(seccomp_trace, engine, "run", "--rm", *options, busybox(engine), "true")

    (run,) = recorded.recording.runs.values()
    assert run.no_new_privileges is wanted


def test_a_recording_says_what_it_is_of(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A recording names engine, runtime, container, image and command.
    """
    image = busybox(engine)
    command = ["run", "--rm", "--name", "known", image, "true"]

    recorded = record(seccomp_trace, engine, *command)

    (run,) = recorded.recording.runs.values()
    assert (run.engine, run.runtime) == (engine.name, engine.runtime)
    assert (run.container_name, len(run.container_id)) == ("known", 64)
    assert (run.image, list(run.command)) == (image, engine.command(*command))
    assert run.started and run.ended and run.started < run.ended


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_container_that_was_created_before_is_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, verb: str
):
    """
    `start` and `restart` are recorded as `run` is.
    """
    engine.run("create", "--name", "made", busybox(engine), "calls", *making("getpgrp"))

    recorded = record(seccomp_trace, engine, verb, "made")

    assert "getpgrp" in recorded.calls(CALLS)


def test_a_container_that_a_script_starts_is_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    The engine need not be the command: a script may call it, from a subshell.
    """
    start = " ".join(engine.command("run", "--rm", busybox(engine), "calls", *making("getpgrp")))
    script = ["sh", "-c", f"ls / && (cd / && {start}) && ls /"]

    recorded = record_command(seccomp_trace, engine, script)

    assert "getpgrp" in recorded.calls(CALLS)
    assert set(path.path for path in recorded.recording.executables) == {CALLS}
