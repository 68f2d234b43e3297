"""
An engine with our hook installed, and a recorder that stays of its own.

Both live in a mount namespace with a BPF filesystem of its own, made within the engine's: what is
pinned goes with it, and tests beside each other do not meet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.command import PROGRAM
from tests.live.engines import Engine, environment_with
from tests.live.podman import entering_namespace, mount_namespace, write_wrapper
from tests.live.policy import require_command
from tests.live.recorder import OWN_BPFFS, OWN_LOCK

ANNOTATION = "io.containers.trace-syscall"


@dataclasses.dataclass(frozen=True)
class Hooked:
    """
    An engine whose containers are recorded if their annotation says so.

    `outputs` is a directory where root may write, and nobody else.
    """

    engine: Engine
    image: str
    outputs: Path

    def run(
        self, annotation: str, *command: str, options: tuple[str, ...] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a container with the annotation to its end, and remove it.
        """
        asked = ("--annotation", f"{ANNOTATION}={annotation}") if annotation else ()
        given = ("run", "--rm", *asked, *options, self.image, *command)
        return self.engine.run(*given, check=check)

    def runs_under(self, profile: Path, *command: str) -> bool:
        """
        Tell whether a command in a container ends well under a profile.
        """
        options = tuple(self.engine.security(profile))
        return self.run("", *command, options=options, check=False).returncode == 0

    def within(self, *command: str) -> None:
        """
        Run a command of the host's where the engine, the hook and the recorder are.
        """
        subprocess.run([*self.engine.entering, *command], check=True, timeout=60)


def run_hook(entering: tuple[str, ...], *arguments: str) -> str:
    """
    Run `seccomp-trace hook` to its good end; return what it says.
    """
    command = [*entering, str(PROGRAM), "hook", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def hooked(
    engine: Engine, image: str, directory: Path, *options: str, lock: str = OWN_LOCK
) -> Iterator[Hooked]:
    """
    Give an engine with the hook installed, with these options of `hook install`.

    `lock` is the shell command that makes the place of the recorder's lock.
    """
    podman = require_command("podman")
    hooks, commands, outputs = (directory / name for name in ("hooks", "bin", "outputs"))
    for one in (hooks, commands, outputs):
        one.mkdir(parents=True)
    with mount_namespace(f"{lock} && {OWN_BPFFS}", engine.entering) as holder:
        entering = entering_namespace(holder)
        run_hook(entering, "install", "--hooks-dir", str(hooks), *options)
        write_wrapper(commands / "podman", entering, podman, "--hooks-dir", str(hooks))
        variables = {
            name: engine.environment[name]
            for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
        }
        own = Engine("podman", engine.runtime, environment_with(commands, variables), entering)
        yield Hooked(own, image, outputs)
