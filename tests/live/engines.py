"""
What every container engine of the tests is: a record that starts it, and verbs on such records.

How each comes about is in podman.py and docker.py. All of an engine's state is the tests' own, so
nothing here sees the user's images and containers.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Union

from tests.live.conditions import eventually

# podman 4.3 first lowers itself to this many processes, and then fails to raise the limit again.
MOST_PROCESSES = 32768
MOST_FILES = 1048576


@dataclasses.dataclass(frozen=True)
class Engine:
    """
    One engine with one runtime.

    `environment` is a whole one, to be given to whatever calls `name`: its PATH and variables are
    what lead to the tests' own engine, from a shell script too. `entering` is the beginning of a
    command line that runs in the engine's mount namespace, where that is not the host's.
    """

    name: str
    runtime: str
    environment: Mapping[str, str] = dataclasses.field(repr=False)
    entering: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """
        Return the command line for `run ... IMAGE ...` and the like, as a user types it.
        """
        return [self.name, *arguments]

    def security(self, profile: Union[str, Path]) -> list[str]:
        """
        Return the options of `run` that put a container under a seccomp profile.
        """
        return ["--security-opt", f"seccomp={profile}"]

    def run(
        self, *arguments: str, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a command of the engine to its end; with `check` a failure shows what it said.
        """
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(done.args)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done


def environment_with(commands: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """
    Return this process's environment with a directory of commands first on PATH.
    """
    path = f"{commands}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, **variables}


def limit_of_files() -> int:
    """
    Return the highest number of open files that this process may hand to a container.
    """
    return _hard_limit(resource.RLIMIT_NOFILE, MOST_FILES)


def limit_of_processes() -> int:
    """
    Return the highest number of processes that podman may hand to a container.
    """
    return _hard_limit(resource.RLIMIT_NPROC, MOST_PROCESSES)


def _hard_limit(kind: int, most: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def remove_containers(engine: Engine) -> None:
    """
    Remove every container of the engine, running or not.

    Podman 4.3 may find one's /dev/shm busy, if it has a user namespace and was just killed.
    """
    eventually(lambda: _has_removed(engine), what="containers to be removed")


def _has_removed(engine: Engine) -> bool:
    containers = engine.run("ps", "--all", "--quiet").stdout.split()
    if containers:
        engine.run("rm", "--force", "--volumes", *containers)
    return True


def image_loader(archive: Path, reference: str) -> Callable[[Engine], str]:
    """
    Return what imports the archive of a root directory into an engine, once, and names the image.
    """
    engines: list[Engine] = []

    def load(engine: Engine) -> str:
        if engine not in engines:
            engine.run("import", str(archive), reference, timeout=300)
            engines.append(engine)
        return reference

    return load
