"""
`seccomp-trace check`: would this profile have let through what was recorded?
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import FrozenSet, Iterator, Optional, Sequence, Tuple

import click

from tracer.capabilities.given import named_sets
from tracer.capabilities.held import held_by
from tracer.capabilities.names import known_names
from tracer.capabilities.required import required
from tracer.cli import complain, options
from tracer.cli.differences import answer_text, architectures_text
from tracer.cli.given import profile_in, refuse_twice
from tracer.cli.printing import print_line
from tracer.cli.required import incomplete_lines as required_lines
from tracer.cli.results import incomplete_lines, read_recordings
from tracer.errors import InputError
from tracer.profile.check import Denial, FloorDenial, Held, denials, floor_denials
from tracer.recording import Recording, Sighting, merge
from tracer.text import printable

REQUIRED = "required"
_NAMED_AT_MOST = 4


@click.command()
@options.caps("What the containers have, or `required`: what they need. [what was recorded]")
@click.option(
    "--cap-add", "added", multiple=True, metavar="CAP", help="The container has it too; or all."
)
@click.option(
    "--runtime-floor",
    "runtime_floor",
    default=options.AUTO,
    show_default=True,
    metavar="auto|none|NAME,...",
    help="Runtimes under which it has to start: the recorded one, none, or these.",
)
@options.judged_engine
@click.argument("profile")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
def check(
    sets: Tuple[str, ...],
    added: Tuple[str, ...],
    runtime_floor: str,
    engine: Optional[str],
    profile: str,
    recordings: Tuple[str, ...],
) -> int:
    """
    Name what PROFILE would deny of these recordings, who made it and when.

    Exit code 1 if there is any, or if a container would not start under its runtime; 0 if not.
    What depends on arguments, which are not recorded, is named too but counts for nothing. Rules
    for certain capabilities are judged by those that each container had.
    """
    wanted = None if runtime_floor == options.AUTO else options.floor_names(runtime_floor)
    refuse_twice((profile, *recordings))
    judged = profile_in(profile)
    whole = merge(*read_recordings(recordings))
    for line in incomplete_lines(whole):
        complain(f"not complete: {line}")
    held = _held(sets, added, whole)
    found = denials(judged, whole, held, engine=engine)
    floors = floor_denials(judged, whole.runs.values(), wanted, held, engine=engine)
    for denial in found:
        print_line(_denial_line(denial, whole))
    counted = [one for one in floors if one.recorded or wanted is not None]
    for floor in floors:
        print_line(_floor_line(floor, counts=floor in counted))
    denied = [one for one in found if not one.depends]
    print_line(_verdict(found, counted, whole))
    return 1 if denied or counted else 0


def _held(sets: Sequence[str], added: Sequence[str], whole: Recording) -> Held:
    """What each container has: what was recorded, or the one set that is asked about."""
    words = [word.strip() for one in sets for word in one.split(",")]
    named = named_sets(word for word in words if word != REQUIRED)
    if REQUIRED in words:
        named |= _needed(whole)
    more = frozenset(known_names(added))
    return lambda run: (named if words else held_by(run)) | more


def _needed(whole: Recording) -> FrozenSet[str]:
    found = required(whole)
    if found.unknown:
        raise InputError(
            f"--caps {REQUIRED}: not all runs have capability checks",
            "seccomp-trace caps required says why; --caps names a set",
        )
    for line in required_lines(found, len(whole.runs)):
        complain(f"not complete: {line}")
    return frozenset(found.capabilities)


def _denial_line(denial: Denial, whole: Recording) -> str:
    first = denial.observations[0]
    name = first.name or f"call {first.number}"
    verdict = "depends" if denial.depends else "denied"
    answer = answer_text(denial.answer)
    if denial.depends:
        answer = f"{answer} for some arguments"
    runs = {run for one in denial.observations for run in one.runs}
    where = architectures_text([first.architecture])
    return (
        f"{verdict:8} {printable(name, 64):20} {answer}  on {where}"
        f"  by {', '.join(_makers(denial))}  first {_when(first.first)}"
        f" (thread {first.first.thread})  in {_runs(sorted(runs), whole)}"
    )


def _makers(denial: Denial) -> Iterator[str]:
    makers = dict.fromkeys((one.executable, one.first.comm) for one in denial.observations)
    for executable, comm in list(makers)[:_NAMED_AT_MOST]:
        yield f"{printable(executable, 80)} ({printable(comm, 16)})"
    if len(makers) > _NAMED_AT_MOST:
        yield f"{len(makers) - _NAMED_AT_MOST} more"


def _when(first: Sighting) -> str:
    when = datetime.fromtimestamp(first.time / 1e9, timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _runs(ids: Sequence[str], whole: Recording) -> str:
    if len(ids) > 1:
        return f"{len(ids)} of {len(whole.runs)} runs"
    run = whole.runs[ids[0]]
    return printable(run.container_name or run.container_id[:12] or run.id, 60)


def _floor_line(floor: FloorDenial, *, counts: bool) -> str:
    verdict = "denied" if counts else "note"
    what = "start" if floor.action == "start" else "let anybody exec into it"
    privileges = {True: " with no-new-privileges", False: "", None: ""}[floor.no_new_privileges]
    return (
        f"{verdict:8} {floor.runtime:20} would not {what} under {floor.runtime}{privileges}: "
        f"it needs {', '.join(floor.calls)}"
    )


def _verdict(found: Sequence[Denial], floors: Sequence[FloorDenial], whole: Recording) -> str:
    calls = {(one.name, one.architecture, one.number) for one in whole.observations}
    denied = {_call_of(one) for one in found if not one.depends}
    depending = {_call_of(one) for one in found} - denied
    left = len(calls) - len(denied) - len(depending)
    parts = [
        f"{len(calls)} calls recorded: {left} would be let through, {len(denied)} denied"
        + (f", {len(depending)} depend on their arguments" if depending else "")
    ]
    parts += [f"would not work under {one}" for one in sorted({one.runtime for one in floors})]
    return "; ".join(parts)


def _call_of(denial: Denial) -> Tuple[Optional[str], str, int]:
    first = denial.observations[0]
    return (first.name, first.architecture, first.number)
