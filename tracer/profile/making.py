"""
The profile that is written for a recording: what was seen, the runtime's floor, the baseline.

Joins `generate`, `floor_choice` and `extend`. A recording may be complete and its profile still no
promise, where nobody has measured the runtime: `Made.reasons` has that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, FrozenSet, List, Mapping, Optional, Tuple

from tracer.profile.floor_choice import AUTO, EXACT, ChosenFloors, FloorChoice, choose, described
from tracer.profile.floors import NEVER, Floor, permitted, shipped
from tracer.profile.generate import generate, observed_architectures, render
from tracer.profile.kernel_calls import kernel_calls_of
from tracer.profile.unenforced import unenforced
from tracer.recording import RUNTIME, Reason, Recording

if TYPE_CHECKING:
    from tracer.profile.model import Profile


@dataclass(frozen=True)
class Wanted:
    """
    What kind of profile is asked for.

    `measured` are all measurements to choose floors from, by `floor`. `without_failed` leaves out
    what the kernel only ever answered with ENOSYS or EPERM. `capabilities`: what the container will
    have, by which a baseline's rules are chosen; None for what was recorded.
    """

    floor: FloorChoice = FloorChoice()
    measured: Tuple[Floor, ...] = field(default_factory=shipped)
    baseline: Optional[Profile] = None
    without_failed: bool = False
    capabilities: Optional[FrozenSet[str]] = None


@dataclass(frozen=True)
class Made:
    """
    A profile's text; the calls that it owes to a floor alone, and to the kernel alone
    (`kernel_calls`); a phrase that names the runtimes and versions whose floor it has, empty for
    none; and what a person should know about it.

    `reasons`: why the container may not start under it, beside what speaks against the recording.
    """

    text: str
    floor_only: FrozenSet[str]
    runtimes: str
    messages: Tuple[str, ...]
    reasons: Tuple[Reason, ...] = ()
    kernel_only: FrozenSet[str] = frozenset()


def make(recording: Recording, wanted: Wanted) -> Made:
    """Return the profile of a recording."""
    chosen = choose(recording, wanted.floor, wanted.measured)
    floor = permitted(chosen.floors)
    messages = list(chosen.messages)
    answers, leaving = _answers(recording, wanted, floor) if wanted.without_failed else ({}, ())
    messages += leaving
    spared = spared_calls(recording, chosen.floors)
    if spared:
        messages.append(f"not allowed, for the runtime does without: {', '.join(sorted(spared))}")
    generated = generate(recording, floor, answers, spared)
    text = render(generated)
    if wanted.baseline is not None:
        circumstances = _circumstances(recording, wanted)
        text, extending = _extended(wanted.baseline, generated, answers, circumstances)
        messages += extending
    messages += _bound_to_privileges(recording, wanted, chosen)
    recorded = {seen.name for seen in recording.observations if seen.name}
    allowed = ((recorded - spared) | floor) - answers.keys()
    messages += unenforced(allowed, recording.runs.values(), lambda: _profile_in(text))
    kernel = frozenset(kernel_calls_of(observed_architectures(recording)))
    return Made(
        text=text,
        floor_only=frozenset(floor - recorded),
        runtimes=described(chosen.floors),
        messages=tuple(messages),
        reasons=chosen.reasons,
        kernel_only=kernel - recorded - floor,
    )


def _profile_in(text: str) -> Profile:
    from tracer.profile import formats

    return formats.read(text, "the new profile")


def spared_calls(recording: Recording, floors: Tuple[Floor, ...]) -> FrozenSet[str]:
    """
    Return recorded calls that the profile does not allow: the runtime alone made them, their
    permission opens a risk class, and the runtime does without.
    """
    names = {True: set[str](), False: set[str]()}
    for seen in recording.observations:
        if seen.name is not None:
            names[seen.executable == RUNTIME].add(seen.name)
    measured = frozenset[str]().union(*(floor.names for floor in floors)) - permitted(floors)
    return frozenset((names[True] - names[False]) & (NEVER | measured))


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

    own = permitted(choose(recording, FloorChoice(), wanted.measured).floors)
    chosen = left_out(recording, floor | own, wanted.baseline)
    return chosen.answers, chosen.messages


def _bound_to_privileges(
    recording: Recording, wanted: Wanted, chosen: ChosenFloors
) -> List[str]:
    """What to say of a profile that fits a container with no-new-privileges only."""
    settings = {run.no_new_privileges for run in recording.runs.values()}
    if wanted.floor.word not in (AUTO, EXACT) or settings != {True} or not chosen.floors:
        return []
    if not any(run.container_id for run in recording.runs.values()):
        return []
    return [
        "recorded with no-new-privileges: without it the runtime needs more, and the container "
        "does not start under this profile"
    ]
