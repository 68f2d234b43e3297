"""
How long the work on recordings and profiles takes: medians of wall and processor time.

Needs neither root nor a kernel. The recordings are made up, of the size of real ones: a thousand
containers, 300 observations each, by three programs.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, List, Tuple

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tracer import syscalls  # noqa: E402
from tracer.recording import (  # noqa: E402
    RUNTIME,
    Observation,
    Recording,
    Run,
    Sighting,
    from_json,
    merge,
    to_json,
)

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
RECORDINGS, OBSERVATIONS = 1000, 300
PROGRAMS = ("/usr/bin/app", "/bin/sh", RUNTIME)
DOCKER = (
    Path("/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json"),
    ROOT / ".venv/share/docker/default.json",
)
PODMAN = (Path("/usr/share/containers/seccomp.json"),)

# Seconds by the clock, and of the processor.
Times = Tuple[float, float]


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work, to try it")
    arguments = parser.parse_args()
    number = RECORDINGS // 100 if arguments.quick else RECORDINGS
    recordings = [recording(index) for index in range(number)]
    print(f"{number} recordings of {OBSERVATIONS} observations; medians of {arguments.rounds}\n")
    print(f"{'':44} {'clock':>9} {'processor':>10}")
    show("merging them", arguments.rounds, lambda: merge(*recordings))
    with tempfile.TemporaryDirectory() as directory:
        paths = written(recordings, Path(directory))
        texts = [Path(path).read_text() for path in paths]
        show("reading them", arguments.rounds, lambda: [from_json(one, "") for one in texts])
        generate = [TOOL, "generate", "--runtime-floor", "none", *paths]
        show("generate: reading, merging, writing", arguments.rounds, lambda: run(generate))
    show("seccomp-trace --help", arguments.rounds, lambda: run([TOOL, "--help"]))
    for name, old, new in comparisons():
        command = [TOOL, "diff", old, new]
        show(f"diff of {name}", arguments.rounds, lambda: run(command))


def comparisons() -> List[Tuple[str, str, str]]:
    """Which default profiles there are here to compare."""
    docker, podman = (
        next((str(path) for path in places if path.exists()), "") for places in (DOCKER, PODMAN)
    )
    pairs = [("docker's default with itself", docker, docker)]
    pairs += [("docker's default with podman's", docker, podman)]
    return [pair for pair in pairs if all(pair)]


def recording(index: int) -> Recording:
    """One recording, always the same for the same index."""
    chance = random.Random(index)
    names = sorted(syscalls.names(syscalls.X86_64))
    run_id = f"{index:016x}"
    runs = frozenset({run_id})
    seen = []
    for program in PROGRAMS:
        for name in chance.sample(names, OBSERVATIONS // len(PROGRAMS)):
            number = syscalls.number_of(syscalls.X86_64, name)
            assert number is not None
            first = Sighting(10**18 + chance.randrange(10**9), chance.randrange(1, 99), "app")
            seen.append(Observation(program, syscalls.X86_64, number, name, first, runs))
    run_of = Run(run_id, engine="podman", runtime="runc", architecture=syscalls.X86_64)
    return Recording({run_id: run_of}, (), tuple(seen))


def written(recordings: List[Recording], directory: Path) -> List[str]:
    """The paths of these recordings, each in a file."""
    paths = []
    for index, one in enumerate(recordings):
        path = directory / f"{index}.rec"
        path.write_text(to_json(one))
        paths.append(str(path))
    return paths


def run(command: List[str]) -> None:
    """A command; diff ends with 1 where there are differences."""
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode in (0, 1), command[:2]


def show(name: str, rounds: int, work: Callable[[], object]) -> None:
    """A line of the table."""
    work()
    times = [measured(work) for _ in range(rounds)]
    clock, processor = (statistics.median(column) for column in zip(*times))
    print(f"{name:44} {clock * 1e3:6.0f} ms {processor * 1e3:7.0f} ms")


def measured(work: Callable[[], object]) -> Times:
    """How long something took, its children included."""
    before, start = used(), time.monotonic()
    work()
    return time.monotonic() - start, used() - before


def used() -> float:
    """Processor time of this process and of its children that ended."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in own)


if __name__ == "__main__":
    main()
