"""
The profile that is written for a recording: what was seen, the runtime's floor, the baseline.

Joins `generate`, `floors` and `extend`; decides which floors a recording asks for by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, FrozenSet, List, Mapping, Optional, Tuple

from tracer.profile.floors import floor_for, known_runtimes
from tracer.profile.generate import generate, render
from tracer.recording import Recording, Run

if TYPE_CHECKING:
    from tracer.profile.model import Profile


@dataclass(frozen=True)
class Wanted:
    """
    What kind of profile is asked for.

    `runtimes`: None for those of the recording itself ("auto"), or exactly these. `without_failed`
    leaves out what the kernel only ever answered with ENOSYS or EPERM. `capabilities`: what the
    container will have, by which a baseline's rules are chosen; None for what was recorded.
    """

    runtimes: Optional[FrozenSet[str]] = None
    baseline: Optional[Profile] = None
    without_failed: bool = False
    capabilities: Optional[FrozenSet[str]] = None


@dataclass(frozen=True)
class Made:
    """
    A profile's text, the calls that it owes to a floor alone, the runtimes whose floor it has, and
    what a person should know about it.
    """

    text: str
    floor_only: FrozenSet[str]
    runtimes: Tuple[str, ...]
    messages: Tuple[str, ...]


def make(recording: Recording, wanted: Wanted) -> Made:
    """
    The profile of a recording.

    A recording of no runtime that was measured gets the floors of all that were (a plain command's
    profile is meant for whichever will start it), and a message says so.
    """
    chosen, messages = _floors(recording, wanted)
    floor = frozenset[str]().union(*chosen.values())
    answers, leaving = _answers(recording, wanted, floor) if wanted.without_failed else ({}, ())
    messages += leaving
    generated = generate(recording, floor, answers)
    text = render(generated)
    if wanted.baseline is not None:
        circumstances = _circumstances(recording, wanted)
        text, extending = _extended(wanted.baseline, generated, answers, circumstances)
        messages += extending
    messages += _bound_to_privileges(recording, wanted)
    recorded = {seen.name for seen in recording.observations}
    return Made(
        text=text,
        floor_only=frozenset(floor - recorded),
        runtimes=tuple(sorted(chosen)),
        messages=tuple(messages),
    )


# What reads and unites profiles is imported here: the OCI hook, which a container's end waits for,
# seldom needs it.
def _extended(
    baseline: Profile,
    generated: Mapping[str, object],
    answers: Mapping[str, int],
    circumstances: FrozenSet[FrozenSet[str]],
) -> Tuple[str, Tuple[str, ...]]:
    from tracer.profile import documents, failing, formats
    from tracer.profile.extend import extend

    extended = extend(baseline, documents.profile_from(generated, "generated"), circumstances)
    return formats.write(failing.answering(extended.profile, answers)), extended.messages


def _circumstances(recording: Recording, wanted: Wanted) -> FrozenSet[FrozenSet[str]]:
    """The capabilities with which the profile has to do; none if they are not known."""
    from tracer.capabilities.held import circumstances_of

    if wanted.capabilities is not None:
        return frozenset({wanted.capabilities})
    return circumstances_of(recording)


def _answers(
    recording: Recording, wanted: Wanted, floor: FrozenSet[str]
) -> Tuple[Mapping[str, int], Tuple[str, ...]]:
    """
    What is left out and how it is answered instead; nothing that the runtimes which were recorded
    may need, whatever other floor is wanted.
    """
    from tracer.profile.failing import left_out

    own, _ = _floors(recording, Wanted())
    chosen = left_out(recording, floor.union(*own.values()), wanted.baseline)
    return chosen.answers, chosen.messages


def _floors(recording: Recording, wanted: Wanted) -> Tuple[Dict[str, FrozenSet[str]], List[str]]:
    """The floors to add, by runtime, and what there is to say about the choice."""
    if wanted.runtimes is not None:
        return {name: floor_for(name, _privileges(recording)) for name in wanted.runtimes}, []
    measured = known_runtimes()
    floors: Dict[str, FrozenSet[str]] = {}
    messages: List[str] = []
    for run in recording.runs.values():
        if run.runtime in measured:
            own = floor_for(run.runtime, run.no_new_privileges)
            floors[run.runtime] = floors.get(run.runtime, frozenset()) | own
        else:
            floors.update({name: floor_for(name, None) for name in sorted(measured)})
            messages.append(_unmeasured(run, sorted(measured)))
    return floors, list(dict.fromkeys(messages))


def _bound_to_privileges(recording: Recording, wanted: Wanted) -> List[str]:
    """What to say of a profile that fits a container with no-new-privileges only."""
    if wanted.runtimes is not None or _privileges(recording) is not True:
        return []
    measured = known_runtimes() & {run.runtime for run in recording.runs.values()}
    if not measured:
        return []
    return [
        "recorded with no-new-privileges: without it the runtime needs more, and the container "
        "does not start under this profile"
    ]


def _unmeasured(run: Run, measured: List[str]) -> str:
    every = " and ".join(measured)
    if run.runtime:
        return (
            f"what the runtime {run.runtime} itself calls was never measured: the profile has the "
            f"floor of {every} instead, and may not start every time"
        )
    return f"no container runtime was seen: the profile has the floor of {every}"


def _privileges(recording: Recording) -> Optional[bool]:
    """no_new_privileges, if all runs agree."""
    values = {run.no_new_privileges for run in recording.runs.values()}
    return values.pop() if len(values) == 1 else None
