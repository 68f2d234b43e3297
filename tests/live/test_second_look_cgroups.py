"""
Tests of cgroups whose names say that they are a container's, and are not.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.podman import on_cgroup2
from tests.live.policy import require_command
from tests.live.programs import compile_programs
from tests.live.recorded import PROFILE, RECORDING, calls_of, making, read_complete

OWN = ("run", "-o", PROFILE, "--recording", RECORDING, "--")
UNIFIED = Path("/sys/fs/cgroup") if on_cgroup2() else Path("/sys/fs/cgroup/unified")
STRANGER = 65534
NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork")
ENDS_WITHIN = 60
# Makes a cgroup below one that it is in, enters it and executes the rest.
ENTER = 'mkdir "$1" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"'


@pytest.fixture
def delegated() -> Iterator[Path]:
    """
    A cgroup that the stranger may divide, and move about in.
    """
    with cgroup(f"seccomp-trace-tests-{os.getpid()}") as path:
        for owned in (path, path / "cgroup.procs"):
            os.chown(owned, STRANGER, STRANGER)
        yield path


@contextlib.contextmanager
def cgroup(name: str) -> Iterator[Path]:
    """
    Make a cgroup of the unified hierarchy; remove it with all that was made in it.
    """
    path = UNIFIED / name
    path.mkdir()
    try:
        yield path
    finally:
        for below, _, _ in os.walk(path, topdown=False):
            eventually(lambda: remove(Path(below)), what=f"{below} is empty")


def remove(path: Path) -> bool:
    path.rmdir()
    return True


@pytest.fixture(scope="module")
def programs(scratch: Path) -> Path:
    """
    The test programs, where the stranger may execute them.
    """
    scratch.chmod(0o755)
    compile_programs(scratch / "host")
    return scratch / "host"


def test_a_cgroup_of_a_containers_name_lets_no_stranger_in(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    delegated: Path,
    programs: Path,
):
    """
    Who makes a cgroup named like a container gets nothing into its recording, unless it is root:
    that is how engines put programs there.
    """
    script = "echo ready; read line"
    container = podman.command("run", "-i", "--name", "own", busybox(podman), "sh", "-c", script)
    tracer = seccomp_trace.start(*OWN, *container, env=podman.environment)
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"
    name = podman.run("inspect", "--format", "{{.Id}}", "own").stdout.strip()

    calls = [str(programs / "filtered"), str(programs / "calls")]
    stranger = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    entering(delegated, delegated / name, [*calls, *making("getpgrp")], before=stranger)
    (delegated / name).rmdir()
    entering(delegated, delegated / name, [*calls, *making("getsid")])
    _, stderr = tracer.communicate("go on\n", timeout=ENDS_WITHIN)

    assert tracer.returncode == 0, stderr
    recording = read_complete(seccomp_trace.directory / RECORDING)
    assert calls_of(recording) & {"getpgrp", "getsid"} == {"getsid"}


@pytest.mark.parametrize("namespace", [(), NAMESPACE], ids=["as it is", "in a PID namespace"])
def test_a_stranger_who_was_there_first_is_no_container(
    docker: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    delegated: Path,
    programs: Path,
    namespace: "tuple[str, ...]",
):
    """
    A container's id is known before it starts: who enters a cgroup of that name then begins
    nothing that the container becomes a part of.
    """
    name = docker.run("create", "--name", "late", busybox(docker), "ls", "/").stdout.strip()
    wait = "echo ready; read line; exec docker start -a late"
    tracer = seccomp_trace.start(*OWN, "sh", "-c", wait, env=docker.environment)
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"

    stranger = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    calls = [str(programs / "filtered"), str(programs / "calls"), *making("getpgrp")]
    entering(delegated, delegated / name, [*namespace, *calls], before=stranger)
    _, stderr = tracer.communicate("go on\n", timeout=ENDS_WITHIN)

    assert tracer.returncode == 0, stderr
    recording = read_complete(seccomp_trace.directory / RECORDING)
    assert "getdents64" in calls_of(recording)
    assert "getpgrp" not in calls_of(recording)


def entering(
    parent: Path, path: Path, command: "list[str]", before: "tuple[str, ...] | list[str]" = ()
) -> None:
    """
    Execute a command in a new cgroup below one that its process is in; `before` makes the cgroup.
    """
    require_command("setpriv")
    inside = [*before, "sh", "-c", ENTER, "sh", str(path), *command]
    script = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
    subprocess.run(["sh", "-c", script, "sh", str(parent), *inside], check=True)


@pytest.mark.parametrize("apart", [[], ["unshare", "--cgroup"]], ids=["seen", "namespace"])
def test_a_tracer_in_a_container_takes_itself_for_none(
    seccomp_trace: SeccompTrace, tmp_path: Path, apart: "list[str]"
):
    """
    Where the tracer itself is in the cgroup of a container, a command that moves to a cgroup below
    is still a plain one.
    """
    with cgroup(secrets.token_hex(32)) as own:
        command = ["sh", "-c", ENTER, "sh", str(own / "below"), "ls"]
        program = [*apart, str(seccomp_trace.program), *OWN, *command]
        script = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", str(own), *program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN,
        )

    assert done.returncode == 0, done.stderr
    recording = read_complete(tmp_path / RECORDING)
    assert [run.container_id for run in recording.runs.values()] == [""]
    assert {"mkdir", "getdents64"} <= calls_of(recording)
