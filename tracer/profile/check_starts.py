"""
Whether recorded containers would start again under a profile, and which runtimes that is about.

What counts is the runtime that ran, in the version that ran, with the same setting of
no-new-privileges; or the runtimes that `--runtime-floor` names. By default later versions and the
other runtimes are looked at too, as notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from tracer.capabilities.held import held_by
from tracer.profile.check import Denial, Held, runs_by_capabilities
from tracer.profile.floor_choice import AUTO, EXACT, FloorChoice, choose, is_measured
from tracer.profile.floor_judgement import does_without, untried
from tracer.profile.floors import NEVER, Floor, upstream
from tracer.profile.model import Profile
from tracer.profile.releases import Release
from tracer.profile.start_denials import FloorDenial, FloorJudge, joined, same_but_action
from tracer.recording import RUNTIME, Recording, Run


@dataclass(frozen=True)
class Starts:
    """
    `denials`: what fails, what counts first. `untried`: floors that count, with refused calls of
    theirs which nobody has tried to refuse. `unmeasured`: runs whose runtime nobody has measured.
    """

    denials: Tuple[FloorDenial, ...]
    untried: Tuple[Tuple[Floor, Tuple[str, ...]], ...]
    unmeasured: Tuple[Run, ...]


def starts(
    profile: Profile,
    recording: Recording,
    choice: FloorChoice,
    measured: Sequence[Floor],
    held: Held = held_by,
    release: Optional[Release] = None,
) -> Starts:
    """
    Return whether the recorded containers would start under a profile.

    `held` tells a run's capabilities; `release` is the host's libseccomp, as for `Judge`. Raises
    InputError for a profile that cannot be loaded.
    """
    runs = tuple(recording.runs.values())
    floors = _looked_at(recording, choice, measured)
    denials: List[FloorDenial] = []
    unknown: List[Tuple[Floor, Tuple[str, ...]]] = []
    for capabilities, same in runs_by_capabilities(profile, runs, held):
        judge = FloorJudge(profile, capabilities, release)
        fitting = [floor for floor in floors if any(_fits(floor, run) for run in same)]
        counted = [floor for floor in fitting if _counts(floor, choice, same)]
        found = list(judge.denials(fitting, lambda floor: floor in counted))
        denials += found
        unknown += _untried(judge, counted, found)
    return Starts(
        joined(denials), tuple(dict.fromkeys(unknown)), _unmeasured(runs, choice, measured)
    )


def runtime_does_without(denial: Denial, recording: Recording, measured: Iterable[Floor]) -> bool:
    """
    Say whether a denied call was the runtime's alone, and the runtime is known to do without.

    Generated profiles leave out such calls, if their permission opens a risk class.
    """
    name = denial.observations[0].name
    if name is None or any(seen.executable != RUNTIME for seen in denial.observations):
        return False
    if name in NEVER:
        return True
    runs = {run for seen in denial.observations for run in seen.runs}
    own = [
        [floor for floor in measured if _ran(floor, recording.runs[run])] for run in sorted(runs)
    ]
    return all(does_without(floors, name, denial.answer) for floors in own)


def _looked_at(
    recording: Recording, choice: FloorChoice, measured: Sequence[Floor]
) -> Tuple[Floor, ...]:
    chosen = choose(recording, choice, measured).floors
    if choice.word != AUTO:
        return chosen
    recorded = {run.runtime for run in recording.runs.values()}
    return (*chosen, *(floor for floor in measured if floor.runtime not in recorded))


def _counts(floor: Floor, choice: FloorChoice, runs: Iterable[Run]) -> bool:
    return choice.word not in (AUTO, EXACT) or any(_ran(floor, run) for run in runs)


def _ran(floor: Floor, run: Run) -> bool:
    return _fits(floor, run) and (floor.runtime, upstream(floor.version)) == (
        run.runtime,
        upstream(run.runtime_version),
    )


def _fits(floor: Floor, run: Run) -> bool:
    same_setting = run.no_new_privileges in (None, floor.no_new_privileges)
    return same_setting and run.architecture in ("", floor.architecture)


def _untried(
    judge: FloorJudge, counted: Iterable[Floor], denials: Iterable[FloorDenial]
) -> Iterator[Tuple[Floor, Tuple[str, ...]]]:
    failing = {same_but_action(floor) for denial in denials for floor in denial.floors}
    for floor in counted:
        names = untried(floor, judge.answers(floor))
        if names and same_but_action(floor) not in failing:
            yield floor, names


def _unmeasured(
    runs: Iterable[Run], choice: FloorChoice, measured: Sequence[Floor]
) -> Tuple[Run, ...]:
    if choice.word not in (AUTO, EXACT):
        return ()
    found = {
        (run.runtime, run.runtime_version): run
        for run in runs
        if run.runtime
        and not is_measured(run.runtime, run.runtime_version, run.architecture, measured)
    }
    return tuple(found.values())
