"""
Tests of one command that starts several containers: a recording and a profile for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import calls_of, making, read_complete, record_several

CALLS = "/usr/local/bin/calls"
OWN_CALLS = ["getpgrp", "getsid", "times", "sysinfo"]
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: play
spec:
  restartPolicy: Never
  containers:
  - name: one
    image: {image}
    command: ["/usr/local/bin/calls", "{one}"]
  - name: two
    image: {image}
    command: ["/usr/local/bin/calls", "{two}"]
"""


@pytest.fixture
def podman_pods(podman: Engine) -> Iterator[Engine]:
    """
    Podman with runc, whose pods are removed.
    """
    yield podman
    podman.run("pod", "rm", "--all", "--force")


@pytest.fixture
def both(podman: Engine, docker: Engine) -> dict[str, str]:
    """
    The environment of podman and docker at once.
    """
    path = f"{docker.environment['PATH']}:{podman.environment['PATH']}"
    # Not DOCKER_CONFIG, which podman reads too, and which must be there then.
    host = docker.environment["DOCKER_HOST"]
    return {**podman.environment, "DOCKER_HOST": host, "PATH": path}


def test_containers_of_two_engines_at_once_each_have_their_own_recording(
    podman: Engine,
    docker: Engine,
    both: dict[str, str],
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
):
    """
    A script's containers, of podman and docker in parallel, have a recording and a profile each.
    """
    engines = [podman, docker, podman, docker]
    script = " ".join(f"{start(engine, busybox, own)} &" for engine, own in zip(engines, OWN_CALLS))

    recorded = record_several(seccomp_trace, ["sh", "-c", f"{script} wait"], both)

    assert set(recorded) == set(OWN_CALLS)
    for engine, own in zip(engines, OWN_CALLS):
        assert recorded[own].calls(CALLS) & set(OWN_CALLS) == {own}
        (run,) = recorded[own].recording.runs.values()
        assert run.engine == engine.name
        security = engine.security(recorded[own].profile)
        engine.run("run", "--rm", *security, busybox(engine), "calls", *making(own))


def test_several_containers_do_not_fit_in_one_file(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    With -o FILE several containers are an error that names them and where their recordings are.
    """
    script = "; ".join(start(podman, busybox, own) for own in OWN_CALLS)

    done = seccomp_trace("run", "-o", "p.json", "--", "sh", "-c", script, env=podman.environment)

    assert done.returncode == 125
    assert f"4 containers were recorded ({', '.join(OWN_CALLS)})" in done.stderr
    assert not (seccomp_trace.directory / "p.json").exists()
    saved = [Path(path) for path in re.findall(r"/[^ ,;]*\.recording\.json", done.stderr)]
    seen = [calls_of(read_complete(path), CALLS) & set(OWN_CALLS) for path in saved]
    assert seen == [{own} for own in OWN_CALLS]


def test_without_an_output_several_containers_have_files_in_the_current_directory(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Without -o each profile goes to NAME.seccomp.json, and a file of that name is left alone.
    """
    (seccomp_trace.directory / "times.seccomp.json").write_text("mine")
    script = "; ".join(start(podman, busybox, own) for own in OWN_CALLS)

    done = seccomp_trace("run", "--", "sh", "-c", script, env=podman.environment)

    assert done.returncode == 0, done.stderr
    names = {path.name for path in seccomp_trace.directory.glob("*.seccomp.json")}
    assert names == {f"{name}.seccomp.json" for name in (*OWN_CALLS, "times-2")}
    assert (seccomp_trace.directory / "times.seccomp.json").read_text() == "mine"


def test_the_containers_of_a_kube_file_each_have_their_own_recording(
    podman_pods: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    `podman play kube` gives a recording for each container, and none for the pod's own.
    """
    one, two = making("getpgrp", "getsid")
    file = seccomp_trace.directory / "pod.yaml"
    file.write_text(POD.format(image=busybox(podman_pods), one=one, two=two))
    command = podman_pods.command("play", "kube", "--network", "none", str(file))

    recorded = record_several(seccomp_trace, command, podman_pods.environment)

    assert set(recorded) == {"play-one", "play-two"}
    assert recorded["play-one"].calls(CALLS) & set(OWN_CALLS) == {"getpgrp"}
    assert recorded["play-two"].calls(CALLS) & set(OWN_CALLS) == {"getsid"}


def test_one_container_after_another_is_one_recording_each(
    docker: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A container that is started twice is recorded whole: what either life did is there.
    """
    again = "docker start --attach twice"
    life = f"[ -e /tmp/second ] && {CALLS} {making('getsid')[0]}; > /tmp/second"
    script = f"docker run --name twice {busybox(docker)} sh -c '{life}'; {again}"

    recorded = record_several(seccomp_trace, ["sh", "-c", script], docker.environment)

    assert "getsid" in set().union(*(one.calls(CALLS) for one in recorded.values()))


def start(engine: Engine, busybox: ImageLoader, own: str) -> str:
    """Return the shell command for a container that is named after the call that only it makes."""
    container = ["--name", own, busybox(engine), "calls", *making(own)]
    return " ".join(engine.command("run", "--rm", *container))
