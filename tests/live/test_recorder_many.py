"""
Tests of the recorder that stays with many containers, and with more than it has room for.

Most of the containers are an OCI runtime's alone, from a bundle: that costs a tenth of an engine's.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.policy import require_command
from tests.live.recorded import Recorded, calls_of, making, read_complete, record_command
from tests.live.recorder import OWN_BPFFS, OWN_LOCK, RESULTS, Place, own_calls, place_with

CALLS = "/usr/local/bin/calls"
# Calls that neither busybox, nor the C library's start, nor a runtime makes of itself.
TELLING = (
    "times",
    "getpriority",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getitimer",
    "inotify_init",
    "epoll_create",
    "getpgid",
    "getsid",
)
CONTAINERS, OF_AN_ENGINE, AT_ONCE = 100, 30, 8
SHORTEST, LONGEST = 0.005, 2.0
# So that the window is that of a filter.
FILTER = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}],
}


@dataclasses.dataclass(frozen=True)
class Bundles:
    """
    Containers that runc runs from bundles, without an engine.
    """

    directory: Path
    root: Path

    def command(self, id: str, *arguments: str) -> list[str]:
        """
        Return the command line that runs a container of this id.
        """
        bundle = self.directory / id
        bundle.mkdir()
        subprocess.run(["runc", "spec", "--bundle", str(bundle)], check=True)
        specification = json.loads((bundle / "config.json").read_text())
        specification["process"]["args"] = list(arguments)
        specification["process"]["terminal"] = False
        specification["process"].pop("rlimits", None)
        specification["root"] = {"path": str(self.root), "readonly": True}
        specification["linux"]["seccomp"] = FILTER
        (bundle / "config.json").write_text(json.dumps(specification))
        return ["runc", "run", "--bundle", str(bundle), id]

    def run(self, id: str, *arguments: str) -> None:
        """
        Run a container to its end.
        """
        command = self.command(id, *arguments)
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=60)


@pytest.fixture
def bundles(busybox: ImageLoader, scratch: Path, tmp_path: Path) -> Iterator[Bundles]:
    require_command("runc")
    directory = tmp_path / "bundles"
    directory.mkdir()
    yield Bundles(directory, scratch / "busybox")
    ours = {one.name for one in directory.iterdir()}
    listed = subprocess.run(["runc", "list", "--quiet"], capture_output=True, text=True, check=True)
    for id in ours.intersection(listed.stdout.split()):
        subprocess.run(["runc", "delete", "--force", id], check=True)


def signatures() -> Iterator[frozenset[str]]:
    """
    Sets of four of the telling calls, each a different one.
    """
    yield from map(frozenset, itertools.combinations(TELLING, 4))


def life(number: int, own: frozenset[str]) -> list[str]:
    """
    Return the command of a container, the higher its number the longer.
    """
    seconds = SHORTEST * (LONGEST / SHORTEST) ** (number / (CONTAINERS - 1))
    return ["sh", "-c", f"sleep {seconds:.3f}; exec calls {' '.join(making(*sorted(own)))}"]


def test_a_hundred_containers_eight_at_a_time(
    podman: Engine,
    busybox: ImageLoader,
    bundles: Bundles,
    resident: Place,
    seccomp_trace: SeccompTrace,
):
    """
    Of 100 containers, eight at a time, that live from 5 ms to 2 s, each has a recording with
    exactly its own calls, those too that had the number of another one's PID namespace.
    """
    image = busybox(podman)
    every = life(0, frozenset(TELLING))
    alone = [
        record_command(seccomp_trace, podman, command)
        for command in (
            bundles.command(secrets.token_hex(32), *every),
            podman.command("run", "--rm", image, *every),
        )
    ]
    telling = {name: (CALLS, "SCMP_ARCH_X86_64", name) for name in TELLING}
    common = [own_calls(one.recording) - set(telling.values()) for one in alone]
    expected = {}

    def run(number: int, own: frozenset[str]) -> None:
        by_engine = number % (CONTAINERS // OF_AN_ENGINE) == 0
        id = f"container-{number}" if by_engine else secrets.token_hex(32)
        expected[id] = common[by_engine] | {telling[name] for name in own}
        if by_engine:
            podman.run("run", "--rm", "--name", id, image, *life(number, own))
        else:
            bundles.run(id, *life(number, own))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(CONTAINERS), signatures()))
    heads = resident.heads()
    found = resident.collected(*expected, env=podman.environment)

    assert len(found) == CONTAINERS
    for id, one in found.items():
        assert own_calls(one.recording) == expected[id]
    assert most_of_one_namespace(heads, found.values()) > 1


def most_of_one_namespace(heads: Iterable[dict[str, Any]], found: Iterable[Recorded]) -> int:
    """
    Return how many of these recordings had the same PID namespace number, one after the other.
    """
    runs = {id.partition("-")[2] for one in found for id in one.recording.runs}
    numbers = collections.Counter(
        one["namespace"] for one in heads if f"{one['born']:x}-{one['first_process']:x}" in runs
    )
    assert sum(numbers.values()) == len(runs)
    return max(numbers.values())


def test_containers_with_the_same_namespace_number_do_not_mix(
    podman_crun: Engine, busybox: ImageLoader, resident: Place
):
    """
    Of containers in turn, known by nothing but their PID namespace, whose number the next one gets,
    each has its own calls alone.
    """
    env, image = podman_crun.environment, busybox(podman_crun)
    for name in TELLING[:4]:
        podman_crun.run("run", "--rm", "--name", name, image, "calls", *making(name))
    heads = resident.heads()
    found = resident.collected(*TELLING[:4], env=env)

    assert most_of_one_namespace(heads, found.values()) > 1
    for name, one in found.items():
        assert one.calls() & set(TELLING) == {name}


# Room for 42 recordings, and for the observations of 28 of these containers, before any give way.
SMALL = {
    "MAX_RECORDINGS": 48,
    "MAX_OBSERVATIONS": 1152,
    "MAX_OBSERVATIONS_EACH": 200,
    "MAX_EXECUTABLES": 512,
    "MAX_EXECUTABLES_EACH": 100,
}
# Calls that do no harm, and return at once, when all their arguments are zero.
HARMLESS = [str(one) for one in (*range(188, 218), *range(221, 231), *range(233, 246))]
HARMLESS += [str(one) for one in (*range(247, 270), *range(275, 300))]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """
    Where a recorder is running that has little room; the host's compiled one is left alone.
    """
    cache = "mkdir -p /var/cache && mount -t tmpfs -o mode=0755 none /var/cache"
    with place_with([OWN_BPFFS, OWN_LOCK, cache], tmp_path) as place:
        place.start(**SMALL)
        yield place


def observations_of(place: Place, id: str) -> int:
    """
    Return how many calls a container has been seen making.
    """
    return max(int(one["observations"]) for one in place.heads() if one["container"] == id)


@pytest.mark.alone
def test_the_oldest_that_ended_give_way(bundles: Bundles, small: Place):
    """
    When there is no room left those that ended first give way, whole, and are counted; one that
    runs stays, though all that it did is older; what is held is complete.
    """
    running, *ended = (secrets.token_hex(32) for _ in range(61))
    life = f"calls {' '.join(HARMLESS)}; read -r line; exec calls {making('times')[0]}"
    command = bundles.command(running, "sh", "-c", life)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as first:
        eventually(lambda: observations_of(small, running) > len(HARMLESS), what="it has called")
        for id in ended:
            bundles.run(id, "calls", *making("getsid"))
        first.communicate(b"go on\n")

    status = small.status()
    done = small.collect("--all")
    assert done.returncode in (0, 1), done.stderr  # what is somebody else's may be incomplete
    found = {
        id: read_complete(path)
        for id in (running, *ended)
        for path in (small.seccomp_trace.directory / RESULTS).glob(f"{id[:12]}.recording.json*")
    }
    left = [id for id in ended if id in found]

    assert left == ended[-len(left) :] and 10 < len(left) < 50
    assert status["containers"]["dropped"] >= 10
    assert status["lost"] == {} and status["filled"] <= 1
    assert {"times", "inotify_init1", "setxattr"} <= calls_of(found[running], CALLS)
    assert len(calls_of(found[running])) > len(HARMLESS)
    (calls,) = {frozenset(own_calls(found[id])) for id in left}
    assert (CALLS, "SCMP_ARCH_X86_64", "getsid") in calls


@pytest.mark.alone
def test_one_container_cannot_take_all_the_room(bundles: Bundles, small: Place):
    """
    What one container does beyond its share is lost and said: it is incomplete, and others are not.
    """
    greedy, modest = secrets.token_hex(32), secrets.token_hex(32)
    life = f"calls {' '.join(HARMLESS)}; threads200 {' '.join(HARMLESS)}"

    bundles.run(greedy, "sh", "-c", life)
    bundles.run(modest, "calls", *making("times"))

    assert "times" in small.collected(modest)[modest].calls(CALLS)
    done = small.collect(greedy)
    assert done.returncode == 1 and "no map had room" in done.stderr
    results = small.seccomp_trace.directory / RESULTS
    assert (results / f"{greedy[:12]}.recording.json.incomplete").exists()
