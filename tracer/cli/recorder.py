"""
`seccomp-trace recorder`: the recorder that stays, and what it holds.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import click

from tracer.cli import complain, options
from tracer.cli.given import baseline_in
from tracer.cli.printing import print_json, print_line
from tracer.cli.results import Results, deliver
from tracer.errors import HostError, InputError, OutputError
from tracer.kernel import pinned
from tracer.kernel.recorder import Recorder
from tracer.profile.making import Wanted as Making
from tracer.session import resident
from tracer.session.assembly import Doubts, this_host
from tracer.session.holdings import (
    Holding,
    Wanted,
    gone,
    has_run,
    held,
    recordings_of,
    refers,
    unchanged,
)
from tracer.text import printable

NOT_RUNNING = 1
CHECKS, DENIALS = "capability checks", "denials"
INCOMPLETE = NOTHING_FITS = 1
AT_ONCE = 50  # recordings read and let go of together
COLUMNS = ("CONTAINER", "NAME", "IMAGE", "STARTED", "ENDED", "CALLS", "")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def recorder() -> None:
    """Record every container that starts from now on, without a process of ours."""


@recorder.command()
@click.option("--replace", is_flag=True, help="Drop another version's, with all that it holds.")
@click.option("--denials", is_flag=True, help="Count what filters deny, too: costs every call.")
def start(replace: bool, denials: bool) -> int:
    """
    Load the recorder and leave it in the kernel. It is gone after a reboot.

    It mounts bpffs on /sys/fs/bpf if that is not mounted.
    """
    if resident.start(replace, with_denials=denials):
        print_line("every container that starts from now on is recorded")
        return 0
    with resident.find() as found:
        if denials and DENIALS not in _noted(found):
            raise HostError(
                "it is running already, and counts no denials",
                "seccomp-trace recorder stop, which drops what it holds, then start it anew",
            )
    print_line("running already")
    return 0


@recorder.command(short_help="Take the recorder out of the kernel.")
def stop() -> int:
    """Take the recorder out of the kernel, with everything that it holds."""
    left = resident.stop()
    if left is None:
        complain("no recorder is running here: there was nothing to stop")
    elif left.recordings:
        complain(
            f"recordings that nobody had collected are gone: {left.recordings}, "
            f"of running containers: {left.running}"
        )
    return 0


@recorder.command(short_help="Say what it holds and what it has lost.")
@options.form
def status(form: str) -> int:
    """
    Say since when it has been running, what it holds and what it has lost.

    Exit code 1 if none is running.
    """
    stamp = pinned.stamp()
    if stamp is None:
        print_line(json.dumps({"running": False}) if form == "json" else "not running")
        return NOT_RUNNING
    with resident.find() as found:
        facts = _facts(found, stamp)
    if form == "json":
        print_json(facts, indent=2)
        return 0
    for line in _shown(facts):
        print_line(line)
    return 0


def _facts(found: Recorder, stamp: pinned.Stamp) -> Dict[str, Any]:
    state, containers, heads = found.state(), held(found), found.heads().values()
    filled = {
        "recordings": len(heads),
        "observations": sum(head.observations for head in heads),
        "executables": sum(head.executables for head in heads),
    }
    doubts = Doubts(state, found.recursion_misses()).reasons()
    return {
        "running": True,
        "since": stamp.started + this_host().boot,
        "version": stamp.version,
        "containers": {
            "running": sum(one.running for one in containers),
            "ended": sum(not one.running for one in containers),
            "dropped": state.dropped,
        },
        "memory": found.memory(),
        "filled": max(count / found.room(name) for name, count in filled.items()),
        "lost": {one.code: one.count for one in doubts},
        "noted": list(_noted(found)),
    }


def _noted(found: Recorder) -> Tuple[str, ...]:
    """What it notes besides system calls."""
    maps = found.loaded.maps
    return (CHECKS,) * ("checks" in maps) + (DENIALS,) * ("denials" in maps)


def _shown(facts: Dict[str, Any]) -> Iterator[str]:
    containers = facts["containers"]
    yield f"running since  {_clock(facts['since'])} (version {printable(facts['version'])})"
    yield f"containers     {containers['running']} running, {containers['ended']} ended"
    yield f"memory         {facts['memory'] >> 20} MiB in the kernel, {facts['filled']:.0%} filled"
    yield f"dropped        {containers['dropped']} that had ended, to make room for newer ones"
    lost = (f"{code} {count}" for code, count in facts["lost"].items())
    yield f"lost           {', '.join(lost) or 'nothing'}"
    yield f"noted besides  {', '.join(facts['noted']) or 'nothing'}"


@recorder.command()
@options.form
def ps(form: str) -> int:
    """List the containers that are being, or have been, recorded."""
    with resident.find() as found:
        containers = held(found)
    if form == "json":
        print_json([_described(container) for container in containers], indent=2)
        return 0
    rows = [COLUMNS, *(_row(one) for one in containers)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print_line("  ".join(map(str.ljust, row, widths)).rstrip())
    return 0


def _row(one: Holding) -> Tuple[str, ...]:
    container = one.container
    return (
        printable(container.id[:12]) or "-",
        printable(container.name, 40) or "-",
        printable(container.image, 40) or "-",
        _clock(container.head.born + this_host().boot),
        "" if one.running else _clock(container.head.last_exit + this_host().boot),
        str(container.head.observations),
        "late" if container.late else "",
    )


def _described(one: Holding) -> Dict[str, Any]:
    container, boot = one.container, this_host().boot
    return {
        "id": container.id,
        "name": container.name,
        "image": container.image,
        "engine": container.engine,
        "started": container.head.born + boot,
        "ended": None if one.running else container.head.last_exit + boot,
        "calls": container.head.observations,
        "late": container.late,
    }


@recorder.command(short_help="Write recordings and profiles of containers.")
@click.argument("containers", nargs=-1)
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the results go.")
@click.option("--all", "everything", is_flag=True, help="Every container.")
@click.option("--name", "names", multiple=True, help="Those of this name.")
@click.option("--image", "images", multiple=True, help="Those of this image.")
@click.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="With this label.")
@options.baseline
@options.runtime_floor
def collect(
    containers: Tuple[str, ...],
    output: str,
    everything: bool,
    names: Tuple[str, ...],
    images: Tuple[str, ...],
    labels: Tuple[str, ...],
    baseline: Optional[str],
    runtime_floor: str,
) -> int:
    """
    Write recordings and profiles of CONTAINERs, and let go of those that have ended.

    CONTAINER is a name, an id or the beginning of one; --name, --image and --label choose too,
    and --all takes everything. Exit code 1 if a recording is not complete.
    """
    if not (containers or everything or names or images or labels):
        raise click.UsageError("Name containers, or choose with --name, --image, --label or --all.")
    wanted = Wanted(containers, names, images, labels)
    making = Making(*options.floors_for(runtime_floor), baseline=baseline_in(baseline))
    if not os.path.isdir(output):
        raise OutputError(f"{output}: is no directory, as -o must be here", f"mkdir -p {output}")
    with resident.find() as found, Results(os.path.join(output, "")) as results:
        return _collect(found, results, making, _chosen(held(found), wanted))


def _chosen(containers: Sequence[Holding], wanted: Wanted) -> List[Holding]:
    """Raises InputError if a container that was named is not there."""
    for reference in wanted.references:
        if not any(refers(reference, one.container) for one in containers):
            raise InputError(
                f"{reference}: nothing is recorded of a container of that name or id",
                "seccomp-trace recorder ps lists what there is",
            )
    # Of two with one name root's gets the file of that name: a user may choose any for his own.
    return sorted(filter(wanted.covers, containers), key=lambda one: bool(one.container.head.user))


def _collect(found: Recorder, results: Results, making: Making, chosen: Sequence[Holding]) -> int:
    for one in chosen:
        if one.claimed:
            complain(f"{one.name}: left to the hook or the run that is recording it")
    if not chosen:
        complain("no container was recorded that fits")
        return NOTHING_FITS
    free = [one for one in chosen if not one.claimed]
    good = [
        _collect_some(found, results, making, free[start : start + AT_ONCE])
        for start in range(0, len(free), AT_ONCE)
    ]
    return 0 if all(good) else INCOMPLETE


def _collect_some(
    found: Recorder, results: Results, making: Making, some: Sequence[Holding]
) -> bool:
    """Write these, let go of those that are over; whether everything is as it was asked for."""
    recordings = recordings_of(found, [one for one in some if has_run(one)])
    good, done = True, []
    for one in some:
        recording = recordings.get(one.container.recording)
        if not has_run(one):
            complain(f"{one.name}: never came to run a program: nothing was recorded")
        elif recording is None:
            complain(gone(one))
            good = False
            continue
        else:
            written = deliver(results, making, recording)
            good = good and written is not None and written.as_asked
            if written is None:
                continue
        done.append(one)
    found.release(unchanged(found, [one for one in done if not one.running]))
    return good


def _clock(time_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9))
