"""
The scripts of a measurement: which variants they start, and that nothing else is touched.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List

import pytest

from tracer.measuring.variants import (
    CONTAINERS,
    EXECS,
    LABEL,
    STARTS,
    Target,
    exec_script,
    lasting_script,
    start_script,
)

PODMAN = Target("podman", "crun", "localhost/busybox", False)
DOCKER = Target("docker", "runc", "busybox", True)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """
    A directory with an engine that does nothing but print what it is called with.
    """
    for name in ("podman", "docker"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "$@" >>"$(dirname "$0")/log"\necho ID\n')
        program.chmod(0o755)
    return tmp_path


def run(script: str, calls: Path) -> List[str]:
    subprocess.run(["sh", "-c", script], env={"PATH": f"{calls}:/usr/bin:/bin"}, check=True)
    return (calls / "log").read_text().splitlines()


def test_every_way_to_start_meets_every_kind_of_container():
    """
    Over enough numbers, each way to start a container is used with each set of options.
    """
    lines = start_script(PODMAN, range(len(STARTS) * len(CONTAINERS))).splitlines()

    assert len(set(lines)) == len(STARTS) * len(CONTAINERS)


def test_the_shell_understands_each_start(calls: Path):
    """
    Each line of the script calls the engine, and what it creates it starts, awaits and removes.
    """
    numbers = [way * len(CONTAINERS) for way in range(len(STARTS))]

    log = run(start_script(PODMAN, numbers), calls)

    verbs = [line.split()[2] for line in log]
    assert verbs == ["run", "run", "run", "create", "start", "wait", "rm"]
    assert log[-1] == "--runtime crun rm --force ID"


def test_all_containers_are_labelled_and_of_the_target():
    """
    Whatever is started can be found again, and runs by the runtime and setting to be measured.
    """
    scripts = start_script(DOCKER, range(60)) + lasting_script(DOCKER, range(15))

    wanted = f"--runtime runc --label {LABEL} --network none --security-opt no-new-privileges"
    assert all(wanted in line for line in scripts.splitlines())


def test_every_container_meets_every_kind_of_exec(calls: Path):
    """
    Over as many rounds as there are kinds, a container is executed in once in each round and kind.
    """
    rounds = [exec_script(PODMAN, ["a", "b"], round).splitlines() for round in range(len(EXECS))]

    assert all(len(lines) == 2 for lines in rounds)
    for place in range(2):
        kinds = {lines[place].partition(" exec ")[2].rpartition(" ")[0] for lines in rounds}
        assert len(kinds) == len(EXECS)
