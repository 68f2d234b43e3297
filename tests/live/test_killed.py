"""
Live tests of the ends that nobody planned: the tracer killed, signals, Ctrl-C, time that is up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.kernel_objects import NONE, objects_of
from tests.live.recorded import allowed_by
from tests.live.terminal import CTRL_C, on_terminal

# Ends with 7 when it is asked to; says when it is ready to be asked.
WAITING = 'trap "exit 7" TERM INT HUP; echo ready; while :; do sleep 0.05; done'
# Seconds in which podman starts a container even if everything else runs at the same time.
ENOUGH_TO_START = "8"
# Counts SIGINT and SIGHUP until SIGTERM, and says how many came. The mask is inherited from the
# tracer, so it also shows that nothing stays blocked.
COUNTING = """
import signal
count = 0
def counted(*_):
    global count
    count += 1
    print("counted", flush=True)
def ended(*_):
    raise SystemExit(10 + count)
signal.signal(signal.SIGINT, counted)
signal.signal(signal.SIGHUP, counted)
signal.signal(signal.SIGTERM, ended)
print("ready", flush=True)
while True:
    signal.pause()
"""


def until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()


def is_running(engine: Engine, container: str) -> bool:
    query = ["inspect", "--format", "{{.State.Running}}", container]
    return engine.run(*query, check=False).stdout.strip() == "true"


def is_stopped(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("options", [[], ["--unconfined"]], ids=["confined", "unconfined"])
def test_a_killed_tracer_leaves_the_container_alone_and_nothing_behind(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    options: list[str],
):
    """
    After SIGKILL the container lives on unharmed, the kernel has let go of every program and map,
    and there is no file.
    """
    command = podman.command("run", "--name", "kept", busybox(podman), "sh", "-c", WAITING)
    files = ["-o", "profile.json", "--recording", "recording.json"]
    environment = {**podman.environment, "TMPDIR": str(tmp_path)}
    tracer = seccomp_trace.start("run", *files, *options, "--", *command, env=environment)
    until_ready(tracer)
    in_kernel = objects_of(tracer.pid)

    tracer.kill()
    tracer.wait()

    assert len(in_kernel.programs) >= 5 and len(in_kernel.maps) >= 10
    eventually(lambda: in_kernel.remaining() == NONE, what="programs and maps are gone")
    assert podman.run("exec", "kept", "echo", "alive").stdout == "alive\n"
    assert list(tmp_path.iterdir()) == []
    podman.run("kill", "--signal", "TERM", "kept")
    assert podman.run("wait", "kept").stdout == "7\n"


def test_nothing_stays_in_the_kernel_after_a_run(seccomp_trace: SeccompTrace):
    """
    When a run has ended by itself, its programs and maps are gone.
    """
    tracer = seccomp_trace.start("run", "-o", "p.json", "--", "sh", "-c", "echo ready; read line")
    until_ready(tracer)
    in_kernel = objects_of(tracer.pid)

    tracer.communicate("go on\n")

    assert in_kernel != NONE
    eventually(lambda: in_kernel.remaining() == NONE, what="programs and maps are gone")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_tracer_reaches_the_container_first(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    number: signal.Signals,
):
    """
    A signal for the tracer alone ends the container its own way, and the profile is written.
    """
    image = busybox(podman)
    command = podman.command("run", "--rm", "--name", "asked", image, "sh", "-c", WAITING)
    tracer = seccomp_trace.start("run", "-o", "p.json", "--", *command, env=podman.environment)
    until_ready(tracer)
    # Until podman itself knows that it runs, podman dies of a signal instead of handing it on.
    eventually(lambda: is_running(podman, "asked"), what="podman knows that the container runs")

    tracer.send_signal(number)
    _, stderr = tracer.communicate(timeout=60)

    assert tracer.returncode == 7, stderr
    assert "execve" in allowed_by(tmp_path / "p.json")


def test_a_signal_is_handed_on_once(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    Each signal sent to the tracer reaches a plain command exactly once.
    """
    tracer = seccomp_trace.start("run", "-o", "p.json", "--", sys.executable, "-c", COUNTING)
    until_ready(tracer)
    assert tracer.stdout is not None

    tracer.send_signal(signal.SIGINT)
    assert tracer.stdout.readline() == "counted\n"
    tracer.send_signal(signal.SIGHUP)
    assert tracer.stdout.readline() == "counted\n"
    tracer.send_signal(signal.SIGTERM)
    _, stderr = tracer.communicate(timeout=60)

    assert tracer.returncode == 12, stderr
    assert "exit_group" in allowed_by(tmp_path / "p.json")


def test_ctrl_c_reaches_the_command_once_and_the_profile_is_written(tmp_path: Path):
    """
    Ctrl-C on a terminal interrupts the command, not the tracer, and not twice.
    """
    command = [str(PROGRAM), "run", "-o", "p.json", "--", sys.executable, "-c", COUNTING]
    with on_terminal(command, tmp_path) as terminal:
        terminal.wait_for(b"ready")
        # While the tracer is stopped, the command gets what the terminal sends, and no more.
        terminal.process.send_signal(signal.SIGSTOP)
        eventually(lambda: is_stopped(terminal.process.pid), what="the tracer is stopped")

        terminal.type(CTRL_C)
        terminal.wait_for(b"counted")
        # Signals are handed on in order: had Ctrl-C been handed on as well, it would come first.
        terminal.process.send_signal(signal.SIGTERM)
        terminal.process.send_signal(signal.SIGCONT)

        assert terminal.end() == 11, terminal.shown
    assert "exit_group" in allowed_by(tmp_path / "p.json")


def test_a_lost_terminal_ends_the_command_and_the_profile_is_written(tmp_path: Path):
    """
    When the terminal goes away the command learns of it, and the profile is still written.
    """
    script = 'trap "exit 7" HUP; echo ready; while :; do sleep 0.05; done'
    command = [str(PROGRAM), "run", "-o", "p.json", "--", "sh", "-c", script]
    with on_terminal(command, tmp_path) as terminal:
        terminal.wait_for(b"ready")

        terminal.hang_up()

        assert terminal.end() == 7
    assert "execve" in allowed_by(tmp_path / "p.json")


def test_ctrl_c_stops_recording_a_detached_container_not_the_container(
    podman: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    A detached container goes on when Ctrl-C ends its recording, and the profile is written.
    """
    image = busybox(podman)
    container = podman.command("run", "-d", "--name", "detached", image, "sh", "-c", WAITING)
    command = [str(PROGRAM), "run", "-o", "p.json", "--", *container]
    with on_terminal(command, tmp_path, podman.environment) as terminal:
        terminal.wait_for(b"Ctrl-C stops recording")

        terminal.type(CTRL_C)

        assert terminal.end() == 0, terminal.shown
    assert is_running(podman, "detached")
    assert "execve" in allowed_by(tmp_path / "p.json")


def test_a_detached_container_is_recorded_until_it_ends(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    What a detached container does last, long after its engine's client has gone, is recorded.
    """
    script = 'read line <>/tmp/go; calls 100; exit 3'
    prepared = f"mkfifo /tmp/go; {script}"
    command = podman.command("run", "-d", "--name", "d", busybox(podman), "sh", "-c", prepared)
    tracer = seccomp_trace.start("run", "-o", "p.json", "--", *command, env=podman.environment)
    assert tracer.stderr is not None
    assert "until it ends" in tracer.stderr.readline()

    podman.run("exec", "d", "sh", "-c", "until [ -p /tmp/go ]; do :; done; echo go >/tmp/go")
    _, stderr = tracer.communicate(timeout=60)

    assert tracer.returncode == 0, stderr
    assert "times" in allowed_by(tmp_path / "p.json")  # number 100


def test_duration_ends_a_command(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    When the time is up the command gets SIGTERM, and its own end and profile come as ever.
    """
    done = seccomp_trace("run", "--duration", "2", "-o", "p.json", "--", "sh", "-c", WAITING)

    assert done.returncode == 7, done.stderr
    assert "execve" in allowed_by(tmp_path / "p.json")


def test_duration_ends_the_recording_of_a_detached_container(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A detached container goes on when the time of its recording is up.
    """
    command = podman.command("run", "-d", "--name", "d", busybox(podman), "sh", "-c", WAITING)

    done = seccomp_trace(
        "run", "--duration", ENOUGH_TO_START, "-o", "p.json", "--", *command, env=podman.environment
    )

    assert done.returncode == 0, done.stderr
    assert is_running(podman, "d")
    assert "still running" in done.stderr
    assert "execve" in allowed_by(tmp_path / "p.json")


def test_a_command_that_ignores_signals_is_not_killed(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    The tracer never kills: a command that ignores SIGTERM ends when it wants to.
    """
    script = 'trap "" TERM INT; echo ready; read line; exit 4'
    tracer = seccomp_trace.start("run", "-o", "p.json", "--", "sh", "-c", script)
    until_ready(tracer)

    tracer.send_signal(signal.SIGTERM)
    tracer.send_signal(signal.SIGINT)
    _, stderr = tracer.communicate("go on\n", timeout=60)

    assert tracer.returncode == 4, stderr
    assert (tmp_path / "p.json").exists()


def test_interrupted_before_the_command_starts_nothing_is_left(tmp_path: Path):
    """
    Ctrl-C while the recorder is still being compiled ends with 130, and the command never starts.
    """
    command = ["run", "-o", "p.json", "--", "touch", "started"]
    program = apart(["mount -t tmpfs none /var/cache"], [str(PROGRAM), *command])
    tracer = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    maps = Path(f"/proc/{tracer.pid}/maps")
    eventually(lambda: "libbcc" in maps.read_text(), what="bcc is loaded")

    tracer.send_signal(signal.SIGINT)
    _, stderr = tracer.communicate(timeout=60)

    assert tracer.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert os.listdir(tmp_path) == []
