"""
`seccomp-trace floor`: what is known of runtimes' own calls, and measuring it on this host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

import click

from tracer import host_floors
from tracer.cli import complain, options, say
from tracer.cli.printing import draw, is_terminal, print_json, print_line
from tracer.container.runtime_file import RuntimeFile
from tracer.errors import HostError, InputError
from tracer.profile.floor_choice import labels
from tracer.profile.floors import REQUIRED, SURVIVABLE, Floor, upstream, version_order

PACKAGE, HOST = "package", "host"
LEAST_SAMPLES = 10  # fewer would pass for a measurement, and miss what is a little rare
COLUMNS = "{:<16} {:<13} {:>7}  {:<10}  {}"


@click.group()
def floor() -> None:
    """What runtimes call before a container's program: list, measure and forget measurements."""


@dataclass(frozen=True)
class Measurement:
    """The floors of one runtime in one version on one architecture, and where they come from."""

    runtime: str
    version: str
    architecture: str
    floors: Tuple[Floor, ...]
    origin: str

    @property
    def samples(self) -> int:
        """The fewest samples of any of its floors."""
        return min(floor.samples for floor in self.floors)

    @property
    def date(self) -> str:
        """When the oldest of its floors was measured."""
        return min(floor.date for floor in self.floors)


@floor.command(name="list")
@options.form
def list_floors(form: str) -> int:
    """
    Show which versions of which runtimes are measured: by the package, or by this host itself.

    Without a measurement of the version that ran, a container that was recorded without a filter
    has no complete profile. 'seccomp-trace floor measure' makes one.
    """
    known = host_floors.measured()
    if known.problem:
        complain(known.problem)
    own = set(host_floors.own()) if not known.problem else set()
    found = measurements(known.floors, own)
    if form == "json":
        entries = [_entry(measurement) for measurement in found]
        print_json({"floors": entries, "problem": known.problem})
        return 0
    print_line(COLUMNS.format("RUNTIME", "ARCHITECTURE", "SAMPLES", "MEASURED", "BY"))
    for entry in found:
        print_line(
            COLUMNS.format(
                f"{entry.runtime}-{entry.version}",
                _machine(entry.architecture),
                entry.samples,
                entry.date,
                entry.origin,
            )
        )
    return 0


def measurements(floors: Iterable[Floor], own: "set[Floor]") -> List[Measurement]:
    """Return the measurements that these floors make up, sorted; `own`: this host's."""
    found: Dict[Tuple[str, str, str], List[Floor]] = {}
    for floor in floors:
        key = (floor.runtime, floor.version, floor.architecture)
        found.setdefault(key, []).append(floor)
    return [
        Measurement(*key, tuple(group), HOST if own.issuperset(group) else PACKAGE)
        for key, group in sorted(
            found.items(), key=lambda item: (item[0][0], version_order(item[0][1]), item[0][2])
        )
    ]


def _entry(measurement: Measurement) -> Dict[str, object]:
    builds = sorted({build for floor in measurement.floors for build in floor.build_ids})
    return {
        "runtime": measurement.runtime,
        "version": measurement.version,
        "architecture": measurement.architecture,
        "samples": measurement.samples,
        "date": measurement.date,
        "by": measurement.origin,
        "build_ids": builds,
    }


def _machine(architecture: str) -> str:
    return architecture.replace("SCMP_ARCH_", "").lower()


@floor.command()
@click.option(
    "--samples",
    type=click.IntRange(LEAST_SAMPLES, 100_000),
    default=200,
    show_default=True,
    help="So many starts and execs of each kind.",
)
@click.argument("path", required=False)
def measure(samples: int, path: Optional[str]) -> int:
    """
    Measure what a runtime of this host calls before a container's program runs.

    PATH is the file of a runc or crun that root alone could have placed, or its name in the
    system's directories. Without it, those there are measured that are not measured yet. It needs
    root and some minutes: containers are started and executed in, with a root directory that this
    command makes itself, and calls are refused to some of them, to see which calls the runtime can
    do without. The result lies in /var/lib/seccomp-trace, and every command uses it.
    """
    if os.geteuid() != 0:
        raise HostError("measuring a runtime needs root", "sudo seccomp-trace floor measure")
    wanted = _wanted(path)
    host_floors.keep(())  # what cannot be kept is not worth minutes
    from tracer.measuring import apart

    for runtime in wanted:
        found = apart.measure(runtime, samples, Progress(f"{runtime.name} {runtime.version}"))
        destination = host_floors.keep(found)
        print_line(summary(found))
        say(f"written to {destination}\n")
    return 0


def _wanted(path: Optional[str]) -> Sequence[RuntimeFile]:
    from tracer.measuring import files

    if path is not None:
        return [files.runtime_at(path)]
    installed = files.installed()
    if not installed:
        raise InputError("neither runc nor crun is in the system's directories", "name a PATH")
    wanted = files.unmeasured(installed, host_floors.measured().floors)
    if not wanted:
        complain("every runtime in the system's directories is measured already; name a PATH")
    return wanted


class Progress:
    """Progress on standard error: a line for each phase, on a terminal the last one counts up."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._phase = ""
        self._terminal = is_terminal(error=True)

    def __call__(self, phase: str, done: int, of: int) -> None:
        """So much of a phase is done."""
        if self._terminal:
            end = "\n" if done >= of else ""
            draw(f"{self._title}: {phase}: {min(done, of)} of {of}", end)
        elif phase != self._phase:
            say(f"{self._title}: {phase}\n")
        self._phase = phase


def summary(floors: Sequence[Floor]) -> str:
    """Return in a line what was measured of one runtime."""
    names = {name for floor in floors for name in floor.names}
    required = {name for name in names if _any_is(floors, name, REQUIRED)}
    survivable = {name for name in names - required if _any_is(floors, name, SURVIVABLE)}
    counts = ", ".join(
        f"{floor.samples} {floor.action}s{' with no-new-privileges' * floor.no_new_privileges}"
        for floor in floors
    )
    return (
        f"{labels(floors)[0]}: {len(names)} calls, {len(required)} of them required and "
        f"{len(survivable)} survivable ({counts})"
    )


def _any_is(floors: Sequence[Floor], name: str, kind: str) -> bool:
    return any(floor.class_of(name) == kind for floor in floors if name in floor.names)


@floor.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME-VERSION...")
def forget(names: Tuple[str, ...]) -> int:
    """
    Remove measurements that this host has made itself, such as runc-1.3.6.

    Those of the package stay, and count again.
    """
    own = host_floors.own()
    unwanted = [floor for name in names for floor in _named(name, own)]
    host_floors.forget(unwanted)
    print_line(f"forgotten: {', '.join(labels(unwanted))}")
    return 0


def _named(name: str, own: Sequence[Floor]) -> List[Floor]:
    found = [
        floor
        for floor in own
        if name
        in {f"{floor.runtime}-{floor.version}", f"{floor.runtime}-{upstream(floor.version)}"}
    ]
    if not found:
        there = ", ".join(labels(own)) or "none"
        raise InputError(f"{name}: this host has not measured it", f"it has measured: {there}")
    return found
