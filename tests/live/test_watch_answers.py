"""
Live tests of `watch`: every answer that a filter may give, told as often as it was given.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.watched import deny, profile, watching
from tracer import syscalls

NATIVE = {"x86_64": syscalls.X86_64, "aarch64": syscalls.AARCH64}[platform.machine()]
RUN = ("run", "--rm", "--network", "none")
ON_X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="i386 calls are x86-64's")
UNKNOWN = "4000"  # a number that no call has
AF_UNIX, AF_ALG = 1, 38


def number(name: str) -> str:
    found = syscalls.number_of(NATIVE, name)
    assert found is not None
    return str(found)


# Each call has an answer of its own.
ANSWERS = {
    "getpgid": "SCMP_ACT_LOG",
    "acct": "SCMP_ACT_TRAP",
    "swapon": "SCMP_ACT_KILL_THREAD",
    "swapoff": "SCMP_ACT_KILL_PROCESS",
}
SCRIPT = "; ".join(
    [
        f"calls {number('getpgid')} {number('getpgid')}",
        f"denied trap {number('acct')} 5",
        f"denied thread {number('swapon')}",
        f"calls {number('swapon')}",
        f"calls {number('swapoff')}",
        f"denied own {UNKNOWN} 1",
        "true",
    ]
)
TOLD = {
    ("calls", "getpgid", "log"): 2,
    ("denied", "acct", "trap"): 5,
    ("denied", "swapon", "kill-thread"): 1,
    ("calls", "swapon", "kill-thread"): 1,
    ("calls", "swapoff", "kill-process"): 1,
    ("denied", UNKNOWN, "EACCES"): 1,
}


def test_every_answer(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    What is logged, trapped, killed (a thread of several, or the whole process), or answered by a
    filter that a program has loaded itself, is told as often as it was, with program and container.
    """
    rules = [deny(name, action=action) for name, action in ANSWERS.items()]
    security = engine.security(profile(tmp_path, *rules))

    watch = watching(seccomp_trace, "answers", env=engine.environment)
    done = engine.run(*RUN, "--name", "answers", *security, busybox(engine), "sh", "-c", SCRIPT)
    told = watch.end()

    assert done.stdout.splitlines() == [f"5 {number('acct')}", "gone", "1"]
    assert told.said == "" and told.status == 0
    counts: dict[tuple[str, str, str], int] = {}
    for one in told.denials:
        key = Path(one["executable"]).name, one["syscall"], one["answer"]
        counts[key] = counts.get(key, 0) + one["count"]
    assert {key: count for key, count in counts.items() if key[0] in ("calls", "denied")} == TOLD


@ON_X86_64
def test_calls_of_an_i386_program(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A call of an i386 program is told by i386's name for it, by whichever entry it came.
    """
    rules = [deny("umask"), deny("getppid", action="SCMP_ACT_LOG")]
    limits = profile(tmp_path, *rules, architectures=[syscalls.X86_64, syscalls.X86])
    program = "/usr/local/bin/hello32"

    watch = watching(seccomp_trace, "small", env=engine.environment)
    security = engine.security(limits)
    engine.run(*RUN, "--name", "small", *security, busybox(engine), program)
    told = watch.end()

    assert told.status == 0
    seen = {
        (one["syscall"], one["architecture"], one["answer"], one["count"])
        for one in told.denials
        if one["executable"] == program
    }
    assert seen == {("umask", syscalls.X86, "EPERM", 1), ("getppid", syscalls.X86, "log", 1)}


def test_counts_are_exact(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    What a hundred threads are denied at once is told as often as they know it was; a rule on an
    argument denies what it names and nothing else.
    """
    alg = {"index": 0, "value": AF_ALG, "op": "SCMP_CMP_EQ"}
    limits = profile(tmp_path, deny("getpgid"), deny("socket", args=[alg]))
    script = "; ".join(
        [
            f"denied crowd {number('getpgid')} 1000",
            f"denied loop {number('socket')} 70 {AF_ALG}",
            f"denied loop {number('socket')} 30 {AF_UNIX}",
        ]
    )

    watch = watching(seccomp_trace, "crowd", env=podman.environment)
    security = podman.security(limits)
    done = podman.run(*RUN, "--name", "crowd", *security, busybox(podman), "sh", "-c", script)
    told = watch.end()

    assert done.stdout.splitlines() == ["100000", "70", "0"]
    assert told.said == "" and told.status == 0
    counts = {"getpgid": 0, "socket": 0}
    for one in told.denials:
        if one["executable"] == "/usr/local/bin/denied":
            counts[one["syscall"]] += one["count"]
    assert counts == {"getpgid": 100000, "socket": 70}
    assert {one["arguments"][0] for one in told.denials if one["syscall"] == "socket"} == {AF_ALG}
