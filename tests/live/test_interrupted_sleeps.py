"""
Live tests of sleeps that are interrupted and go on: the kernel then makes restart_syscall, which no
recording shows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.policy import require_command
from tests.live.recorded import record

SECONDS = 4
ATTEMPTS = 5
PROGRAM = "sleeps"
PROCESSES = 5  # the program, and what sleeps
WORSE = "worse.json"
COMM_END = ") "


def cgroup2() -> Optional[Path]:
    """
    Return where the host has the second version of control groups, whose freezer each group has.
    """
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next((Path(place) for _, place, kind, *_ in mounts if kind == "cgroup2"), None)


def state(process: int) -> str:
    text = Path(f"/proc/{process}/stat").read_text()
    return text[text.rindex(COMM_END) + len(COMM_END)]


def stopped(processes: list[int]) -> None:
    """
    Stop the processes, and let them go on once all have stopped.
    """
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    eventually(
        lambda: all(state(process) == "T" for process in processes), what="all of them stopped"
    )
    for process in processes:
        os.kill(process, signal.SIGCONT)


def frozen(processes: list[int]) -> None:
    """
    Freeze the processes in a control group of their own, let them go on once they are frozen, and
    wait for their end.
    """
    place = cgroup2()
    assert place is not None
    group = place / f"seccomp-trace-test-{processes[0]}"
    events = group / "cgroup.events"
    group.mkdir()
    try:
        for process in processes:
            (group / "cgroup.procs").write_text(str(process))
        (group / "cgroup.freeze").write_text("1")
        eventually(lambda: "frozen 1" in events.read_text(), what="all of them frozen")
    finally:
        (group / "cgroup.freeze").write_text("0")
        eventually(lambda: "populated 0" in events.read_text(), what="all of them ended")
        group.rmdir()


def traced(processes: list[int]) -> None:
    """
    Have strace trace the processes for a second.
    """
    attached = [word for process in processes for word in ("-p", str(process))]
    strace = ["timeout", "--signal", "INT", "1", require_command("strace"), *attached]
    done = subprocess.run(strace, capture_output=True, text=True, timeout=60)
    assert done.stderr.count(" attached") == len(processes), done.stderr


WAYS: dict[str, Callable[[list[int]], None]] = {
    "stopped": stopped,
    "traced": traced,
    **({"frozen": frozen} if cgroup2() else {}),
}


def test_an_interrupted_sleep_goes_on_to_its_end(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    `sleep 4`, nanosleep, poll and futex sleep for the whole time under their recorded profile when
    they are stopped, frozen or traced meanwhile; without restart_syscall they do not.
    """
    image = busybox(podman)
    recorded = record(seccomp_trace, podman, "run", "--rm", image, PROGRAM, "0")
    worse = without(recorded.profile, "restart_syscall")
    tried = {name: (way, recorded.profile) for name, way in WAYS.items()}
    tried["worse"] = (stopped, worse)
    for name, (_, path) in tried.items():
        options = ["--name", name, *podman.security(path)]
        podman.run("create", *options, image, PROGRAM, str(SECONDS))

    def status(name: str) -> str:
        interrupt, _ = tried[name]
        for _ in range(ATTEMPTS):
            podman.run("start", name)
            # On a busy host the sleep may be over before all that takes part in it was found.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                interrupt(sleeping(podman, name))
                return podman.run("wait", name).stdout.strip()
            podman.run("wait", name)
        raise AssertionError(f"{name}: never seen asleep")

    assert "restart_syscall" not in recorded.calls()
    with ThreadPoolExecutor(len(tried)) as pool:
        ended = dict(zip(tried, pool.map(status, tried)))
    assert ended == {**dict.fromkeys(WAYS, "0"), "worse": "1"}


def sleeping(engine: Engine, container: str) -> list[int]:
    """
    Return the processes of a container, by their numbers on the host, once all of them sleep.
    """
    answer = engine.run("inspect", "--format", "{{.State.Pid}}", container)
    first = int(answer.stdout)
    children = Path(f"/proc/{first}/task/{first}/children")
    found: list[int] = []

    def are_asleep() -> bool:
        found[:] = [first, *map(int, children.read_text().split())]
        calls = [Path(f"/proc/{process}/syscall").read_text() for process in found]
        return len(found) == PROCESSES and not any(call.startswith("running") for call in calls)

    eventually(are_asleep, what="all of them sleep")
    return found


def without(profile: Path, name: str) -> Path:
    """
    Return a profile without one call, beside the one that has it.
    """
    value = json.loads(profile.read_text())
    for rule in value["syscalls"]:
        rule["names"] = [named for named in rule["names"] if named != name]
    profile.with_name(WORSE).write_text(json.dumps(value))
    return profile.with_name(WORSE)
