"""
Each example runs, and does what its first lines say.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.live.command import PROGRAM
from tests.live.engines import Engine
from tests.live.conftest import ImageLoader

EXAMPLES = Path(__file__).parents[2] / "examples"


class Examples:
    """The examples, run with podman's busybox image and this checkout's seccomp-trace."""

    def __init__(self, podman: Engine, image: str) -> None:
        self.image = image
        path = f"{PROGRAM.parent}{os.pathsep}{podman.environment['PATH']}"
        self.environment = {**podman.environment, "PATH": path}

    def __call__(self, name: str, *arguments: str) -> str:
        """What an example prints on standard output; it must end with 0."""
        command = [str(EXAMPLES / name), self.image, *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def example(podman: Engine, busybox: ImageLoader) -> Examples:
    """The examples, ready to run."""
    return Examples(podman, busybox(podman))


def allowed(profile: str) -> set[str]:
    """The calls that a profile's ALLOW groups name."""
    rules = json.loads(profile)["syscalls"]
    return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_record_and_enforce_runs_the_container_twice(example: Examples) -> None:
    """The container says the same while it is recorded and under its profile."""
    assert example("record-and-enforce", "echo", "hello") == "hello\nhello\n"


def test_two_recordings_make_one_profile(example: Examples) -> None:
    """The profile allows what either command alone needed."""
    profile = example("two-recordings", "mkdir /tmp/x", "ln -s a /tmp/y")

    assert {"mkdir", "symlink"} <= allowed(profile)


def test_a_profile_for_each_container(example: Examples, tmp_path: Path) -> None:
    """Both containers of the script have a profile and a recording, named after them."""
    example("a-profile-for-each", str(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.{kind}.json" for name in ("first", "second") for kind in ("recording", "seccomp")
    ]


def test_what_the_default_profile_denies_is_recorded_without_it(example: Examples) -> None:
    """The profile allows a call (acct) that podman's default profile denies."""
    profile = example("without-the-default-profile", "calls", "163")

    assert "acct" in allowed(profile)


def test_every_example_is_run_here() -> None:
    """No example is without a test in this file."""
    scripts = {path.name for path in EXAMPLES.iterdir() if path.suffix != ".md"}
    here = Path(__file__).read_text(encoding="utf-8")

    assert {name for name in scripts if f'example("{name}"' in here} == scripts
