"""
The front of measuring: arguments, progress, and the data file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Callable, Dict, Iterator

import click

from tracer.container.runtime_file import read_runtime
from tracer.errors import HostError, SeccompTraceError
from tracer.files import prepare, read_text
from tracer.measuring.counting import Sample, count, replaced
from tracer.measuring.observing import Progress, observe_execs, observe_starts
from tracer.measuring.variants import Target
from tracer.profile import floors
from tracer.profile.floors import Floor
from tracer.session.assembly import this_host

DATA = Path(floors.__file__).parent / "data" / "floors.json"
VERSION_COMMANDS = {
    "podman": ("podman", "version", "--format", "{{.Client.Version}}"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
}
OBSERVERS: Dict[str, Callable[[Target, int, Progress], "list[Sample]"]] = {
    "start": observe_starts,
    "exec": observe_execs,
}


@click.command()
@click.argument("engine", type=click.Choice(sorted(VERSION_COMMANDS)))
@click.argument("runtime")
@click.argument("image")
@click.option("--samples", default=200, show_default=True, help="At least so many of each kind.")
@click.option("--data", default=str(DATA), show_default=True, help="The file to bring up to date.")
def main(engine: str, runtime: str, image: str, samples: int, data: str) -> None:
    """
    Measure what RUNTIME calls in a container's window, with and without no-new-privileges.

    IMAGE has `true` and `sleep` (scripts/busybox-tree makes the root of one). What was measured
    before of the same versions is replaced in the data file; the rest of it stays.
    """
    try:
        old = floors.read_floors(read_text(data), data)
        new = tuple(_measured(engine, runtime, image, samples))
        with prepare(data, lambda text: True) as destination:
            destination.write(floors.render_floors(replaced(old, new)))
    except SeccompTraceError as error:
        sys.exit(f"measure-floor: {error}")


def _measured(engine: str, runtime: str, image: str, samples: int) -> Iterator[Floor]:
    version, engine_version = _runtime_version(runtime), _engine_version(engine)
    for no_new_privileges in (False, True):
        target = Target(engine, runtime, image, no_new_privileges)
        for action, observe in OBSERVERS.items():
            seen = observe(target, samples, _progress_of(target, action))
            yield Floor(
                runtime=runtime,
                version=version,
                architecture=this_host().architecture,
                build_ids=(),
                engine=f"{engine} {engine_version}",
                no_new_privileges=no_new_privileges,
                action=action,
                samples=len(seen),
                date=date.today().isoformat(),
                calls=count(seen),
            )


def _progress_of(target: Target, action: str) -> Progress:
    privileges = "no-new-privileges, " if target.no_new_privileges else ""
    title = f"{target.engine}, {target.runtime}, {privileges}{action}"
    return lambda samples: click.echo(f"{title}: {samples} samples", err=True)


def _runtime_version(runtime: str) -> str:
    path = shutil.which(runtime)
    if path is None:
        raise HostError(f"{runtime}: not on PATH", "install it")
    version = read_runtime(path).version
    if not version:
        raise HostError(f"{path}: does not tell its version")
    return version


def _engine_version(engine: str) -> str:
    done = subprocess.run(VERSION_COMMANDS[engine], capture_output=True, text=True)
    if done.returncode:
        raise HostError(f"{engine} does not answer", done.stderr.strip())
    return done.stdout.strip()


if __name__ == "__main__":
    main()
