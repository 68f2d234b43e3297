"""
Podman for the tests: runc or crun, with image store, state and configuration of its own.

The configuration takes in the traits of a plain host: resource limits no higher than the ones this
process has, and no network unless a test asks for one.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.live.engines import (
    Engine,
    environment_with,
    limit_of_files,
    limit_of_processes,
    remove_containers,
)
from tests.live.policy import require_command

STORAGE = """
[storage]
driver = "overlay"
graphroot = "{directory}/store"
runroot = "{directory}/run"
"""

# The state directory and the locks are our own too: a second podman with the default ones would
# take the user's containers' locks for its own.
CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
netns = "none"
log_driver = "k8s-file"
{cgroups}
[engine]
runtime = "{runtime}"
events_logger = "file"
lock_type = "file"
tmp_dir = "{directory}/state"
image_copy_tmp_dir = "{directory}"
pull_policy = "never"
"""


CGROUP2 = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"


@contextlib.contextmanager
def podman_with(runtime: str, directory: Path) -> Iterator[Engine]:
    """
    Give a podman that runs its containers by the runtime, and keeps everything in the directory.
    """
    podman = require_command("podman")
    require_command(runtime)
    commands = directory / "bin"
    commands.mkdir(parents=True)
    # crun 1.8 knows no hybrid hierarchy.
    apart = runtime == "crun" and not on_cgroup2()
    variables = _write_configuration(runtime, directory, cgroups=not apart)
    with contextlib.ExitStack() as stack:
        entering: tuple[str, ...] = ()
        if apart:
            holder = stack.enter_context(mount_namespace(CGROUP2))
            entering = entering_namespace(holder)
            write_wrapper(commands / "podman", entering, podman)
        engine = Engine("podman", runtime, environment_with(commands, variables), entering)
        try:
            yield engine
        finally:
            engine.run("pod", "rm", "--all", "--force", check=False)
            remove_containers(engine)


def on_cgroup2() -> bool:
    """
    Tell whether this host has the unified hierarchy, and not a hybrid one.
    """
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _write_configuration(runtime: str, directory: Path, *, cgroups: bool) -> dict[str, str]:
    storage = directory / "storage.conf"
    storage.write_text(STORAGE.format(directory=directory))
    containers = directory / "containers.conf"
    containers.write_text(
        CONTAINERS.format(
            directory=directory,
            runtime=runtime,
            files=limit_of_files(),
            processes=limit_of_processes(),
            cgroups="" if cgroups else 'cgroups = "disabled"',
        )
    )
    return {"CONTAINERS_CONF": str(containers), "CONTAINERS_STORAGE_CONF": str(storage)}


@contextlib.contextmanager
def mount_namespace(preparations: str, entering: Sequence[str] = ()) -> Iterator[int]:
    """
    Give a process in a new mount namespace, made within another one, after these shell commands.
    """
    # One namespace for all calls of the engine: what one has mounted the next can unmount. The
    # process that keeps it ends with its standard input, so it cannot outlive the test session.
    script = f"{preparations} && echo ready && exec cat"
    holder = subprocess.Popen(
        [*entering, "unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for the tests: cleaning up still needs the namespace.
        start_new_session=True,
    )
    with holder:
        assert holder.stdin and holder.stdout
        assert holder.stdout.readline() == b"ready\n", f"no mount namespace after {preparations}"
        yield holder.pid
        holder.stdin.close()


def entering_namespace(holder: int) -> tuple[str, ...]:
    """
    Return the beginning of a command line that runs in a process's mount namespace.
    """
    return ("nsenter", f"--mount=/proc/{holder}/ns/mnt")


def write_wrapper(path: Path, entering: Sequence[str], *command: str) -> None:
    """
    Write a program that calls a command in a mount namespace, where it was called itself.
    """
    # --wdns keeps the working directory, which entering a mount namespace would reset to its root.
    path.write_text(
        f'#!/bin/sh\nexec {shlex.join(entering)} --wdns="$PWD" {shlex.join(command)} "$@"\n'
    )
    path.chmod(0o755)
