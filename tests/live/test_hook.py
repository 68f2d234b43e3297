"""
Live tests of the OCI hook: what the peer's documentation promises of its hook works with ours.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.command import PROGRAM
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine, remove_containers
from tests.live.hooked import ANNOTATION, Hooked, hooked
from tests.live.recorded import allowed_by, making, read_complete

# As the peer's own test has it (test/fixtures/block-mkdir.json).
BLOCK_MKDIR = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": []}],
}


@pytest.fixture(scope="module", params=["podman_session", "podman_crun_session"])
def hook(request: pytest.FixtureRequest, scratch: Path, busybox: ImageLoader) -> Iterator[Hooked]:
    """
    The hook in podman, with runc and with crun; the recorder is started by the first container.
    """
    engine: Engine = request.getfixturevalue(request.param)
    with hooked(engine, busybox(engine), scratch / f"hooked-{engine.runtime}") as it:
        yield it
        remove_containers(it.engine)
    shutil.rmtree(it.outputs.parent)


def beside(profile: Path) -> set[str]:
    """
    The names of a profile and of whatever was written beside it.
    """
    return {one.name for one in profile.parent.glob(f"{profile.name}*")}


def test_the_walk_through_of_the_article(hook: Hooked, servers: ImageLoader):
    """
    ls / is recorded and runs under its profile; ls -l / does not; extended by if:, it does.

    With the ls of a distribution, which looks for users' names and extended attributes.
    """
    hook = dataclasses.replace(hook, image=servers(hook.engine))
    first, second = hook.outputs / "ls.json", hook.outputs / "ls-l.json"

    hook.run(f"of:{first}", "ls", "/")
    assert hook.runs_under(first, "ls", "/")
    assert not hook.runs_under(first, "ls", "-l", "/")
    hook.run(f"if:{first};of:{second}", "ls", "-l", "/")

    before, after = (json.loads(one.read_text()) for one in (first, second))
    assert after["syscalls"][: len(before["syscalls"])] == before["syscalls"]
    assert len(after["syscalls"]) == len(before["syscalls"]) + 1
    assert {**after, "syscalls": []} == {**before, "syscalls": []}
    assert hook.runs_under(second, "ls", "-l", "/")
    assert hook.runs_under(second, "ls", "/")


def test_an_empty_file_is_filled_and_a_profile_replaced(hook: Hooked):
    """
    People make the file with mktemp; the next run may have the same name.
    """
    profile = hook.outputs / "made-before"
    profile.touch(0o600)

    hook.run(f"of:{profile}", "calls", *making("getpgrp"))
    assert "getpgrp" in allowed_by(profile)
    hook.run(f"of:{profile}", "calls", *making("getsid"))

    assert "getsid" in allowed_by(profile)
    assert "getpgrp" not in allowed_by(profile)
    assert beside(profile) == {profile.name}


def test_what_the_baseline_denies_stays_denied(hook: Hooked):
    """
    A recorded mkdir does not lift the baseline's rule.
    """
    base, profile = hook.outputs / "block-mkdir.json", hook.outputs / "mkdir.json"
    base.write_text(json.dumps(BLOCK_MKDIR))

    hook.run(f"of:{profile}", "mkdir", "/foo")
    assert hook.runs_under(profile, "mkdir", "/foo")
    hook.run(f"if:{base};of:{profile}", "mkdir", "/foo")

    assert not hook.runs_under(profile, "mkdir", "/foo")
    assert hook.runs_under(profile, "true")


def test_the_recording_is_kept_too(hook: Hooked):
    """
    Our own annotation says where; it is complete, and names the container.
    """
    profile, kept = hook.outputs / "kept.json", hook.outputs / "kept.recording.json"
    annotation = f"io.seccomp-trace.recording={kept}"

    hook.run(f"of:{profile}", "true", options=("--name", "kept", "--annotation", annotation))

    (run,) = read_complete(kept).runs.values()
    assert (run.container_name, run.runtime) == ("kept", hook.engine.runtime)


def test_who_else_records_the_container_gets_it_too(hook: Hooked):
    """
    A `run` and the hook both have the whole recording, and then nobody holds it.
    """
    hook.run(f"of:{hook.outputs / 'first.json'}", "true")  # which starts the recorder
    profile, kept = hook.outputs / "both.json", hook.outputs / "both.recording.json"
    annotation = f"{ANNOTATION}=of:{profile}"
    container = ("run", "--rm", "--name", "both", "--annotation", annotation, hook.image, "true")

    run = (str(PROGRAM), "run", "-o", str(hook.outputs) + "/", "--")
    subprocess.run(
        [*hook.engine.entering, *run, *hook.engine.command(*container)],
        env=hook.engine.environment,
        check=True,
        timeout=60,
    )

    assert read_complete(kept).runs and beside(profile) == {"both.json"}
    assert hook.runs_under(profile, "true")
    assert hook.runs_under(hook.outputs / "both.seccomp.json", "true")
    listed = [*hook.engine.entering, str(PROGRAM), "recorder", "ps"]
    assert "both" not in subprocess.check_output(listed, text=True, env=hook.engine.environment)


def test_a_container_without_the_annotation_is_left_alone(hook: Hooked):
    """
    It runs, and nothing is written.
    """
    before = set(hook.outputs.iterdir())

    hook.run("", "true")

    assert set(hook.outputs.iterdir()) == before


def test_each_start_of_a_container_is_a_recording(hook: Hooked):
    """
    In the background, waited for, started again: the profile is there each time, and an exec is in
    it; the host's PID namespace makes no difference.
    """
    profile = hook.outputs / "again.json"
    podman = hook.engine.run
    script = ("sh", "-c", "until [ -e /go ]; do sleep 0.05; done; rm /go")
    asked = ("--annotation", f"{ANNOTATION}=of:{profile}")
    # Without cgroups, as crun runs on some of the hosts, podman refuses that.
    shared = ("--pid=host",) if hook.engine.runtime == "runc" else ()

    podman("run", "--detach", "--name", "again", *asked, *shared, hook.image, *script)
    podman("exec", "again", "calls", *making("getsid"))
    podman("exec", "again", "touch", "/go")
    podman("wait", "again")
    assert {"getsid"} <= allowed_by(profile)
    podman("start", "again")
    podman("exec", "again", "touch", "/go")
    podman("wait", "again")

    assert "getsid" not in allowed_by(profile)
    assert "unlink" in allowed_by(profile)
    podman("rm", "again")


def test_the_profile_is_there_though_the_program_is_killed(hook: Hooked):
    """
    podman rm --force returns when it is written.
    """
    profile = hook.outputs / "killed.json"
    asked = ("--annotation", f"{ANNOTATION}=of:{profile}")
    hook.engine.run("run", "--detach", "--name", "killed", *asked, hook.image, "sleep", "1000")

    hook.engine.run("rm", "--force", "--time", "0", "killed")

    assert {"execve"} <= allowed_by(profile)
