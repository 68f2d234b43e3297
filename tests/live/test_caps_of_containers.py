"""
`caps required` of containers, `caps show` of recordings, and profiles with rules for some
capabilities, under real engines.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, record
from tests.live.recorder import Place
from tests.unit.profile.defaults import default_path

CHOWN = ["--cap-drop=all", "--cap-add=CHOWN"]
WAITS = "while ! [ -e /data/end ]; do sleep 0.05; done"


def start(engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, script: str) -> None:
    """
    Start a container in the background that shares a directory with the command under test.
    """
    shared = ("--volume", f"{seccomp_trace.directory}:/data")
    engine.run("run", "-d", "--name", "asked", *shared, busybox(engine), "sh", "-c", script)


def flags_in(text: str) -> Sequence[str]:
    flags = json.loads(text)["flags"]
    assert isinstance(flags, list)
    return flags


@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_container_that_the_recorder_holds_is_answered_for_at_once(
    engine: Engine, busybox: ImageLoader, resident: Place
):
    """
    While it runs, and after it has ended, by what it did from its start on.
    """
    directory, ask = resident.seccomp_trace.directory, (
        "caps",
        "required",
        "asked",
        "--format=json",
    )
    start(engine, busybox, resident.seccomp_trace, f"needs-chown; touch /data/did; {WAITS}")
    eventually((directory / "did").exists, what="it has done what it does")

    lasting = resident.seccomp_trace(*ask, env=engine.environment)
    (directory / "end").touch()
    engine.run("wait", "asked")
    eventually(lambda: bool(resident.ps(engine.environment)["asked"]["ended"]), what="it has ended")
    ended = resident.seccomp_trace(*ask, env=engine.environment)

    assert (lasting.returncode, ended.returncode) == (0, 0), lasting.stderr + ended.stderr
    assert list(flags_in(lasting.stdout)) == list(flags_in(ended.stdout)) == CHOWN
    assert "from its start: this is what it did so far" in lasting.stderr
    assert "asked has ended; it was recorded from its start" in ended.stderr
    assert "not complete" not in lasting.stderr + ended.stderr


def test_another_container_is_recorded_from_now_on(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Until it ends; and it is said that nobody knows what it did before.
    """
    start(podman, busybox, seccomp_trace, f"needs-kill; {WAITS}; needs-chown")

    process = seccomp_trace.start(
        "caps", "required", "asked", "--format", "json", env=podman.environment
    )
    assert process.stderr and "recording asked" in process.stderr.readline()
    (seccomp_trace.directory / "end").touch()
    answer, said = process.communicate(timeout=30)

    assert process.returncode == 0, said
    assert list(flags_in(answer)) == CHOWN
    assert "not complete: asked: it was running before the recording began" in said


@pytest.mark.parametrize("engine", ["podman_crun", "docker"], indirect=True)
def test_what_is_shown_of_a_recording_is_what_is_shown_of_the_container(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    The sets, the user, what an execve gives and why, and the difference to the engine's defaults,
    by two different ways.
    """
    image, options = busybox(engine), ("--user=1024", "--cap-add=net_admin")
    record(seccomp_trace, engine, "run", "--rm", *options, image, "sleep", "0")
    engine.run("run", "-d", "--name", "shown", *options, image, "sleep", "1000")

    recorded = seccomp_trace("caps", "show", RECORDING, "--format", "json")
    running = seccomp_trace("caps", "show", "shown", "--format", "json", env=engine.environment)
    engine.run("kill", "shown")

    (run,), (held,) = json.loads(recorded.stdout)["runs"], json.loads(running.stdout)["held"]
    same = ("sets", "differences", "no_new_privileges", "securebits", "execve")
    assert {name: run[name] for name in same} == {name: held[name] for name in same}
    assert (run["user"], run["engine"]) == (held["uids"]["effective"], engine.name)
    assert run["real_user"] == held["uids"]["real"]
    assert run["user_namespace"]["uid_map"] == held["user_namespace"]["uid_map"]
    assert run["executable"]["path"] == held["executable"]["path"]


@pytest.mark.parametrize("engine", ["podman_crun", "docker"], indirect=True)
def test_a_baselines_rules_for_capabilities_are_those_for_the_container(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What docker's profile allows with CAP_SYS_ADMIN is left to it for a container that needs that:
    under the result the container works with what is required, and no other may mount anything.
    """
    shutil.copy(default_path("docker"), seccomp_trace.directory / "docker.json")
    mounts = (busybox(engine), "sh", "-c", "mount -t tmpfs none /tmp && echo mounted")
    admin = ("run", "--rm", "--cap-add=sys_admin")
    recorded = record(seccomp_trace, engine, *admin, *mounts, options=["--baseline", "docker.json"])
    secured = engine.security(recorded.profile)
    required = seccomp_trace("caps", "required", RECORDING, "--format", "json")
    flags = flags_in(required.stdout)

    works = engine.run("run", "--rm", *flags, *secured, *mounts, check=False)
    verified = seccomp_trace(
        "verify", PROFILE, "--", *engine.command(*admin, *mounts), env=engine.environment
    )
    denied = engine.run("run", "--rm", *secured, *mounts, check=False)

    assert "left to it: clone, mount" in recorded.done.stderr
    assert list(flags) == ["--cap-drop=all", "--cap-add=SYS_ADMIN"]
    assert works.stdout == "mounted\n", works.stderr
    assert verified.returncode == 0 and "works: 1 of 1" in verified.stderr, verified.stderr
    assert denied.returncode != 0 and "mounted" not in denied.stdout
