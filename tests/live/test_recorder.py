"""
Tests of the recorder that stays, with real engines: what it records, and who fetches that.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.programs import FLAGS, SOURCES
from tests.live.recorded import PROFILE, RECORDING, calls_of, making, read_complete
from tests.live.recorder import RESULTS, Place, own_calls
from tracer.recording import from_json

COMMAND = 1  # struct recording.kind
# A container that lists a directory, is entered by another program, and ends when it is told to.
LIFE = """
{engine} run -d --name {name} -v {gate}:/gate {image} sh -c 'ls /; read line </gate' >/dev/null &&
{engine} exec {name} calls {calls} && echo >{gate} && {engine} wait {name} >/dev/null
"""
# A container that makes another call when it is started again.
AGAIN = "if mkdir /tmp/once; then calls {}; else calls {}; fi".format(*making("times", "getsid"))
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


def until_ended(place: Place, *names: str, env: Optional[Mapping[str, str]] = None) -> None:
    """
    Wait until the recorder has seen containers end: engines say so a little later, or earlier.
    """

    def over() -> bool:
        found = place.ps(env)
        return all(found[name]["ended"] for name in names)

    eventually(over, what=f"{names} have ended")


def test_what_it_records_is_what_run_records(
    engine: Engine, busybox: ImageLoader, resident: Place, seccomp_trace: SeccompTrace
):
    """
    A container's recording is the one that `run` makes of it with a recorder of its own, processes
    that entered it included; neither is in the other's way, and what was collected is let go.
    """
    env, results = engine.environment, seccomp_trace.directory / "alone"
    results.mkdir()
    image, (number,), gate = busybox(engine), making("times"), seccomp_trace.directory / "gate"
    os.mkfifo(gate)
    first, second = (
        LIFE.format(engine=engine.name, image=image, calls=number, gate=gate, name=name)
        for name in ("one-life", "other-life")
    )

    done = seccomp_trace("run", "-o", "alone/", "--", "sh", "-c", first, env=env)
    subprocess.run(["sh", "-c", second], env=env, check=True)
    until_ended(resident, "one-life", "other-life", env=env)
    found = resident.collected("one-life", "other-life", env=env)

    assert done.returncode == 0, done.stderr
    alone = read_complete(results / "one-life.recording.json")
    assert {"times", "getdents64"} <= calls_of(alone)
    for name, one in found.items():
        assert own_calls(one.recording) == own_calls(alone)
        (run,), (other,) = one.recording.runs.values(), alone.runs.values()
        assert (run.container_name, len(run.container_id)) == (name, 64)
        assert (run.engine, run.runtime, run.image) == (other.engine, other.runtime, image)
        assert (run.filter, run.no_new_privileges) == (other.filter, other.no_new_privileges)
        assert run.started and run.ended and run.started < run.ended
    assert not {"one-life", "other-life"} & set(resident.ps(env))


@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_container_that_ran_before_is_late(engine: Engine, busybox: ImageLoader, place: Place):
    """
    An exec into a container that ran before the recorder was started is marked late, and collected
    as incomplete, however soon it came.
    """
    env = engine.environment
    image, killed = busybox(engine), ("--stop-signal", "KILL")
    engine.run("run", "-d", *killed, "--name", "old", image, "sleep", "1000")
    assert place.seccomp_trace("recorder", "start").returncode == 0

    engine.run("exec", "old", "calls", *making("times"))

    assert place.ps(env)["old"]["late"]
    done = place.collect("old", env=env)
    assert (done.returncode, "was running before" in done.stderr) == (1, True), done.stderr
    results = place.seccomp_trace.directory / RESULTS
    assert {one.name for one in results.iterdir()} == {
        "old.recording.json.incomplete",
        "old.seccomp.json.incomplete",
    }
    text = (results / "old.recording.json.incomplete").read_text()
    assert "times" in calls_of(from_json(text, "old"))


def test_containers_are_chosen(podman: Engine, busybox: ImageLoader, resident: Place):
    """
    Containers are collected by name, image, label or the beginning of an id; what does not fit is
    left; who names one that is not there is told so, and a hostile label steers no terminal.
    """
    env, image = podman.environment, busybox(podman)
    labels = {"one": "team=a", "two": "team=b", "three": f"hostile={HOSTILE}", "four": "team=a"}
    for name, label in labels.items():
        podman.run("run", "--name", name, "--label", label, image, "true")
    until_ended(resident, *labels, env=env)
    listed = resident.ps(env)
    results = resident.seccomp_trace.directory / RESULTS

    def left_after(*options: str, status: int = 0) -> set[str]:
        done = resident.collect(*options, env=env)
        assert done.returncode == status and "\x1b" not in done.stderr + done.stdout
        return set(labels) & set(resident.ps(env))

    assert all(listed[name]["image"] == image for name in labels)
    assert left_after("--label", "team=c", status=1) == {"one", "two", "three", "four"}
    assert left_after("--label", "team=a", "--name", "four") == {"one", "two", "three"}
    assert left_after("--label", "team") == {"three"}
    assert left_after("--label", "hostile", "--image", "other", status=1) == {"three"}
    assert left_after("--image", "busybox", listed["three"]["id"][:12]) == set()
    assert {one.name for one in results.glob("*.seccomp.json")} == {
        f"{name}.seccomp.json" for name in labels
    }
    done = resident.collect("one", env=env)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "recorder ps" in done.stderr


def test_a_hostile_monitor_steers_no_terminal(resident: Place, tmp_path: Path):
    """
    A user's program that calls itself conmon, and its container what it likes, adds no control
    character to a listing, and no path to a file's name.
    """
    executable, results = tmp_path / "conmon", tmp_path / RESULTS
    source = SOURCES / "monitor.c"
    subprocess.run(["gcc", *FLAGS, "-o", str(executable), str(source)], check=True)
    monitor = [str(executable), "-c", f"../../{HOSTILE}", "-n", f"../{HOSTILE}"]
    subprocess.run(monitor, check=True)

    listed, done = resident.seccomp_trace("recorder", "ps"), resident.collect("--name", monitor[-1])

    assert "../../\\x1b]0;" in listed.stdout
    assert not set("\x1b\x07\u202e") & set(listed.stdout + done.stdout + done.stderr)
    assert done.returncode == 1 and "was never measured" in done.stderr, done.stderr
    (recording,) = results.glob("*.recording.json")
    assert set(tmp_path.glob("*.json")) | set(tmp_path.parent.glob("*.json")) == set()


def test_run_beside_it_leaves_nothing(podman: Engine, busybox: ImageLoader, resident: Place):
    """
    A `run` uses the recorder that stays, and afterwards nothing of its container is in there.
    """
    command = podman.command("run", "--name", "mine", busybox(podman), "calls", *making("times"))
    before = resident.heads()

    done = resident.seccomp_trace(
        *("run", "-o", PROFILE, "--recording", RECORDING, "--", *command), env=podman.environment
    )

    assert done.returncode == 0 and "without it" not in done.stderr, done.stderr
    recording = read_complete(resident.seccomp_trace.directory / RECORDING)
    (run,) = recording.runs.values()
    assert run.container_name == "mine" and "times" in calls_of(recording)
    left = [one for one in resident.heads() if one not in before]
    assert not any(one["container"] == run.container_id or one["kind"] == COMMAND for one in left)


def test_run_has_a_container_to_itself_that_is_held_from_before(
    podman: Engine, busybox: ImageLoader, resident: Place
):
    """
    A `run` that starts a container again records that life alone; the earlier one stays to collect.
    """
    env = podman.environment
    podman.run("create", "--name", "again", busybox(podman), "sh", "-c", AGAIN)
    podman.run("start", "--attach", "again")
    until_ended(resident, "again", env=env)

    done = resident.seccomp_trace(
        *("run", "-o", PROFILE, "--recording", RECORDING, "--"),
        *podman.command("start", "--attach", "again"),
        env=env,
    )

    assert done.returncode == 0, done.stderr
    second = read_complete(resident.seccomp_trace.directory / RECORDING)
    (first,) = resident.collected("again", env=env).values()
    assert {"times", "getsid"} & calls_of(second) == {"getsid"}
    assert {"times", "getsid"} & first.calls() == {"times"}
