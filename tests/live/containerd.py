"""
containerd for the tests: the one that the tests' dockerd brings up, driven by ctr.

Containers run from a root directory, so that no image is imported.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.live.engines import Engine

NAMESPACE = "seccomp-trace-readers"


def run_under(docker: Engine, profile: Path, root: Path, name: str, *command: str) -> str:
    """
    Run a container to its end, under a profile as containerd reads it; return what it prints.
    """
    directory = Path(docker.environment["DOCKER_HOST"].replace("unix://", "")).parent
    arguments = ["--address", str(directory / "exec/containerd/containerd.sock")]
    arguments += ["--namespace", NAMESPACE, "run", "--rm", "--rootfs"]
    arguments += ["--seccomp", "--seccomp-profile", str(profile), str(root), name, *command]
    done = subprocess.run(
        ["ctr", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
