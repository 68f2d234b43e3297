"""
Tests of a root tracer and an engine without root: `run -- runuser -u USER -- podman run ...`.

The user is nobody, who needs no account made and no range of user ids: in its container there is
one user alone.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tests.live import images
from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine, remove_containers
from tests.live.policy import require_command
from tests.live.recorded import PROFILE, RECORDING, calls_of, making, read_complete, record
from tests.live.recorder import Place
from tests.live.watched import deny, profile
from tracer.recording import Recording

CALLS = "/usr/local/bin/calls"
USER = "nobody"
STORAGE = """
[storage]
driver = "vfs"
rootless_storage_path = "{directory}/store"
[storage.options]
ignore_chown_errors = "true"
"""


@dataclasses.dataclass(frozen=True)
class Rootless(Engine):
    """
    An engine that is called as a user.
    """

    def command(self, *arguments: str) -> list[str]:
        # From a directory that the user may be in: podman wants to come back to it.
        place = ["--chdir=/", f"HOME={self.environment['HOME']}"]
        return ["runuser", "-u", USER, "--", "env", *place, self.name, *arguments]


@pytest.fixture(scope="module")
def rootless(podman_session: Engine, scratch: Path) -> Iterator[Engine]:
    """
    Podman with runc as a user, in a directory of the user's.
    """
    require_command("runuser")
    # A short name: podman takes no runroot of more than 50 characters, "/containers" included.
    directory = scratch / "u"
    directory.mkdir()
    (directory / "storage.conf").write_text(STORAGE.format(directory=directory))
    containers = Path(podman_session.environment["CONTAINERS_CONF"]).read_text()
    containers = containers.replace(str(scratch / "podman"), str(directory))
    (directory / "containers.conf").write_text(containers)
    variables = {
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(directory),
        "CONTAINERS_CONF": str(directory / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
    }
    engine = Rootless("podman", "runc", {**podman_session.environment, **variables})
    scratch.chmod(0o755)
    for path in (directory, *directory.iterdir()):
        shutil.chown(path, USER)
    try:
        yield engine
    finally:
        remove_containers(engine)
        engine.run("system", "migrate")  # ends the process that keeps the user's namespace


@pytest.mark.parametrize("own", [(), ("--unconfined",)], ids=" ".join)
def test_a_container_of_a_user_is_recorded(
    rootless: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, own: tuple[str, ...]
):
    """
    A root tracer records a container that a user's podman starts; it starts under its profile.
    """
    container = ["run", "--rm", "--name", "mine", busybox(rootless), "calls", *making("getpgrp")]

    recorded = record(seccomp_trace, rootless, *container, options=own)

    (run,) = recorded.recording.runs.values()
    assert (run.engine, run.runtime, run.container_name) == ("podman", "runc", "mine")
    assert run.image == images.BUSYBOX
    assert "getpgrp" in recorded.calls(CALLS)
    assert not recorded.calls() & {"mount", "pivot_root", "clone", "setns", "unshare"}
    readable = shutil.copy(recorded.profile, rootless.environment["HOME"])
    rootless.run("run", *rootless.security(readable), *container[1:])


def test_a_detached_container_of_a_user_is_recorded_until_it_ends(
    rootless: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What a user's container does after podman has returned is recorded too.
    """
    home = Path(rootless.environment["HOME"])
    script = f"while ! [ -e /home/end ]; do sleep 0.05; done; {CALLS} {making('getpgrp')[0]}"
    container = ["--detach", "--volume", f"{home}:/home", busybox(rootless), "sh", "-c", script]
    command = rootless.command("run", *container)
    own = ("run", "-o", PROFILE, "--recording", RECORDING, "--")
    process = seccomp_trace.start(*own, *command, env=rootless.environment)
    assert process.stdout and len(process.stdout.readline()) == 65  # an id and a newline

    (home / "end").touch()
    stdout, stderr = process.communicate(timeout=30)

    assert process.returncode == 0, stderr
    assert "getpgrp" in calls_of(read_complete(seccomp_trace.directory / RECORDING), CALLS)


def test_the_recorder_notes_of_a_users_container_what_run_notes(
    rootless: Engine, busybox: ImageLoader, place: Place, seccomp_trace: SeccompTrace
):
    """
    Who holds which capabilities, which were asked for, and what was denied: as of one of root's.
    """
    filtered = profile(Path(rootless.environment["HOME"]), deny("getsid"))
    script = f"chroot / calls {' '.join(making('getsid'))}"
    run = ("--rm", *rootless.security(filtered), busybox(rootless), "sh", "-c", script)
    alone = record(seccomp_trace, rootless, "run", *run).recording
    started = place.seccomp_trace("recorder", "start", "--denials")
    assert started.returncode == 0, started.stderr

    rootless.run("run", "--name", "noted-users", *run)
    env = rootless.environment
    eventually(lambda: bool(place.ps(env)["noted-users"]["ended"]), what="it has ended")
    found = place.collected("noted-users", env=env)["noted-users"].recording

    (one,), (other,) = found.runs.values(), alone.runs.values()
    assert one.capabilities and one.capabilities == other.capabilities
    assert kinds_of(found) == kinds_of(alone)
    assert ("CAP_SYS_CHROOT", "chroot", "container", True) in kinds_of(found)
    (denial,) = found.denials
    assert (denial.executable, denial.name, denial.count) == (CALLS, "getsid", 1)


def kinds_of(recording: Recording) -> set[tuple[str, Optional[str], str, bool]]:
    """
    Which capabilities were asked for in which calls, of whose user namespace, with which answer.
    """
    return {(one.capability, one.name, one.namespace, one.granted) for one in recording.checks}
