"""
What a refined profile lacks of the calls that the kernel makes in a program's place.

No run is sure to show them (`profile.kernel_calls`), so `refine` adds them as `generate` does.
"""

from __future__ import annotations

from typing import AbstractSet, Iterable, Tuple

from tracer.profile.generate import observed_architectures
from tracer.profile.kernel_calls import kernel_calls_of
from tracer.profile.model import Profile
from tracer.profile.reduce import allowed_names
from tracer.recording import Recording, merge


def kernel_additions(
    recordings: Iterable[Recording], profile: Profile, kept_out: AbstractSet[str]
) -> Tuple[str, ...]:
    """
    Return the names to add to a profile for the kernel's sake, sorted; none if nothing ran.

    A call that was recorded passed the profile's rules, perhaps by a condition that need not go.
    """
    whole = merge(*recordings)
    recorded = {seen.name for seen in whole.observations}
    names = set(kernel_calls_of(observed_architectures(whole)))
    return tuple(sorted(names - allowed_names(profile) - recorded - kept_out))
