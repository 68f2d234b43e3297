"""
`seccomp-trace check`: would this profile have let through what was recorded?
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

import click

from tracer.capabilities.given import named_sets
from tracer.capabilities.held import held_by
from tracer.capabilities.names import known_names
from tracer.capabilities.required import required
from tracer.cli import complain, options
from tracer.cli.bases import base
from tracer.cli.differences import answer_text, architectures_text
from tracer.cli.given import profile_in, refuse_twice
from tracer.cli.printing import print_line
from tracer.cli.required import incomplete_lines as required_lines
from tracer.cli.results import incomplete_lines, read_recordings
from tracer.cli.start_lines import DENIED, NOTE, start_lines
from tracer.errors import InputError
from tracer.profile.check import Denial, Held, denials
from tracer.profile.check_starts import Starts, runtime_does_without, starts
from tracer.profile.floor_choice import described
from tracer.profile.floors import Floor
from tracer.profile.known_calls import Ignored, ignored
from tracer.profile.releases import Release
from tracer.profile.resolve import as_read_by
from tracer.recording import Recording, Sighting, merge
from tracer.text import printable

REQUIRED = "required"
_DEPENDS = "depends"
# What is added to the answer, in the order of lines.
_REMARKS = {
    DENIED: "",
    _DEPENDS: " for some arguments",
    NOTE: ", which the runtime does without",
}
_NAMED_AT_MOST = 4


@click.command()
@options.caps("What the containers have, or `required`: what they need. [what was recorded]")
@click.option(
    "--cap-add", "added", multiple=True, metavar="CAP", help="The container has it too; or all."
)
@options.runtime_floor_to_judge
@options.libseccomp("The release of the host's libseccomp. [this host's]")
@options.judged_engine
@base
@click.argument("profile")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
def check(
    sets: Tuple[str, ...],
    added: Tuple[str, ...],
    runtime_floor: str,
    release: Optional[Release],
    engine: Optional[str],
    profile: str,
    recordings: Tuple[str, ...],
) -> int:
    """
    List the recorded calls that PROFILE would deny: who made them, and when.

    Also lists the measured runtimes under which PROFILE starts no container, or no exec works. Exit
    code 1 if PROFILE denies a recorded call, or if it would fail so under the runtime that ran; 0
    if not. Runtimes ignore rules for calls that the host's libseccomp does not know, and the line
    says so. Notes do not count. Neither do calls that depend on arguments, which are not recorded.
    Rules for certain capabilities are judged by those that each container had.
    """
    choice, measured = options.floors_for(runtime_floor)
    refuse_twice((profile, *recordings))
    judged = as_read_by(profile_in(profile), engine)
    whole = merge(*read_recordings(recordings))
    for line in incomplete_lines(whole):
        complain(f"not complete: {line}")
    held = _held(sets, added, whole)
    found = _Found(
        {
            denial: _verdict(denial, whole, measured)
            for denial in denials(judged, whole, held, release)
        },
        starts(judged, whole, choice, measured, held, release),
        ignored(judged, release),
    )
    for line in (*_denial_lines(found, whole), *start_lines(found.starts, found.ignored)):
        print_line(line)
    print_line(_summary(found, whole))
    return 1 if found.denied or found.failing else 0


@dataclass(frozen=True)
class _Found:
    """
    Denied calls, each with its verdict; whether containers start; what libseccomp ignores.
    """

    verdicts: Dict[Denial, str]
    starts: Starts
    ignored: Ignored

    @property
    def denied(self) -> List[Denial]:
        return self.of(DENIED)

    @property
    def failing(self) -> List[Floor]:
        return [floor for denial in self.starts.denials if denial.counts for floor in denial.floors]

    def of(self, verdict: str) -> List[Denial]:
        return [denial for denial, found in self.verdicts.items() if found == verdict]


def _verdict(denial: Denial, whole: Recording, measured: Sequence[Floor]) -> str:
    if denial.depends:
        return _DEPENDS
    return NOTE if runtime_does_without(denial, whole, measured) else DENIED


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


def _denial_lines(found: _Found, whole: Recording) -> Iterator[str]:
    for verdict in _REMARKS:
        for denial in found.of(verdict):
            yield _denial_line(denial, verdict, found.ignored, whole)


def _denial_line(denial: Denial, verdict: str, unknown: Ignored, whole: Recording) -> str:
    first = denial.observations[0]
    name = first.name or f"call {first.number}"
    answer = answer_text(denial.answer) + _REMARKS[verdict]
    runs = {run for one in denial.observations for run in one.runs}
    where = architectures_text([first.architecture])
    return (
        f"{verdict:8} {printable(name, 64):20} {answer}  on {where}"
        f"  by {', '.join(_makers(denial))}  first {_when(first.first)}"
        f" (thread {first.first.thread})  in {_runs(sorted(runs), whole)}"
        f"{unknown.reason([name])}"
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


def _summary(found: _Found, whole: Recording) -> str:
    calls = {(seen.name, seen.architecture, seen.number) for seen in whole.observations}
    denied = set(map(_call_of, found.denied))
    depending = set(map(_call_of, found.of(_DEPENDS))) - denied
    spared = set(map(_call_of, found.of(NOTE))) - denied - depending
    left = len(calls) - len(denied) - len(depending) - len(spared)
    parts = [
        f"{len(calls)} calls recorded: {left} would be let through, {len(denied)} denied"
        + (f", {len(depending)} depend on their arguments" if depending else "")
        + (f", {len(spared)} that the runtime does without" if spared else "")
    ]
    parts += [f"would not work under {described(found.failing)}"] if found.failing else []
    return "; ".join(parts)


def _call_of(denial: Denial) -> Tuple[Optional[str], str, int]:
    first = denial.observations[0]
    return (first.name, first.architecture, first.number)
