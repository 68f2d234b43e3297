"""
Whether containers start under a profile, as lines for people.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, List, Sequence, Tuple

from tracer.cli.differences import architectures_text
from tracer.profile.check_starts import Starts
from tracer.profile.floor_choice import described, measure_command
from tracer.profile.floors import Floor
from tracer.profile.known_calls import Ignored
from tracer.profile.start_denials import FloorDenial
from tracer.recording import Run
from tracer.text import printable

DENIED, NOTE = "denied", "note"
# How an action fails: always, and sometimes.
_FAILURES = {
    "start": ("would not start", "would sometimes not start"),
    "exec": ("exec would fail", "exec would sometimes fail"),
}


def start_lines(found: Starts, ignored: Ignored = Ignored()) -> Iterator[str]:
    """
    Give a line for whatever fails, then for runtimes that nobody has measured, then for calls that
    nobody has tried to refuse. `ignored`: what the libseccomp that was asked about ignores.
    """
    several = len({denial.architecture for denial in found.denials}) > 1
    for denial in found.denials:
        verdict = DENIED if denial.counts else NOTE
        where = f" on {architectures_text([denial.architecture])}" if several else ""
        text = start_text(denial, where) + ignored.reason(denial.calls)
        yield f"{verdict:8} {denial.runtime:20} {text}"
    for run in found.unmeasured:
        yield f"{NOTE:8} {printable(run.runtime, 20):20} {_unmeasured_text(run)}"
    for names, floors in _by_names(found.untried).items():
        yield (
            f"{NOTE:8} {floors[0].runtime:20} {described(floors)} was seen to call "
            f"{', '.join(names)}; whether it starts without was never measured: allow it to be sure"
            f"{ignored.reason(names)}"
        )


def start_text(denial: FloorDenial, where: str = "") -> str:
    """Return what fails, under which versions, and why."""
    privileges = " with no-new-privileges" if denial.no_new_privileges else ""
    under = f"under {described(denial.floors)}{where}{privileges}"
    always, sometimes = _FAILURES[denial.action]
    reason = denial.refusal or f"it needs {', '.join(denial.needs)}"
    return f"{always if denial.always else sometimes} {under}: {reason}"


def _unmeasured_text(run: Run) -> str:
    version = f"version {printable(run.runtime_version, 40)}"
    return (
        f"{version if run.runtime_version else 'this version'} was never measured, so whether "
        f"containers start under it is not known; run '{printable(measure_command(run), 200)}'"
    )


def _by_names(
    untried: Sequence[Tuple[Floor, Tuple[str, ...]]],
) -> Dict[Tuple[str, ...], List[Floor]]:
    """The floors of each runtime by the calls that nobody has tried, of starts and execs alike."""
    names: Dict[Tuple[str, str], FrozenSet[str]] = {}
    for floor, found in untried:
        key = (floor.runtime, floor.version)
        names[key] = names.get(key, frozenset()) | frozenset(found)
    same: Dict[Tuple[str, ...], List[Floor]] = {}
    for floor, _ in untried:
        wanted = tuple(sorted(names[floor.runtime, floor.version]))
        same.setdefault(wanted, []).append(floor)
    return same
