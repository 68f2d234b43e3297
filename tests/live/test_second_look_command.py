"""
Tests of what a second look found about the command: it gets what its caller gave us, signals and
environment and limits, and no signal and no terminal costs it its recording.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.programs import compile_programs
from tests.live.recorded import PROFILE, RECORDING, allowed_by, making, read_complete
from tests.live.terminal import on_terminal
from tracer.report.life import ERASE

OWN = ("run", "-o", PROFILE, "--recording", RECORDING)
ENDS_WITHIN = 60
APART = 0.01  # seconds between two signals: the second comes while the results are written
# It is killed when the test is over, not asked first.
NEVER_ENDING = ("--stop-timeout", "0")
# Enough for SIGTERM to find the container running, even if everything else runs at the same time.
DURATION = 8
TRIES = 30
EARLY = 0.4  # seconds in which a try is interrupted


def ignoring(number: signal.Signals) -> Callable[[], object]:
    """
    Return what makes a child that is about to execute something ignore a signal.
    """
    return lambda: signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_a_plain_command_and_its_recording_is_written(
    seccomp_trace: SeccompTrace, tmp_path: Path, number: signal.Signals
):
    """
    A second signal right after the one that ends the command takes nothing from the results.
    """
    tracer = seccomp_trace.start(*OWN, "--", "sh", "-c", "echo ready; exec sleep 1000")
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"

    send_twice(tracer, number)
    _, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert tracer.returncode == 128 + number, stderr
    assert "execve" in allowed_by(tmp_path / PROFILE)
    read_complete(tmp_path / RECORDING)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_a_detached_containers_recording_and_it_is_written(
    podman: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
    number: signal.Signals,
):
    """
    A second signal right after the one that ends the recording takes nothing from the results.
    """
    command = podman.command("run", "--detach", *NEVER_ENDING, busybox(podman), "sleep", "1000")
    tracer = seccomp_trace.start(*OWN, "--", *command, env=podman.environment)
    assert tracer.stderr is not None and "until it ends" in tracer.stderr.readline()

    send_twice(tracer, number)
    _, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert tracer.returncode == 0, stderr
    assert "execve" in allowed_by(tmp_path / PROFILE)
    read_complete(tmp_path / RECORDING)


def send_twice(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    process.send_signal(number)
    time.sleep(APART)
    process.send_signal(number)


def test_a_caller_that_ignores_its_childrens_end_learns_the_exit_code(
    seccomp_trace: SeccompTrace,
):
    """
    With SIGCHLD ignored, as some daemons have it, the command's exit code is still ours.
    """
    command = ("run", "-o", PROFILE, "--", "sh", "-c", "exit 3")
    tracer = seccomp_trace.start(*command, preexec_fn=ignoring(signal.SIGCHLD))

    _, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert tracer.returncode == 3, stderr


@pytest.mark.parametrize("number", [signal.SIGCHLD, signal.SIGHUP])
def test_an_ignored_signal_is_ignored_by_the_command(
    seccomp_trace: SeccompTrace, number: signal.Signals
):
    """
    What the caller ignores the command ignores, as nohup(1) has it; nothing stays blocked.
    """
    command = ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]
    ignore = ignoring(number)
    alone = subprocess.run(command, capture_output=True, text=True, preexec_fn=ignore)

    tracer = seccomp_trace.start("run", "-o", PROFILE, "--", *command, preexec_fn=ignore)
    stdout, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert stdout == alone.stdout, stderr


def test_an_ignored_hangup_ends_no_recording(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    Under nohup(1) SIGHUP does not end the recording of what the command left running.
    """
    calls = next(one for one in compile_programs(tmp_path / "programs") if one.name == "calls")
    (getsid,) = making("getsid")
    daemon = f"while ! [ -e end ]; do sleep 0.05; done; exec {calls} {getsid}"
    script = f"setsid sh -c '{daemon}' </dev/null >/dev/null 2>&1 &"
    tracer = seccomp_trace.start(*OWN, "--", "sh", "-c", script, preexec_fn=ignoring(signal.SIGHUP))
    assert tracer.stderr is not None and "until it ends" in tracer.stderr.readline()

    tracer.send_signal(signal.SIGHUP)
    (tmp_path / "end").touch()
    _, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert tracer.returncode == 0, stderr
    assert "getsid" in allowed_by(tmp_path / PROFILE)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_of_the_users_own_reaches_the_command(
    seccomp_trace: SeccompTrace, tmp_path: Path, number: signal.Signals
):
    """
    SIGUSR1 and SIGUSR2 mean something to the command, and nothing to us.
    """
    script = f'trap "exit 7" {number.name[3:]}; echo ready; while :; do sleep 0.05; done'
    tracer = seccomp_trace.start("run", "-o", PROFILE, "--", "sh", "-c", script)
    assert tracer.stdout is not None and tracer.stdout.readline() == "ready\n"

    tracer.send_signal(number)
    _, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert tracer.returncode == 7, stderr
    assert (tmp_path / PROFILE).exists()


def test_the_commands_environment_is_its_callers(tmp_path: Path):
    """
    The command's environment is byte for byte the one that we were given, in its order.
    """
    environment = {b"PATH": b"/usr/bin:/bin", b"ODD": b"\xff\n=", b"EMPTY": b"", b"A": b"a"}
    alone = subprocess.run(["env", "-0"], env=environment, capture_output=True)
    command = [str(PROGRAM), "run", "-o", PROFILE, "--", "env", "-0"]

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)

    assert done.stdout == alone.stdout, done.stderr
    assert b"LC_CTYPE" not in done.stdout


def test_the_commands_limits_are_its_callers(seccomp_trace: SeccompTrace):
    """
    No limit of the command's is another one than its caller's, RLIMIT_MEMLOCK least of all.
    """
    command = ["cat", "/proc/self/limits"]
    alone = subprocess.run(command, capture_output=True, text=True, preexec_fn=lock_little)

    tracer = seccomp_trace.start("run", "-o", PROFILE, "--", *command, preexec_fn=lock_little)
    stdout, stderr = tracer.communicate(timeout=ENDS_WITHIN)

    assert stdout == alone.stdout, stderr
    assert "Max locked memory         65536                131072 " in stdout


def lock_little() -> None:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 131072))


def test_a_container_that_does_not_end_is_left_when_the_time_is_up(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A container whose first process ignores SIGTERM goes on after the grace; what was recorded
    until then is written.
    """
    options = ("--name", "stays", *NEVER_ENDING)
    command = podman.command("run", *options, busybox(podman), "sleep", "1000")
    own = (*OWN, "--duration", str(DURATION), "--")
    began = time.monotonic()
    # Not a pipe: podman, which goes on, holds it open.
    with (tmp_path / "said").open("w") as said:
        streams = {"stdout": said, "stderr": said}
        tracer = seccomp_trace.start(*own, *command, env=podman.environment, **streams)

    status = tracer.wait(ENDS_WITHIN)

    assert status == 124
    assert DURATION + 10 <= time.monotonic() - began < DURATION + 20
    assert "it goes on, unrecorded" in (tmp_path / "said").read_text()
    assert "execve" in allowed_by(tmp_path / PROFILE)
    read_complete(tmp_path / RECORDING)
    state = podman.run("inspect", "--format", "{{.State.Running}}", "stays")
    assert state.stdout == "true\n"


def test_no_line_of_life_is_drawn_from_the_background(tmp_path: Path):
    """
    In the background of its terminal the tracer draws nothing; back in front it does.
    """
    (tmp_path / "command").write_text("touch begun; until [ -e end ]; do sleep 0.05; done\n")
    tracer = f"{PROGRAM} run -o p.json -- sh command &"
    # A second is time for several looks, and a line each.
    background = "until [ -e begun ]; do sleep 0.05; done; sleep 1; echo in front"

    script = f"{tracer} {background}; fg; echo over"
    with on_terminal(["bash", "-m", "-c", script], tmp_path) as terminal:
        terminal.wait_for(b"in front\r\n")
        terminal.wait_for(ERASE.encode() + b"recording sh: ")
        (tmp_path / "end").touch()
        terminal.wait_for(b"over")
        terminal.end()

    hidden, _, _ = terminal.shown.partition(b"in front\r\n")
    assert ERASE.encode() not in hidden
    assert (tmp_path / "p.json").exists()


def test_ctrl_c_in_the_first_moments_shows_no_traceback(
    seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Whenever it comes, Ctrl-C ends the program as it ends any other, and leaves nothing half done.
    """
    endings = [interrupted_after(EARLY * n / TRIES, seccomp_trace) for n in range(TRIES)]

    assert [said for _, said in endings if "Traceback" in said] == []
    assert {status for status, _ in endings} <= {128 + signal.SIGINT, -signal.SIGINT}
    assert set(os.listdir(tmp_path)) <= {PROFILE}


def interrupted_after(seconds: float, seccomp_trace: SeccompTrace) -> "tuple[int, str]":
    """
    Return how a run ends that gets SIGINT so long after its first line, and what it says.
    """
    told_of_imports = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    command = ["run", "-o", PROFILE, "--", "sleep", "1000"]
    tracer = seccomp_trace.start(*command, env=told_of_imports)
    # What Python says of a SIGINT while it starts itself, before our first line, nobody can help.
    assert tracer.stderr and any("tracer.__main__" in line for line in tracer.stderr)
    eventually(lambda: not catches_sigint(tracer.pid), what="SIGINT is Python's no more")
    time.sleep(seconds)
    tracer.send_signal(signal.SIGINT)
    _, said = tracer.communicate(timeout=ENDS_WITHIN)
    return tracer.returncode, said


def catches_sigint(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught & 1 << (signal.SIGINT - 1))
