"""
Tests of the scripts that a stranger runs first.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from tests.live.engines import Engine
from tests.live.installation import CHECKOUT

Done = subprocess.CompletedProcess[str]


def run_script(name: str, *arguments: str, env: Mapping[str, str]) -> Done:
    return subprocess.run(
        [str(CHECKOUT / "scripts" / name), *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def demo(podman_session: Engine) -> Done:
    return run_script("demo", env=podman_session.environment)


def test_the_demo_tells_its_story_to_the_end(demo: Done):
    """
    The demo records, enforces and extends, with `ls -l` denied in between.
    """
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Operation not permitted" in demo.stdout
    assert "+++ ls-l.json" in demo.stdout


def test_the_demo_leaves_nothing_behind(demo: Done, podman_session: Engine):
    """
    After the demo there is neither an image nor a container of its own.
    """
    assert "seccomp-trace-demo" not in podman_session.run("images").stdout
    assert podman_session.run("ps", "--all", "--quiet").stdout == ""


def test_setup_changes_nothing_the_second_time(podman_session: Engine):
    """
    With nothing missing, scripts/setup says so and installs nothing.
    """
    run_script("setup", "--tests", env=podman_session.environment)

    done = run_script("setup", "--tests", env=podman_session.environment)

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "setup: distribution packages: nothing missing",
        "setup: Python packages: nothing changed",
    ]
