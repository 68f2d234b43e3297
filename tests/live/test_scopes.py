"""
Tests of what belongs to a recording: every architecture, namespace, thread and program of its
container, however short its life.
"""

from __future__ import annotations

import json

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import making, record, record_several
from tracer import syscalls
from tracer.recording import Recording

PROGRAMS = "/usr/local/bin"
RARE = ["getpgrp", "getsid", "times", "sched_yield", "getcpu", "sysinfo", "umask", "getpriority"]
THREADS = 200
# What each of the five programs of exec5 alone calls.
STAGES = {
    "exec5": "getppid",
    "exec5-2": "getpgid",
    "exec5-3": "sched_yield",
    "exec5-4": "times",
    "exec5-5": "sysinfo",
}
BRIEF_LIVES = 5


def test_calls_of_i386_are_recorded_as_such(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    An i386 program's calls are of SCMP_ARCH_X86, by i386's numbers; it runs under the profile.
    """
    container = ["--rm", busybox(engine), "hello32"]

    recorded = record(seccomp_trace, engine, "run", *container)

    seen = calls_by_architecture(recorded.recording, f"{PROGRAMS}/hello32")
    assert set(seen) == {syscalls.X86}
    assert {"getppid", "umask", "write"} <= seen[syscalls.X86]
    assert syscalls.X86 in json.loads(recorded.profile.read_text())["architectures"]
    engine.run("run", *engine.security(recorded.profile), *container)


def test_calls_of_x32_are_recorded_as_such(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A call with x32's bit is one of SCMP_ARCH_X32, whether or not the kernel knows x32.
    """
    number = syscalls.number_of(syscalls.X32, "getpgrp")
    container = ["--rm", busybox(podman), "calls", str(number)]

    recorded = record(seccomp_trace, podman, "run", *container, options=["--unconfined"])

    seen = calls_by_architecture(recorded.recording, f"{PROGRAMS}/calls")
    assert seen[syscalls.X32] == {"getpgrp"}
    assert "getpgrp" not in seen[syscalls.X86_64]


def test_a_namespace_inside_the_container_belongs_to_it(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What runs in a PID namespace, and in one inside that, is in the one recording; it starts again.
    """
    nested = [f"{PROGRAMS}/nested_pidns", f"{PROGRAMS}/nested_pidns"]
    command = [*nested, f"{PROGRAMS}/calls", *making("getpgrp")]
    container = ["--rm", "--cap-add", "SYS_ADMIN", busybox(podman), *command]

    recorded = record(seccomp_trace, podman, "run", *container)

    assert "getpgrp" in recorded.calls(f"{PROGRAMS}/calls")
    assert "unshare" in recorded.calls(f"{PROGRAMS}/nested_pidns")
    podman.run("run", *podman.security(recorded.profile), *container)


def test_what_one_thread_of_200_calls_is_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Calls that only one of 200 threads makes, each another one, are all recorded.
    """
    names = ["getpid"] * THREADS
    names[7::25] = RARE
    container = ["--rm", busybox(engine), "threads200", *making(*names)]

    recorded = record(seccomp_trace, engine, "run", *container)

    assert set(RARE) <= recorded.calls(f"{PROGRAMS}/threads200")


def test_each_of_five_programs_has_its_own_calls(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Of five programs that execute each other in turn, each is recorded with its calls alone.
    """
    recorded = record(seccomp_trace, podman, "run", "--rm", busybox(podman), "exec5")

    for program, own in STAGES.items():
        seen = recorded.calls(f"{PROGRAMS}/{program}")
        assert seen & set(STAGES.values()) == {own}, program
    executing = [name for name in STAGES if "execve" in recorded.calls(f"{PROGRAMS}/{name}")]
    assert executing == list(STAGES)[:-1]


def test_a_life_of_five_milliseconds_is_recorded_whole(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Containers that live for 5 ms are all recorded, each from its first call to its last.
    """
    image = busybox(engine)
    one = " ".join(engine.command("run", "--rm", "--name", "brief-$number", image, "brief"))
    script = f"for number in $(seq {BRIEF_LIVES}); do {one} & done; wait"

    recorded = record_several(seccomp_trace, ["sh", "-c", script], engine.environment)

    assert len(recorded) == BRIEF_LIVES
    seen = [container.calls(f"{PROGRAMS}/brief") for container in recorded.values()]
    assert {"arch_prctl", "clock_nanosleep", "getppid", "exit_group"} <= seen[0]
    assert all(calls == seen[0] for calls in seen)


def calls_by_architecture(recording: Recording, executable: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for seen in recording.observations:
        if seen.executable == executable:
            found.setdefault(seen.architecture, set()).add(str(seen.name))
    return found
