"""
What a refined profile lacks of the floors of the runtime that ran.

A run under a profile shows what the runtime called in that run. `refine` agrees with `run` on the
rest: the runtime's other calls, and those of its later versions (`profile.floor_choice`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterable, Tuple

from tracer.profile.floor_choice import FloorChoice, choose, described
from tracer.profile.floors import Floor, permitted
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.recording import Recording, merge


@dataclass(frozen=True)
class FloorAdditions:
    """
    Names of calls that floors need and the profile does not allow, sorted; a phrase that names the
    floors' runtimes and versions; and what a person should know about their choice.
    """

    names: Tuple[str, ...] = ()
    runtimes: str = ""
    messages: Tuple[str, ...] = ()


def floor_additions(
    recordings: Iterable[Recording],
    profile: Profile,
    kept_out: FrozenSet[str],
    choice: FloorChoice,
    measured: Tuple[Floor, ...],
) -> FloorAdditions:
    """
    Return what to add to a profile for the floors that the recordings of its runs ask for.

    A call that was recorded passed the profile's rules, perhaps by a condition that need not go.
    """
    whole = merge(*recordings)
    if not whole.runs:
        return FloorAdditions()
    chosen = choose(whole, choice, measured)
    recorded = {seen.name for seen in whole.observations}
    names = permitted(chosen.floors) - allowed_names(profile) - recorded - kept_out
    return FloorAdditions(tuple(sorted(names)), described(chosen.floors), chosen.messages)
