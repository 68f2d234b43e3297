"""
Tests of the promise: a profile starts its container again, every time, and allows little else.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import record
from tests.live.runtime_copies import version_of
from tracer.profile.floors import Floor, permitted, shipped
from tracer.profile.kernel_calls import KERNEL_CALLS

STARTS = 50
# What a runtime does before the filter is there, and `ls` never does.
BEFORE_THE_WINDOW = {"mount", "pivot_root", "clone", "setns", "unshare"}
MOST_NAMES = 48


def test_the_profile_of_ls_starts_the_same_container_every_time(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    The profile of `ls /` has no call of the runtime's preparations, few names beside those that the
    kernel calls and those that later versions of the runtime need, and never fails.
    """
    container = ["--network=none", busybox(engine), "ls", "/"]

    recorded = record(seccomp_trace, engine, "run", "--rm", *container)

    assert not recorded.allowed() & BEFORE_THE_WINDOW
    later = permitted(shipped()) - permitted(floors_of(engine))
    assert len(recorded.allowed() - KERNEL_CALLS.keys() - later) <= MOST_NAMES
    assert good_starts(engine, recorded.profile, container) == STARTS


def test_the_profile_of_ls_denies_what_ls_never_asked_for(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    Under the profile of `ls /` another program of the image is denied what it needs.
    """
    recorded = record(seccomp_trace, podman, "run", "--rm", busybox(podman), "ls", "/")
    under_it = ["run", "--rm", *podman.security(recorded.profile), busybox(podman)]

    denied = podman.run(*under_it, "mkdir", "/tmp/new", check=False)

    assert denied.returncode == 1  # mkdir's own; a container that does not start gives 125 to 127


def floors_of(engine: Engine) -> list[Floor]:
    """
    Give the floors of the very version that an engine of the tests has.
    """
    version = version_of(engine)
    return [
        floor for floor in shipped() if (floor.runtime, floor.version) == (engine.runtime, version)
    ]


def good_starts(engine: Engine, profile: Path, container: list[str]) -> int:
    """Start one container STARTS times, two at once since this host may have two processors."""
    command = ["create", *engine.security(profile), *container]
    pair = [engine.run(*command).stdout.strip() for _ in range(2)]

    def start(one: str) -> int:
        for _ in range(STARTS // 2):
            engine.run("start", "--attach", one)
        # Not what `start` prints: podman loses it once in some hundred times, whatever the profile.
        return engine.run("logs", one).stdout.split().count("proc")

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(start, pair))
