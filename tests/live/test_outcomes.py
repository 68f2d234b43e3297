"""
Tests of `run --outcomes` and `generate --without-failed`: how calls ended, and what follows of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.endings import endings_in, endings_traced
from tests.live.engines import Engine
from tests.live.kernel_objects import objects_of
from tests.live.programs import compile_programs
from tests.live.recorded import RECORDING, allowed_by, read_complete, record
from tracer.kernel.outcomes import CAPACITY, Outcomes
from tracer.kernel.recorder import own
from tracer.profile.failing import failed_calls

SMALLER = "smaller.json"
OUTCOMES = ("--outcomes",)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Two of the test programs, on the host.
    """
    directory = tmp_path_factory.mktemp("programs")
    compile_programs(directory, "ends", "hello32")
    return directory.resolve()


def test_calls_ended_as_strace_says_of_the_same_execution(
    seccomp_trace: SeccompTrace, programs: Path
):
    """
    Success, errors, interruptions and what never ended are those that strace prints, for a program
    with a thread, a child and an execve that fails before one succeeds, and for a 32-bit program.
    """
    both = [str(programs / name) for name in ("ends", "hello32")]
    strace = ("strace", "-f", "-o", "calls", "/usr/bin/dash", "-c", " && ".join(both))
    own = ("run", "-o", "profile.json", "--recording", RECORDING, *OUTCOMES, "--")
    done = seccomp_trace(*own, *strace, env={**os.environ, "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr

    found = endings_in(read_complete(seccomp_trace.directory / RECORDING))

    traced = endings_traced((seccomp_trace.directory / "calls").read_text().splitlines())
    for program in ("/usr/bin/dash", *both):
        assert found[program] == traced[program], program
    ends = found[both[0]]
    assert ends["epoll_ctl_old"] == {"ENOSYS"}
    assert ends["rt_sigqueueinfo"] == {"EPERM"}
    assert ends["rt_tgsigqueueinfo"] == {"EPERM", "success"}
    assert ends["execve"] == {"ENOENT", "success"}
    assert ends["pause"] == ends["nanosleep"] == {"interrupted"}
    assert ends["read"] == {"interrupted", "success"}
    assert ends["exit_group"] == {"unfinished"}


def test_a_container_starts_again_without_what_only_failed(
    seccomp_trace: SeccompTrace, engine: Engine, busybox: ImageLoader
):
    """
    What failed with ENOSYS or EPERM each time is left out, and said; the program, which insists on
    both errors, ends well under that profile, each time. What the engine's filter answers to some
    uses of a call is no outcome of the others.
    """
    command = ("--rm", "--cap-drop=all", busybox(engine), "/usr/local/bin/ends")
    recorded = record(seccomp_trace, engine, "run", *command, options=OUTCOMES)

    done = seccomp_trace("generate", "--without-failed", RECORDING, "-o", SMALLER)

    ends = endings_in(recorded.recording)["/usr/local/bin/ends"]
    assert ends["personality"] == {"success"}
    assert "personality" in {denial.name for denial in recorded.recording.denials}
    smaller = seccomp_trace.directory / SMALLER
    gone = recorded.allowed() - allowed_by(smaller)
    assert done.returncode == 0, done.stderr
    assert gone == {"epoll_ctl_old", "rt_sigqueueinfo"}
    for name, error in (("epoll_ctl_old", "ENOSYS"), ("rt_sigqueueinfo", "EPERM")):
        assert (
            f"the kernel answered {error} each time, as the profile does: {name}\n" in done.stderr
        )
    for _ in range(3):
        engine.run("run", *engine.security(smaller), *command)


def test_a_call_that_is_under_way_is_not_known_to_have_failed(
    seccomp_trace: SeccompTrace, podman: Engine, busybox: ImageLoader
):
    """
    A call that failed before, and has not ended when the recording does, is not left out.
    """
    program = (busybox(podman), "/usr/local/bin/ends", "never")
    command = ("run", "-d", "--name=never", "--stop-timeout=0", *program)
    own = ("run", "-o", "profile.json", "--recording", RECORDING, *OUTCOMES, "--")
    process = seccomp_trace.start(*own, *podman.command(*command), env=podman.environment)
    assert process.stderr and "until it ends" in process.stderr.readline()
    eventually(lambda: "failed" in podman.run("logs", "never").stdout, what="the call has failed")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    recording = read_complete(seccomp_trace.directory / RECORDING)

    assert endings_in(recording)["/usr/local/bin/ends"]["futex"] == {"ENOSYS", "unfinished"}
    assert "futex" not in failed_calls(recording)


def test_it_is_noted_only_for_who_asks(seccomp_trace: SeccompTrace):
    """
    Two programs more are in the kernel with the option, while the command runs.
    """
    loaded = []
    for options in ((), OUTCOMES):
        own = ("run", "-o", "profile.json", *options, "--")
        process = seccomp_trace.start(*own, "/usr/bin/dash", "-c", "echo started; read line; true")
        assert process.stdout and process.stdout.readline() == "started\n"
        loaded.append(len(objects_of(process.pid).programs))
        process.communicate("", timeout=30)

    assert loaded[1] == loaded[0] + 2


def test_what_a_recording_has_no_room_for_is_counted(programs: Path):
    """
    One that needs more than its share has lost some; nothing is left once it is let go.
    """
    little = {**CAPACITY, "MAX_KINDS_EACH": 20}
    with own() as recorder, Outcomes(recorder.threads, little) as outcomes:
        with recorder.command() as number:
            process = subprocess.Popen([programs / "ends"])
        assert process.wait(30) == 0

        kept = outcomes.of({number})
        lost, lost_by_others = outcomes.lost({number}), outcomes.lost({number + 1})
        outcomes.release({number})

        assert 10 <= len(kept) <= 20
        assert lost > 0
        assert lost_by_others == 0
        assert not outcomes.of({number}) and not outcomes.lost({number})
