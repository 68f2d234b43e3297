"""
Tests of `attach`: what runs already is recorded from then on, whole, and nothing else with it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.drives import drive_nginx
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, calls_of, making
from tests.live.recorder import Place
from tests.live.serving import Server, running
from tracer.recording import Recording, from_json

CALLS = "/usr/local/bin/calls"
OWN = ("-o", PROFILE, "--recording", RECORDING)
ENDS_WITHIN = 30
NGINX = Server("nginx", ("nginx", "-c", "/data/nginx.conf"), stopped_by="QUIT")  # 8 workers
# Until somebody says that it may end, by a file.
WAITS = "while ! [ -e /data/end ]; do sleep 0.05; done"

# Lets go of what is recorded of one process, as its hook may.
RELEASE = """
import sys
from tracer.kernel import pinned, recorder
with recorder.Recorder(pinned.opened()) as here:
    heads = here.heads().items()
    here.release({one for one, head in heads if head.first_process == int(sys.argv[1])})
"""


def test_a_running_servers_calls_are_recorded_and_nobody_elses(
    docker: Engine, servers: ImageLoader, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    All workers of an nginx that was there before are driven; another container stays out.
    """
    place = seccomp_trace.directory / "server"
    image, other = servers(docker), busybox(docker)
    with running(NGINX, docker, image, place, start=partial(start_alone, docker)) as server:
        with attached(seccomp_trace, docker, server.name, "--since-now") as process:
            drive_nginx(server)
            docker.run("run", "--rm", other, "calls", *making("getsid"))
            process.send_signal(signal.SIGINT)
            stderr = ended(process)
    recording = recording_in(seccomp_trace)

    seen = calls_of(recording, "/usr/sbin/nginx")
    assert {"accept4", "recvfrom", "sendfile", "writev", "epoll_wait", "rename"} <= seen
    assert {one.path for one in recording.executables} == {"/usr/sbin/nginx"}
    workers = {one.first.thread for one in recording.observations}
    assert not calls_of(recording) & {"getsid", "execve"}
    assert len(workers) > 1, workers
    assert "attached to" in stderr


def test_the_profile_of_an_attached_container_is_not_promised_to_start_it(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Threads blocked since before, and what is executed later, are recorded; the start is unknown.
    """
    directory = seccomp_trace.directory
    script = f"calls {' '.join(making('times'))}; {WAITS}; calls {' '.join(making('getpgrp'))}"
    start(engine, busybox, directory, script)

    with attached(seccomp_trace, engine, "lasting") as process:
        engine.run("exec", "lasting", "calls", *making("getsid"))
        (directory / "end").touch()
        stderr = ended(process, status=125)
    recording = from_json((directory / f"{RECORDING}.incomplete").read_text(), RECORDING)

    assert "it was running before the recording began" in stderr
    assert [one.code for one in recording.reasons] == ["attached-late"]
    assert {"getsid", "getpgrp"} <= calls_of(recording, CALLS)
    assert "clock_nanosleep" in calls_of(recording, "/bin/busybox") | calls_of(recording, "/bin/sh")
    assert not calls_of(recording) & {"times", "setns", "pivot_root", "mount"}
    assert not (directory / PROFILE).exists()


def test_a_container_that_forks_all_the_time_is_recorded_whole(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Processes born while they are being looked for are found: none is missing, and none twice.
    """
    directory = seccomp_trace.directory
    busy = "while ! [ -e /data/end ]; do /bin/true & /bin/true; done"
    script = f"({busy}) & ({busy}) & ({busy}) & wait; calls {' '.join(making('getpgrp'))}"
    start(podman, busybox, directory, script)

    with attached(seccomp_trace, podman, "lasting", "--since-now") as process:
        (directory / "end").touch()
        ended(process)
    recording = recording_in(seccomp_trace)

    assert recording.complete
    assert "getpgrp" in calls_of(recording, CALLS)


def test_threads_that_are_blocked_are_recorded_when_they_go_on(
    seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A plain process by its number: each of its threads counts, not only its first.
    """
    program = (
        "import os, sys, threading\n"
        "go = threading.Event()\n"
        "def wait(): go.wait(); os.getpgid(0)\n"
        "threads = [threading.Thread(target=wait) for _ in range(20)]\n"
        "[one.start() for one in threads]\n"
        "print(flush=True); sys.stdin.readline(); go.set()\n"
        "[one.join() for one in threads]\n"
    )
    child = subprocess.Popen(
        ["python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin and child.stdout and child.stdout.readline()

    with attached(seccomp_trace, None, "--pid", str(child.pid), "--since-now") as process:
        child.communicate("\n", timeout=ENDS_WITHIN)
        ended(process)
    recording = recording_in(seccomp_trace)

    assert recording.complete
    assert "getpgid" in calls_of(recording)
    assert recording.name == "python3"


@pytest.mark.alone  # another "lasting" would be in `ps`
def test_a_recorder_that_stays_knows_a_container_from_its_first_call(
    engine: Engine, busybox: ImageLoader, resident: Place
):
    """
    `attach` to a container that the recorder has seen from its start is complete, and takes it out.
    """
    directory = resident.seccomp_trace.directory
    script = f"calls {' '.join(making('times'))}; {WAITS}; calls {' '.join(making('getpgrp'))}"
    start(engine, busybox, directory, script)

    with attached(resident.seccomp_trace, engine, "lasting") as process:
        (directory / "end").touch()
        ended(process)
    recording = recording_in(resident.seccomp_trace)

    assert recording.complete
    assert {"times", "getpgrp"} <= calls_of(recording, CALLS)
    assert "lasting" not in resident.ps(engine.environment)


def test_a_recorder_that_stays_takes_in_what_ran_before_it(
    podman: Engine, busybox: ImageLoader, place: Place
):
    """
    It is recorded as with a recorder of one's own; nothing of it stays behind, and it goes on.
    """
    directory = place.seccomp_trace.directory
    start(podman, busybox, directory, f"while :; do calls {' '.join(making('times'))}; done")
    place.start()

    for _ in range(2):  # the second time, threads have stopped being recorded already
        with attached(place.seccomp_trace, podman, "lasting", "--since-now") as process:
            eventually(lambda: has_executed(place, podman), what="a program was executed")
            process.send_signal(signal.SIGINT)
            ended(process)
        recording = recording_in(place.seccomp_trace)
        assert recording.complete
        assert {"times", "execve"} <= calls_of(recording)
        assert not head_of(place, podman)
        (directory / RECORDING).unlink()
        (directory / PROFILE).unlink()

    assert podman.run("inspect", "--format", "{{.State.Running}}", "lasting").stdout == "true\n"


def test_what_somebody_else_takes_meanwhile_is_said_in_one_line(resident: Place):
    """
    A recording that is released while it is attached to has no result, and no traceback.
    """
    with subprocess.Popen(["sleep", "1000"]) as child:
        pid = ("--pid", str(child.pid))
        with attached(resident.seccomp_trace, None, *pid) as process:
            resident.python(RELEASE, str(child.pid))
            stderr = ended(process, status=125)
        child.kill()

    assert stderr.count("\n") == 1 and "somebody else has collected it" in stderr
    assert not list(resident.seccomp_trace.directory.glob(f"{PROFILE}*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-container"], "no container of podman or docker"),
        (["--pid", "4194304"], "there is no process 4194304"),
        (["lasting"], "is not running"),
    ],
)
def test_what_cannot_be_attached_to_is_said_in_one_line(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    arguments: list[str],
    said: str,
):
    """
    Nothing is written, and the exit code is the tracer's.
    """
    podman.run("create", "--name", "lasting", busybox(podman), "true")

    done = seccomp_trace("attach", *arguments, "-o", PROFILE, env=podman.environment)

    assert (done.returncode, done.stdout) == (125, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not list(seccomp_trace.directory.glob(f"{PROFILE}*"))


@contextlib.contextmanager
def attached(
    seccomp_trace: SeccompTrace, engine: Optional[Engine], *arguments: str
) -> Iterator["subprocess.Popen[str]"]:
    """Attach, and go on once that is done."""
    environment = engine.environment if engine else None
    process = seccomp_trace.start("attach", *arguments, *OWN, env=environment)
    assert process.stderr
    line = process.stderr.readline()
    assert "recording" in line, line + process.stderr.read()
    yield process


def ended(process: "subprocess.Popen[str]", status: int = 0) -> str:
    """What it said, once it has come to its end."""
    _, stderr = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == status, stderr
    return stderr


def test_who_numbers_processes_otherwise_than_the_host_attaches_to_nothing(tmp_path: Path):
    """
    In a PID namespace of its own it would record whoever has that number on the host.
    """
    apart = ["unshare", "--pid", "--fork", "--mount-proc", str(PROGRAM)]
    attach = ["attach", "--pid", "1", "--since-now", "--duration", "0.1", *OWN]
    done = subprocess.run([*apart, *attach], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 125 and "; attach on the host\n" in done.stderr
    assert not list(tmp_path.iterdir())


def has_executed(place: Place, engine: Engine) -> bool:
    """Whether a program has been executed since, and has made calls."""
    head = head_of(place, engine)
    return bool(head) and head["executables"] > 0 and head["observations"] > 10


def head_of(place: Place, engine: Engine) -> dict[str, Any]:
    """What the recorder's maps say of the container; others' are there, too."""
    id = engine.run("inspect", "--format", "{{.Id}}", "lasting").stdout.strip()
    return next((head for head in place.heads() if head["container"] == id), {})


def recording_in(seccomp_trace: SeccompTrace) -> Recording:
    return from_json((seccomp_trace.directory / RECORDING).read_text(), RECORDING)


def start(engine: Engine, busybox: ImageLoader, directory: Path, script: str) -> None:
    options = ["--detach", "--name", "lasting", "--volume", f"{directory}:/data"]
    engine.run("run", *options, busybox(engine), "sh", "-c", script)


def start_alone(engine: Engine, command: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        env=engine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
